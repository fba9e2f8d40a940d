"""Programs in processes of their own: what they print, and that they end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

PERTURBED = {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "34"}
"""An environment in which freed memory is overwritten at once, where the C library can do that."""


def run_program(
    path: Path, source: str, environment: dict[str, str] | None = None, seconds: float = 120
) -> str:
    """Run `source` from a file of its own; return what it prints.

    Raises:
        AssertionError: it ended otherwise than well.
    """
    file = path / "program.py"
    file.write_text(source)
    found = os.environ.get("PYTHONPATH")
    places = [str(ROOT), *([found] if found else [])]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(file)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
