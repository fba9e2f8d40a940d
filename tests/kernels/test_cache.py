"""Kernels kept on disk: what later processes are spared, and what is never believed."""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import pytest

from jitgrad import config
from jitgrad.kernels import cache, cpu
from jitgrad.kernels.linking import TILE, Code

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("stored.py")
CODE = Code("symbol", ("called", "also"), b"machine code " * 100)
KEY = "0" * 40

unix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")


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


def contents(directory: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in directory.iterdir()}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A directory with the kernels of the program, and what the process said that made them."""
    directory = tmp_path_factory.mktemp("parent") / "kernels"
    said = finish(start(directory))
    assert said["kernels"] > 10
    assert said["kernels_from_disk"] == 0
    assert said["compile_seconds"] > 0
    return directory, said


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


# processes


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


# keys


FEATURES = llvmlite.binding.get_host_cpu_features()
OTHER = type(FEATURES)({name: not has for name, has in FEATURES.items()})


@pytest.mark.parametrize(
    ("holder", "name", "value"),
    [
        (sys, "version", "3.99"),
        (np, "__version__", "9.9"),
        (llvmlite, "__version__", "9.9"),
        (llvmlite.binding, "llvm_version_info", (99, 0, 0)),
        (llvmlite.binding, "get_process_triple", lambda: "other-machine"),
        (llvmlite.binding, "get_host_cpu_name", lambda: "other"),
        (llvmlite.binding, "get_host_cpu_features", lambda: OTHER),
    ],
)
def test_what_decides_the_code_is_in_the_key(directory, monkeypatch, holder, name, value):
    key = cache.key_for("text")
    assert key == cache.key_for("text") != cache.key_for("text ")
    monkeypatch.setattr(holder, name, value)
    cache._circumstances.cache_clear()
    assert cache.key_for("text") != key


def test_numba_is_in_the_key(directory, tmp_path, monkeypatch):
    found = importlib.util.find_spec("numba")
    assert found is not None and found.origin is not None
    key = cache.key_for("text")
    shutil.copy(Path(found.origin).with_name("_version.py"), tmp_path)
    monkeypatch.setattr(found, "origin", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    cache._circumstances.cache_clear()
    assert cache.key_for("text") == key
    with open(tmp_path / "_version.py", "a") as file:
        file.write("# another")
    cache._circumstances.cache_clear()
    assert cache.key_for("text") != key
    (tmp_path / "_version.py").unlink()
    cache._circumstances.cache_clear()
    assert cache.key_for("text") is None


def test_settings_of_numba_are_in_the_key(directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = {cache.key_for("text")}
    for text in ("opt: 1", "opt: 2"):
        (tmp_path / ".numba_config.yaml").write_text(text)
        cache._circumstances.cache_clear()
        keys.add(cache.key_for("text"))
    for value in ("0", "1"):
        monkeypatch.setenv("NUMBA_LOOP_VECTORIZE", value)
        cache._circumstances.cache_clear()
        keys.add(cache.key_for("text"))
    assert len(keys) == 5


@pytest.mark.parametrize("file", ["compiler/math.py", "compiler/launching.py", "conventions.py"])
def test_our_sources_are_in_the_key(directory, tmp_path, monkeypatch, file):
    copy = tmp_path / "sources"
    shutil.copytree(Path(cache.__file__).parent, copy)
    key = cache.key_for("text")
    monkeypatch.setattr(cache, "__file__", str(copy / "cache.py"))
    cache._circumstances.cache_clear()
    assert cache.key_for("text") == key
    (copy / file).write_text((copy / file).read_text() + "\n")
    cache._circumstances.cache_clear()
    assert cache.key_for("text") != key


def test_without_sources_nothing_is_kept(directory, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "archive" / "cache.py"))
    assert cache.key_for("text") is None
    cache.keep(None, CODE)
    assert cache.find(None) is None
    assert not directory.exists()


def test_nothing_is_kept_when_sources_change_under_a_process(directory, monkeypatch):
    cache._circumstances()
    monkeypatch.setattr(np, "__version__", "9.9")
    cache.keep(KEY, CODE)
    assert contents(directory) == {}


def test_nothing_is_kept_under_settings_that_were_assigned(directory, monkeypatch):
    from numba.core import config as settings

    kernel = cpu.kernel_for(a_source("usual"))
    assert not kernel.from_disk
    assert kernel.compile_seconds > 0
    kept = contents(directory)
    assert len(kept) == 1
    monkeypatch.setattr(settings, "OPT", 0)
    cpu.kernel_for(a_source("assigned"))
    assert contents(directory) == kept


# files


def only(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def test_what_was_kept_is_found(directory):
    assert cache.find(KEY) is None
    cache.keep(KEY, CODE)
    assert cache.find(KEY) == CODE
    assert cache.find(KEY[1:] + "1") is None
    if hasattr(os, "geteuid"):
        assert directory.stat().st_mode & 0o777 == 0o700
        assert only(directory).stat().st_mode & 0o777 == 0o600


def test_files_cut_short(directory):
    cache.keep(KEY, CODE)
    path = only(directory)
    whole = path.read_bytes()
    for length in (0, 1, 15, 16, 17, 31, 32, 33, 36, 40, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert cache.find(KEY) is None, length
        cache.keep(KEY, CODE)
        assert path.read_bytes() == whole
    path.write_bytes(whole + b" ")
    assert cache.find(KEY) is None


def test_files_with_a_wrong_byte(directory):
    cache.keep(KEY, CODE)
    path = only(directory)
    whole = path.read_bytes()
    for position in (*range(60), len(whole) // 2, len(whole) - 1):
        data = bytearray(whole)
        data[position] ^= 0x40
        path.write_bytes(data)
        assert cache.find(KEY) is None, position
    path.write_bytes(b"something else altogether")
    assert cache.find(KEY) is None
    cache.keep(KEY, CODE)
    assert cache.find(KEY) == CODE


def test_a_file_under_another_name(directory):
    cache.keep(KEY, CODE)
    other = "1" * 40
    shutil.copy(only(directory), directory / (other + cache.SUFFIX))
    assert cache.find(other) is None


def test_what_cannot_be_linked_is_compiled_again(directory):
    source = a_source("not linked")
    name = cpu.Kernel("kernel", source).name  # what it is kept as
    path = only(directory)
    key = path.name.removesuffix(cache.SUFFIX)
    good = cache.find(key)
    assert good is not None
    for bad in (good._replace(symbol="absent"), good._replace(calls=("__svml_exp2",))):
        cache.keep(key, bad)
        assert cache.find(key) == bad
        assert not cpu.Kernel(name, source).from_disk
        assert cpu.Kernel(name, source).from_disk


@unix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722, 0o777])
def test_a_directory_that_others_may_write_to(directory, mode):
    directory.mkdir()
    cache.keep(KEY, CODE)
    assert len(contents(directory)) == 1
    directory.chmod(mode)
    forget()
    assert cache.find(KEY) is None
    cache.keep(KEY[1:] + "1", CODE)
    assert len(contents(directory)) == 1


@unix
@pytest.mark.parametrize("mode", [0o606, 0o660])
def test_a_file_that_others_may_write_to(directory, mode):
    cache.keep(KEY, CODE)
    only(directory).chmod(mode)
    assert cache.find(KEY) is None
    only(directory).chmod(0o644)
    assert cache.find(KEY) == CODE


@unix
def test_what_belongs_to_another_user(directory, monkeypatch):
    cache.keep(KEY, CODE)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert cache.find(KEY) is None  # the file's
    forget()
    assert cache._path(KEY) is None  # and the directory's


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_what_cannot_be_written_is_no_error(directory, monkeypatch, caplog, problem):
    def fail(*arguments: Any) -> None:
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(os, "replace", fail)
    with caplog.at_level(logging.DEBUG, "jitgrad"):
        for _ in range(3):
            cache.keep(KEY, CODE)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert os.strerror(problem) in record.getMessage()
    assert contents(directory) == {}
    assert cache.find(KEY) is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk(directory, monkeypatch):
    monkeypatch.setattr(cache, "_private_opener", lambda path, flags: os.open("/dev/full", 1))
    cache.keep(KEY, CODE)
    assert cache.find(KEY) is None
    assert contents(directory) == {}


def test_a_directory_that_vanishes(directory):
    cache.keep(KEY, CODE)
    shutil.rmtree(directory)
    assert cache.find(KEY) is None
    cache.keep(KEY, CODE)
    assert cache.find(KEY) is None


# size


def keys(number: int) -> list[str]:
    return [f"{k:040x}" for k in range(number)]


def test_what_was_not_used_for_longest_is_removed(directory, monkeypatch):
    size = len(cache.packed(KEY, CODE))
    for age, key in enumerate(keys(8)):
        cache.keep(key, CODE)
        when = time.time() - 7200 * (8 - age)
        os.utime(directory / (key + cache.SUFFIX), (when, when))
    (directory / "mine.txt").write_text("x" * 10_000)
    assert cache.find(keys(1)[0]) == CODE  # so the oldest has been used now
    monkeypatch.setattr(config, "cache_bytes", 8 * size)
    cache.limit(str(directory), config.cache_bytes)
    assert len(contents(directory)) == 9
    cache.limit(str(directory), 8 * size - 1)
    left = [key for key in keys(8) if cache.find(key)]
    assert left == [keys(8)[0], *keys(8)[4:]]
    assert (directory / "mine.txt").exists()


def test_the_size_stays_within_its_bound(directory, monkeypatch):
    size = len(cache.packed(KEY, CODE))
    monkeypatch.setattr(config, "cache_bytes", 8 * size)
    for key in keys(40):
        cache.keep(key, CODE)
        assert sum(map(len, contents(directory).values())) <= 8 * size
    assert cache.find(keys(40)[-1]) == CODE
    monkeypatch.setattr(config, "cache_bytes", 0)
    cache.keep(KEY, CODE)
    assert contents(directory) == {}


def test_looking_for_what_to_remove_is_rare(directory, monkeypatch):
    looked = []
    monkeypatch.setattr(cache, "limit", lambda *arguments: looked.append(arguments))
    size = len(cache.packed(KEY, CODE))
    monkeypatch.setattr(config, "cache_bytes", 800 * size)
    for key in keys(400):
        cache.keep(key, CODE)
    assert len(looked) < 40  # 4 are expected


def test_unfinished_files_do_not_stay(directory):
    cache.keep(KEY, CODE)
    old, new = (directory / f"{name}{cache._UNFINISHED}" for name in ("old", "new"))
    for each in (old, new):
        each.write_text("half")
    os.utime(old, (0, 0))
    cache.limit(str(directory), 1 << 20)
    assert not old.exists()
    assert new.exists()
    assert cache.find(KEY) == CODE


# settings


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/jitgrad"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/xdg"}, "/xdg/jitgrad"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "xdg"}, "/home/me/.cache/jitgrad"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches/jitgrad"),
        ("win32", {"HOME": "/me", "LOCALAPPDATA": "/local"}, "/local/jitgrad"),
        ("win32", {"HOME": "/me"}, None),
        ("linux", {"HOME": "/home/me", "JITGRAD_CACHE_DIR": "/here"}, "/here"),
        ("linux", {"HOME": "/home/me", "JITGRAD_CACHE_DIR": "here"}, os.path.abspath("here")),
        ("linux", {"HOME": "/home/me", "JITGRAD_CACHE_DIR": ""}, None),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths are spelled otherwise")
def test_where_kernels_are_kept(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "JITGRAD_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert config._cache_dir() == expected


def test_tests_leave_alone_what_a_user_keeps():
    assert "jitgrad-tests-" in os.environ["JITGRAD_CACHE_DIR"]
    assert config.cache_dir == os.environ["JITGRAD_CACHE_DIR"]
