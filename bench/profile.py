"""Where the time of one replay goes: `python -m bench.profile`.

A call that is familiar is one Python function, which looks at what came in, sees whether the facts
hold, calls one program, and makes the results. It is timed as it is, and with parts of it replaced
by what does nothing: the difference is what they take. Times are medians of rounds that take turns.
"""

import argparse
import sys
from collections.abc import Callable
from statistics import median
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import Any

import jitgrad
from bench.loops import LAYERS
from bench.timing import calls_per_block, time_round
from bench.workload import random
from jitgrad import nn
from jitgrad.graph.watching import WatchedGuards

FAMILIAR = 1000
"""Calls after which everything has been compiled."""

PARTS = ("entry", "guards", "native", "wrapping", "rest")


class Stop(Exception):
    """Ends a replay where it would call its program."""


STOP = Stop()


def stop(*given: Any) -> None:
    """Do not compute, and end the replay."""
    raise STOP


def ending(function: Callable[[], Any]) -> Callable[[], None]:
    """Return a function that is ended by `stop`."""

    def run() -> None:
        try:
            function()
        except Stop:
            STOP.__traceback__ = None

    return run


def replaced(function: Any, **others: Any) -> Any:
    """Return the same function with other values of what it finds outside."""
    return FunctionType(function.__code__, {**function.__globals__, **others})


def arguments_of(name: str, called: Any, function: Any, *given: Any) -> tuple[tuple, Any]:
    """Call a function; return what it gives to another one, which it calls once, and gets."""
    calls = []

    def noting(*arguments: Any) -> Any:
        calls.append((arguments, called(*arguments)))
        return calls[-1][-1]

    replaced(function, **{name: noting})(*given)
    (found,) = calls
    return found


class Replay:
    """A compiled function that has become familiar with a call, and its parts.

    Attributes:
        timed: what is timed: the call, and parts of it.
    """

    def __init__(self, function: Any, *given: Any) -> None:
        for _ in range(FAMILIAR):
            function(*given)
        _, direct = function.graph.direct
        found = direct.__globals__
        functions = {each for each in found.values() if isinstance(each, BuiltinFunctionType)}
        (run,) = (each for each in functions if each.__name__ == "run")
        name = next(name for name, each in found.items() if each is run)
        watched = [name for name, each in found.items() if isinstance(each, WatchedGuards)]
        graph = self.graph = function.graph
        arguments, results = arguments_of(name, run, direct, graph, given, {})
        around = replaced(direct, **{name: lambda *given: results})
        ended = replaced(direct, **{name: stop})
        unknown = dict.fromkeys(watched, SimpleNamespace(watched=None))
        entry = replaced(direct, **unknown) if watched else ended
        self.timed: dict[str, Callable[[], Any]] = {
            "call": lambda: function(*given),
            "native": lambda: run(*arguments),
            "around": lambda: around(graph, given, {}),
            "checks": ending(lambda: ended(graph, given, {})),
            "entry": ending(lambda: entry(graph, given, {})),
            # what it takes to be stopped
            "stop": ending(stop),
        }
        self.has_guards = bool(watched)

    def parts(self, rounds: int, seconds: float) -> dict[str, float]:
        """Return the seconds of a call and of its parts."""
        self.graph.calls = 0
        calls = {name: calls_per_block(each) for name, each in self.timed.items()}
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, each in self.timed.items():
                # some calls are other ones, which have a look at the clock
                self.graph.calls = 0
                taken[name].append(time_round(each, calls[name], seconds))
        time = {name: median(each) for name, each in taken.items()}
        checks = time["checks"] - time["stop"]
        entry = time["entry"] if self.has_guards else checks
        return {
            "call": time["call"],
            "entry": entry,
            "guards": checks - entry,
            "native": time["native"],
            "wrapping": time["around"] - checks,
            "rest": time["call"] - time["native"] - time["around"],
        }


def deep() -> nn.Module:
    """Return a model of many small parameters."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(LAYERS)))


def replays() -> dict[str, Replay]:
    """Return what is profiled: a trivial function, and a model of many parameters."""
    numbers, batch = jitgrad.tensor(random(8)), jitgrad.tensor(random(4, 8))
    double, other = (jitgrad.compile(lambda x: x * 2) for _ in range(2))
    frozen, trained = deep(), deep()
    frozen.requires_grad_(False)
    return {
        "`x * 2`": Replay(double, numbers),
        "`x * 2`, with a history": Replay(other, numbers.clone().requires_grad_()),
        "300 parameters": Replay(jitgrad.compile(lambda x: frozen(x)), batch),
        "300 parameters, with a history": Replay(jitgrad.compile(lambda x: trained(x)), batch),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.02, help="of a round of each part")
    options = parser.parse_args(arguments)
    print("| µs of one replay | call |", *(f" {part} |" for part in PARTS), sep="")
    print("|---|", *("---|" for _ in range(len(PARTS) + 1)), sep="")
    for name, replay in replays().items():
        parts = replay.parts(options.rounds, options.seconds)
        print(f"| {name} |", *(f" {seconds * 1e6:.2f} |" for seconds in parts.values()), sep="")


if __name__ == "__main__":
    main(sys.argv[1:])
