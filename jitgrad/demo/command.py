"""The command line of the main job: options, their checks, and the order of what is shown."""

import argparse
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence

from jitgrad.demo import control_flow, digits, plot, report
from jitgrad.demo.options import OneLineParser, png, positive, rate, whole

COMMANDS = ("demo",)


def installed_version() -> str:
    """Return the version of the installed package."""
    try:
        return importlib.metadata.version("jitgrad")
    except importlib.metadata.PackageNotFoundError:
        return "of this folder, not installed: pip install -e ."


def build_parser() -> OneLineParser:
    """Return the parser of ``python -m jitgrad``."""
    version = installed_version()
    parser = OneLineParser(
        prog="python -m jitgrad",
        description="PyTorch-style autograd that compiles ordinary Python. The default is demo.",
    )
    parser.add_argument("--version", action="version", version=f"jitgrad {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=OneLineParser)
    demo = commands.add_parser(
        "demo",
        help="train a small network eagerly and compiled, and compare (the default)",
        description=(
            "Train 64 -> 100 -> 10 on the handwritten digits inside the package, then run a loop "
            "whose length depends on data; each once eagerly and once under @jitgrad.compile. "
            "Offline, under a minute."
        ),
    )
    demo.add_argument("--steps", type=positive, default=1000, metavar="N", help="(1000)")
    demo.add_argument("--lr", type=rate, default=0.1, help="learning rate (0.1)")
    demo.add_argument("--seed", type=whole, default=0, metavar="N", help="of the weights (0)")
    demo.add_argument("--eager-only", action="store_true", help="compile nothing")
    demo.add_argument(
        "--plot", type=png, metavar="FILE", help="draw losses and step times as a PNG"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m jitgrad``; return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # "µs" must not end the program in an odd locale
    options = build_parser().parse_args(with_command(arguments))
    try:
        return demo(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `python -m jitgrad | head -1`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def with_command(arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments with the default command put in where none is named.

    >>> with_command(["--steps", "10"])
    ['demo', '--steps', '10']
    >>> with_command(["--version"])
    ['--version']
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = bool(given) and (given[0] in (*COMMANDS, "-h", "--help", "--version"))
    return given if named or (given and not given[0].startswith("-")) else ["demo", *given]


def demo(options: argparse.Namespace) -> int:
    """Train, compare, print, and draw if asked; 1 if eager and compiled disagree."""
    modes = ("eager",) if options.eager_only else ("eager", "compiled")
    with report.Progress() as progress:
        runs = {
            mode: digits.train(mode, options.steps, options.lr, options.seed, progress)
            for mode in modes
        }
    print(digits.table(runs))
    with report.Progress() as progress:
        loops = {mode: control_flow.run(mode, progress) for mode in modes}
    print()
    print(control_flow.table(loops))
    if options.plot is not None:
        plot.draw(options.plot, runs)
        print(f"\nDrawn: {options.plot}")
    return report.verdict(digits.agreement(runs), control_flow.agreement(loops))
