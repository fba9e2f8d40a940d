"""What the examples share: options, progress, pictures, the last words, warped digits."""

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import jitgrad
from jitgrad import Tensor
from jitgrad.demo.options import OneLineParser, png, positive, rate, whole
from jitgrad.demo.report import Progress, duration
from jitgrad.nn import functional as F

Say = Callable[[str], object]
"""Shows where the work stands, on a terminal; `str` shows nothing."""


def options_of(work: Callable[..., Any]) -> OneLineParser:
    """Return a parser with the options of all examples, and one for each number that `work` takes.

    Help begins with the first paragraph of the docstring of the module that `work` is in.
    """
    description, _, _ = (inspect.getdoc(sys.modules[work.__module__]) or "").partition("\n\n")
    parser = OneLineParser(description=description)
    how = parser.add_mutually_exclusive_group()
    how.set_defaults(eager=False)
    how.add_argument(
        "--compile", dest="eager", action="store_false", help="run natively (the default)"
    )
    how.add_argument("--eager", action="store_true", help="run as ordinary Python")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of random numbers (0)")
    parser.add_argument("--explain", action="store_true", help="say what was compiled and how")
    parser.add_argument("--plot", type=png, metavar="FILE.png", help="draw what came out")
    for name, default in numbers_of(work).items():
        kind, placeholder = (positive, "N") if isinstance(default, int) else (rate, "X")
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar=placeholder, help=f"({default})"
        )
    return parser


def numbers_of(work: Callable[..., Any]) -> dict[str, int | float]:
    """Return the parameters of a function that have numbers as defaults.

    >>> numbers_of(lambda steps=10, lr=0.1, say=str: None)
    {'steps': 10, 'lr': 0.1}
    """
    parameters = inspect.signature(work).parameters.values()
    return {each.name: each.default for each in parameters if isinstance(each.default, int | float)}


@dataclass
class Session:
    """A run of an example: `numbers` are the options of its work, `say` shows progress."""

    numbers: dict[str, Any]
    say: Say


@contextmanager
def session(
    options: argparse.Namespace, work: Callable[..., Any], compiled: Any
) -> Iterator[Session]:
    """Run the block as the options say: seeded, eagerly or not, with progress on a terminal.

    Behind it, print what it took and, with ``--explain``, what became of the `compiled` function.
    """
    numbers = {name: getattr(options, name) for name in numbers_of(work)}
    jitgrad.manual_seed(options.seed)
    begin = perf_counter()
    with jitgrad.eager() if options.eager else nullcontext(), Progress() as progress:
        yield Session(numbers, progress.say)
    seconds, report = perf_counter() - begin, compiled.explain()
    if options.eager:
        print(f"time: {duration(seconds)} (eager)")
    else:
        spent = duration(report.record_seconds + report.compile_seconds)
        print(f"time: {duration(seconds)} (compiled; {spent} of it recording and compiling)")
    if options.explain:
        print(report)


@contextmanager
def picture(path: Path, columns: int) -> Iterator[Any]:
    """Give so many axes, side by side, to the block, then write the figure to `path`."""
    # optional, and needed for --plot alone
    agg = importlib.import_module("matplotlib.backends.backend_agg")
    figures = importlib.import_module("matplotlib.figure")
    figure = figures.Figure(figsize=(4.5 * columns, 4), layout="constrained")
    agg.FigureCanvasAgg(figure)
    yield figure.subplots(1, columns)
    figure.savefig(path, format="png", dpi=120)
    print(f"drawn: {path}")


def mean_of_last(losses: Sequence[float], count: int = 20) -> float:
    """Return the mean of the last losses: a single batch says little.

    >>> mean_of_last([9.0, 1.0, 3.0], 2)
    2.0
    """
    last = losses[-count:]
    return sum(last) / len(last)


def verdict(reached: bool, goal: str) -> int:
    """Print whether the goal was reached; return the exit status."""
    print(f"goal: {goal}: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


def exit_status(main: Callable[[Sequence[str] | None], int]) -> int:
    """Run an example's `main`; return its exit status, that of shells when it is interrupted."""
    try:
        return main(None)
    except KeyboardInterrupt:
        return 130


def warped(images: Tensor, strength: float = 0.1) -> Tensor:
    """Return 8x8 images under random affine maps, one for each. Shapes: (N, 64), the same."""
    count = len(images)
    maps = jitgrad.eye(2, 3) + strength * jitgrad.randn(count, 2, 3)
    grid = F.affine_grid(maps, [count, 1, 8, 8], align_corners=False)
    moved = F.grid_sample(images.view(count, 1, 8, 8), grid, align_corners=False)
    return moved.view(count, 64)
