"""Kernels kept on disk: what later processes are spared, and what they do again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jitgrad.kernels import cache
from jitgrad.kernels.linking import TILE
from tests.kernels.keeping import contents

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("stored.py")


def start(directory: Any, *names: str, **environment: str) -> subprocess.Popen[str]:
    """Start a process that computes, all or what is named, with kernels in `directory`."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *names],
        env={**os.environ, "JITGRAD_CACHE_DIR": str(directory), **environment},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err == ""
    return json.loads(out)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A directory with the kernels of the program, and what the process said that made them."""
    directory = tmp_path_factory.mktemp("parent") / "kernels"
    said = finish(start(directory))
    assert said["kernels"] > 10
    assert said["kernels_from_disk"] == 0
    assert said["compile_seconds"] > 0
    return directory, said


def test_a_second_process_compiles_nothing(filled):
    directory, first = filled
    before = contents(directory)
    second = finish(start(directory))
    assert second["compile_seconds"] == 0
    assert second["kernels_from_disk"] == second["kernels"] == first["kernels"]
    assert not second["numba"]
    assert second["results"] == first["results"]
    assert second["sources"] == first["sources"]
    assert contents(directory) == before
    assert " from disk), 0.00 s compiling" in second["text"]
    assert " from disk)" not in first["text"]


def test_machine_code_holds_no_addresses(filled, tmp_path):
    """What two processes compile is the same, though everything lies elsewhere in each."""
    directory, _ = filled
    finish(start(tmp_path / "other"))
    assert contents(tmp_path / "other") == contents(directory)
    symbols = [cache.unpacked(name.removesuffix(cache.SUFFIX), data).symbol  # type: ignore[union-attr]
               for name, data in contents(directory).items()]  # fmt: skip
    assert {"jitgrad_launch", "jitgrad_help", "jitgrad_turn", "jitgrad_place"} < set(symbols)
    assert any(b"jitgrad_math_sin" in data for data in contents(directory).values())


def test_tiles_that_are_gone_are_compiled_again(filled, tmp_path):
    """What is removed first is what has not been used, be it a kernel or a tile of one."""
    directory, first = filled
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    copy.chmod(0o700)
    gone = 0
    for name, data in contents(directory).items():
        found = cache.unpacked(name.removesuffix(cache.SUFFIX), data)
        assert found is not None
        if found.symbol.startswith(TILE):
            (copy / name).unlink()
            gone += 1
    assert gone > 3
    said = finish(start(copy))
    assert said["kernels_from_disk"] == said["kernels"]
    assert said["results"] == first["results"]
    assert contents(copy) == contents(directory)


def test_processes_at_the_same_time(filled, tmp_path):
    directory, first = filled
    new = tmp_path / "new" / "kernels"
    processes = [start(new, "long", "step") for _ in range(3)]
    for each in processes:
        results = finish(each)["results"]
        assert results == {name: first["results"][name] for name in ("long", "step")}
    assert contents(new).keys() < contents(directory).keys()
    assert finish(start(new, "long", "step"))["compile_seconds"] == 0


def test_damaged_files_are_replaced(filled, tmp_path):
    directory, first = filled
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    copy.chmod(0o700)
    for number, path in enumerate(sorted(copy.iterdir())):
        data = bytearray(path.read_bytes())
        if number % 2:
            del data[len(data) // 2 :]
        else:
            data[len(data) // 2] ^= 1
        path.write_bytes(data)
    said = finish(start(copy))
    assert said["kernels_from_disk"] == 0
    assert said["results"] == first["results"]
    assert contents(copy) == contents(directory)


@pytest.mark.parametrize("value", ["", "below"])
def test_switched_off(filled, tmp_path, value):
    """By an empty name; and where there is no directory, and none can be made."""
    _, first = filled
    file = tmp_path / "file"
    file.write_text("not a directory")
    place = str(file / "kernels") if value else ""
    said = finish(
        start(place, "long", HOME=str(tmp_path), XDG_CACHE_HOME="", LOCALAPPDATA=str(tmp_path))
    )
    assert said["compile_seconds"] > 0
    assert said["kernels_from_disk"] == 0
    assert said["results"]["long"] == first["results"]["long"]
    assert list(tmp_path.iterdir()) == [file]


def test_other_settings_of_numba_are_other_code(filled, tmp_path):
    directory, _ = filled
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    copy.chmod(0o700)
    said = finish(start(copy, "long", NUMBA_OPT="1"))
    assert said["kernels_from_disk"] == 0
    assert len(contents(copy)) == len(contents(directory)) + 3
