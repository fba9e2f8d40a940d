"""Breaks the rules that keep compiled functions right, one at a time, and sees who notices.

    python -m tests.fuzz.mutants [--programs N] [--scenes] [WORD ...]

Each mutant changes one place of a copy of the library. Random programs run against that copy, and
with `--scenes` those of tests/graph, too; words choose the mutants whose names contain one of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.drawing import each_program
from tests.fuzz.rules import MUTANTS, Mutant
from tests.fuzz.test_programs import compare

ROOT = Path(__file__).parents[2]
PATIENCE = 900
"""For how many seconds a run may take; a mutant may never end."""


def notice(count: int) -> None:
    """Run random programs, always the same ones."""
    each_program(compare, count, seed=0, shrink=False)


def passes(folder: Path, *arguments: str) -> bool:
    """Does Python end well with these arguments, with the library in `folder`?"""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["JITGRAD_CACHE_DIR"] = str(folder / "kernels")
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def judge(mutant: Mutant, runs: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the names of the runs that notice a mutant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("jitgrad", "tests"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "pyproject.toml", folder)
        mutant.apply(folder / "jitgrad")
        return [who for who, arguments in runs.items() if not passes(folder, *arguments)]


def main(show: Callable[[str], None] = print) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--programs", type=int, default=300, metavar="N")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--notice", type=int, help=argparse.SUPPRESS)
    given_ = parser.parse_args()
    if given_.notice:
        notice(given_.notice)
        return 0
    runs: dict[str, tuple[str, ...]] = {}
    runs["programs"] = ("-m", "tests.fuzz.mutants", "--notice", str(given_.programs))
    if given_.scenes:
        scenes = ("-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "tests/graph")
        runs["scenes"] = scenes
    survived = 0
    for mutant in MUTANTS:
        if given_.words and not any(word in mutant.name for word in given_.words):
            continue
        found = judge(mutant, runs)
        survived += not found
        show(f"{mutant.name}: {'noticed by ' + ' and '.join(found) if found else 'SURVIVED'}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
