"""Kernels kept on disk by the process of the tests: where, and what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jitgrad import config
from jitgrad.kernels import cache
from jitgrad.kernels.linking import Code

CODE = Code("symbol", ("called", "also"), b"machine code " * 100)
KEY = "0" * 40


def contents(directory: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in directory.iterdir()}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of this process."""
    path = tmp_path / "kernels"
    monkeypatch.setattr(config, "cache_dir", str(path))
    forget()
    yield path
    monkeypatch.undo()
    forget()


def forget() -> None:
    cache._noted.clear()
    for each in (cache._trusted, cache._circumstances, cache._is_current):
        each.cache_clear()


def a_source(text: str) -> str:
    """Return a kernel that no process has had before."""
    number = time.time_ns()
    return f"def kernel(arguments, first, last):\n    x = first + {number}  # {text}\n"
