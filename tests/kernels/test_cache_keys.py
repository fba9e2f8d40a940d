"""Kernels kept on disk: what decides which are found, and where they are."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest

from jitgrad import config
from jitgrad.kernels import cache, cpu
from tests.kernels.keeping import CODE, KEY, a_source, contents
from tests.kernels.keeping import directory as directory

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
