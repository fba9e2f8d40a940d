"""Kernels kept on disk: what is never believed, what cannot be written, and how much is kept."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from jitgrad import config
from jitgrad.kernels import cache, cpu
from tests.kernels.keeping import CODE, KEY, a_source, contents, forget
from tests.kernels.keeping import directory as directory

unix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")


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
