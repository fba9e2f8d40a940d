"""Scenes of backward passes that fail on their way: what comes before has arrived, and is freed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf

COUNTS = (1, 2, 3, 40, 41, 60, 41)


def several_steps(x: Any, w: Any, v: Any, n: int) -> Any:
    """Each input is needed by more than one step, and each step saves something else."""
    a = (x * w).sin()
    b = (a * v).exp()
    return ((b + w) * x.cos()).tanh() * v


def deciding(x: Any, w: Any, v: Any, n: int) -> Any:
    x = (x * w).sin()
    if x.sum() > -100:
        x = x * v
    if x.sum() > -200:
        x = (x * w).cos()
    return x * v


def turning(x: Any, w: Any, v: Any, n: int) -> Any:
    first = (x * v).sin()
    for _ in range(n):
        first = (first * w).tanh() + 0.125
    return first * v


def two_ways(x: Any, w: Any, v: Any, n: int) -> Any:
    for at in range(n):
        x = (x * v).sin() if at % 3 == 1 else x + w * w
    return x


def several_results(x: Any, w: Any, v: Any, n: int) -> Any:
    same = (x * w).sin()
    return same.exp() * v, (same * v).cos(), x.exp() + v.sin()


def several_turning(x: Any, w: Any, v: Any, n: int) -> Any:
    for at in range(n):
        if at % 2:
            x = (x * w).sin()
        else:
            v = (v * w).cos()
    return x, v


def appending(x: Any, w: Any, v: Any, n: int) -> Any:
    found = []
    for _ in range(n):
        x = (x * w).sin() + v
        found.append(x)
    return found


def appending_losses(x: Any, w: Any, v: Any, n: int) -> Any:
    found, losses = [], []
    for at in range(n):
        x = (x * w).tanh()
        if at % 3:
            losses.append((x * v).sum())
        else:
            found.append(x)
    return [*losses, *found, x]


PROGRAMS = (
    several_steps,
    deciding,
    turning,
    two_ways,
    several_results,
    several_turning,
    appending,
    appending_losses,
)


def total(result: Any) -> Any:
    """Return a sum of all results."""
    found = result if isinstance(result, (list, tuple)) else [result]
    loss = found[0].sum()
    for each in found[1:]:
        loss = loss + each.sum() * 0.5
    return loss


def write(tensor: Any) -> None:
    with torch.no_grad():
        tensor.mul_(2)


def arguments() -> tuple[Any, Any, Any]:
    return leaf(0.5, -0.25), leaf(0.9, 1.01), leaf(0.25, 0.125)


def back(s: Session, loss: Any, leaves: Any, **named: Any) -> None:
    s.attempt(loss.backward, **named)
    s.see(*leaves)


def spoiled(s: Session, function: Callable, look: Callable) -> None:
    """Call `look` with the results of calls, in whose inputs or results something was written."""
    f = s.compile(function)
    for n in COUNTS:
        for what in ("x", "w", "v", "first", "last", ""):
            x, w, v = arguments()
            start = x * 1
            result = s.attempt(f, start, w, v, n)
            found = result if isinstance(result, (list, tuple)) else [result]
            named = {"x": start, "w": w, "v": v, "first": found[0], "last": found[-1]}
            if what:
                write(named[what])
            look(result, (x, w, v))


def scene_again_and_again(s: Session) -> None:
    def look(result: Any, leaves: Any) -> None:
        loss = total(result)
        for _ in range(3):
            back(s, loss, leaves)

    for function in PROGRAMS:
        spoiled(s, function, look)


def scene_kept_at_first(s: Session) -> None:
    def look(result: Any, leaves: Any) -> None:
        loss = total(result)
        back(s, loss, leaves, retain_graph=True)
        back(s, loss, leaves)
        back(s, loss, leaves, retain_graph=True)
        back(s, loss, leaves)

    for function in PROGRAMS:
        spoiled(s, function, look)


def scene_part_of_the_inputs(s: Session) -> None:
    def look(result: Any, leaves: Any) -> None:
        loss = total(result)
        for each in (leaves[1], leaves[2], leaves[0]):
            s.attempt(torch.autograd.grad, loss, each, allow_unused=True)
            back(s, loss, leaves, inputs=[each])
        back(s, loss, leaves)

    for function in PROGRAMS:
        spoiled(s, function, look)


def scene_one_result_after_the_other(s: Session) -> None:
    def look(result: Any, leaves: Any) -> None:
        some = [*result[:2], *result[-2:]]
        for each in (*some, *reversed(some)):
            back(s, each.sum(), leaves)

    for function in (several_results, several_turning, appending, appending_losses):
        spoiled(s, function, look)


def scene_from_one_result_to_another(s: Session) -> None:
    """What they have made from it leads from one element of a list to another, too."""

    def look(result: Any, leaves: Any) -> None:
        for _ in range(2):
            for at, to in ((-1, 0), (len(result) // 2, len(result) // 3), (0, -1)):
                loss = (result[at] * 2).sum()
                s.attempt(torch.autograd.grad, loss, result[to], allow_unused=True)
        back(s, total(result), leaves)

    for function in (several_results, several_turning, appending, appending_losses):
        spoiled(s, function, look)


def scene_one_call_after_the_other(s: Session) -> None:
    for function in (several_steps, turning, two_ways):
        f = s.compile(function)
        for n in COUNTS:
            for what in range(4):
                x, w, v = arguments()
                states = [x * 1]
                for _ in range(4):
                    states.append(s.attempt(f, states[-1], w, v, n))
                write(states[what])
                for _ in range(2):
                    back(s, states[-1].sum(), (x, w, v))
                s.attempt(torch.autograd.grad, states[2].sum(), [x, w], allow_unused=True)
                back(s, states[2].sum(), (x, w, v), inputs=[v])


def scene_results_that_have_nothing_to_do_with_each_other(s: Session) -> None:
    """One node has made both; to go back to what one came from asks for nothing of the other."""

    def step(x: Any, w: Any, v: Any, n: int) -> Any:
        return (x * v).exp(), (w * w).sin()

    def steps(x: Any, w: Any, v: Any, n: int) -> Any:
        for _ in range(n):
            x, w = (x * v).tanh(), (w * w).sin()
        return x, w

    def sums(x: Any, w: Any) -> Any:
        return x.sum() + w.sum()

    for function in (step, steps):
        f, g = s.compile(function), s.compile(sums)
        for n in COUNTS:
            for what in ("x", "w", ""):
                x, w, v = arguments()
                first, second = x * 1, w * 1
                third, fourth = s.attempt(f, *s.attempt(f, first, second, v, n), v, n)
                if what:
                    write(first if what == "x" else second)
                for loss in (s.attempt(g, third, fourth), third.sum() + fourth.sum()):
                    for leaf_ in (w, v, x, w):
                        s.attempt(torch.autograd.grad, loss, leaf_, allow_unused=True)


def scene_hooks_before_and_behind(s: Session) -> None:
    def run(function: Callable, fails: bool) -> None:
        seen: list[Any] = []

        def hook(cotangent: Any) -> Any:
            seen.append(cotangent.tolist())
            if fails and len(seen) % 3 == 0:
                raise ValueError("the hook fails")
            return cotangent * 2

        def look(result: Any, leaves: Any) -> None:
            found = result if isinstance(result, (list, tuple)) else [result]
            for each in (leaves[1], found[0], found[len(found) // 2]):
                if each.requires_grad:
                    each.register_hook(hook)
            loss = total(result)
            for _ in range(2):
                back(s, loss, leaves)
                s.see(seen)
                seen.clear()

        spoiled(s, function, look)

    for function in (several_steps, turning, several_results, appending):
        for fails in (False, True):
            run(function, fails)


def scene_inputs_that_moved(s: Session) -> None:
    """Eager has not saved them, so that writing to them spoils nothing."""

    def f(x: Any, w: Any, v: Any, n: int) -> Any:
        return ((x * 2).sin() * w).exp() * v

    f = s.compile(f)
    for what in range(3):
        for _ in range(3):
            x, w, v = arguments()
            given = [x * 1, w * 1, v * 1]
            result = s.attempt(f, *given, 1)
            write(given[0])
            write(given[what])
            for _ in range(2):
                back(s, result.sum(), (x, w, v))


def scene_orders(s: Session) -> None:
    """What the first pass has freed is missing in the second one, unless it was kept."""

    def look(result: Any, leaves: Any) -> None:
        loss = total(result)
        for keep in (None, False):
            named = {"create_graph": True, "retain_graph": keep, "allow_unused": True}
            found = s.attempt(torch.autograd.grad, loss, leaves, **named)
            slope = None if found is None else found[1]
            if slope is not None and slope.requires_grad:
                back(s, slope.sum(), leaves, retain_graph=True)
        for _ in range(2):
            back(s, loss, leaves)

    for function in (several_steps, deciding, turning, several_results, appending):
        spoiled(s, function, look)


def scene_anomalies(s: Session) -> None:
    """The pass fails at the first NaN that it meets."""

    def f(x: Any, w: Any, v: Any, n: int) -> Any:
        x = x * v
        for _ in range(n):
            x = (x * w).sqrt()
        return x * v

    f = s.compile(f)
    for n in COUNTS:
        for value in (0.5, -1.0, 0.0):
            x, w, v = leaf(value, 1.0), leaf(0.9, 1.01), leaf(0.25, 0.125)
            result = s.attempt(f, x, w, v, n)
            with torch.autograd.detect_anomaly(check_nan=True):
                back(s, result.sum(), (x, w, v))
            for _ in range(2):
                back(s, result.sum(), (x, w, v))
