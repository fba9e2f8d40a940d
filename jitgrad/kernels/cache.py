"""Machine code kept on disk, so that the next process need not compile it again.

Each piece has a file of its own in `config.cache_dir`, named by a digest of all that decides the
code, and with a checksum: what is cut short, damaged or of another origin counts as absent.
Loading machine code is running it, so directory and files must belong to the user, and nobody else
may write to them. Whatever goes wrong here means no more than that something is compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import stat
import struct
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np

from jitgrad import config
from jitgrad.kernels.linking import Code

SUFFIX = ".kernel"

_UNFINISHED = ".new"

_MAGIC = b"jitgrad kernel 2"

_CHECK = 16
"""Bytes of a checksum."""

_HOUR = 3600.0

_logger = logging.getLogger("jitgrad")
_noted: set[str] = set()


def note(what: str, why: object) -> None:
    """Tell who debugs, once, why the cache is not used."""
    if what not in _noted:
        _noted.add(what)
        _logger.debug("kernel cache %s: %s", what, why)


# what decides the code


def key_for(text: str) -> str | None:
    """Return the name under which the code of `text` is kept; None if nothing is."""
    if not config.cache_dir:
        return None
    circumstances = _circumstances()
    if circumstances is None:
        return None
    return hashlib.blake2b(text.encode(), key=circumstances, digest_size=20).hexdigest()


@cache
def _circumstances() -> bytes | None:
    return circumstances()


def circumstances() -> bytes | None:
    """Return a digest of all that decides what a source compiles to; None if it is not known."""
    digest = hashlib.blake2b()
    try:
        for part in (*_machine(), *_settings(), *_compiler()):
            data = part if isinstance(part, bytes) else str(part).encode()
            digest.update(f"{len(data)} ".encode() + data)
    except (OSError, LookupError) as error:
        note("off", error)
        return None
    return digest.digest()


def _machine() -> Iterator[Any]:
    yield llvmlite.binding.get_process_triple()
    yield llvmlite.binding.get_host_cpu_name()
    yield llvmlite.binding.get_host_cpu_features().flatten()
    yield sys.version
    yield object.__basicsize__


def _settings() -> Iterator[Any]:
    """Yield Numba's settings, some of which change the code."""
    for name, value in sorted(os.environ.items()):
        if name.startswith("NUMBA_"):
            yield f"{name}={value}"
    file = Path(".numba_config.yaml")
    if file.is_file():
        yield file.read_bytes()


def _compiler() -> Iterator[Any]:
    yield np.__version__
    yield llvmlite.__version__
    yield llvmlite.binding.llvm_version_info
    numba = importlib.util.find_spec("numba")
    if numba is None or numba.origin is None:
        raise LookupError("Numba is not there")
    # to ask it for its version would import it, which takes longer than all the rest
    yield Path(numba.origin).with_name("_version.py").read_bytes()
    # and our own version would not tell of changes while one works on it
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    if not sources:
        raise LookupError("the sources of jitgrad.kernels are not there")
    for each in sources:
        yield each.read_bytes()


# files


def find(key: str | None) -> Code | None:
    """Return the code that is kept under `key`, if there is any that can be trusted."""
    path = _path(key)
    if key is None or path is None:
        return None
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not _is_private(status):
                note("distrusts a file", path)
                return None
            data = file.read()
        if time.time() - status.st_mtime > _HOUR:
            os.utime(path)  # what has not been used for longest is removed first
    except OSError:
        return None
    return unpacked(key, data)


def keep(key: str | None, code: Code) -> None:
    """Keep `code` under `key`, if possible."""
    path = _path(key)
    if key is None or path is None or not _is_current():
        return
    data = packed(key, code)
    directory = os.path.dirname(path)
    unfinished = os.path.join(directory, os.urandom(8).hex() + _UNFINISHED)
    try:
        with open(unfinished, "xb", opener=_private_opener) as file:
            file.write(data)
        os.replace(unfinished, path)
    except OSError as error:
        note("cannot be written", error)
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        return
    # so that on average an eighth of the allowed size is written between two times
    if int.from_bytes(os.urandom(4)) < 2**35 * len(data) / max(config.cache_bytes, 1):
        limit(directory, config.cache_bytes)


def packed(key: str, code: Code) -> bytes:
    """Return what is written: a checksum, the length of the symbols, these, the object file."""
    symbols = "\n".join((code.symbol, *code.calls)).encode()
    content = struct.pack("<I", len(symbols)) + symbols + code.image
    return _MAGIC + _checksum(key, content) + content


def unpacked(key: str, data: bytes) -> Code | None:
    """Return what was written under `key`; None if it was not this."""
    start = len(_MAGIC) + _CHECK
    content = data[start:]
    if data[:start] != _MAGIC + _checksum(key, content):
        note("found a damaged file", key)
        return None
    (length,) = struct.unpack_from("<I", content)
    symbol, *calls = content[4 : 4 + length].decode().split("\n")
    return Code(symbol, tuple(calls), content[4 + length :])


def _checksum(key: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=key.encode(), digest_size=_CHECK).digest()


def limit(directory: str, most: int) -> None:
    """Remove what has not been used for longest, until three quarters of `most` bytes are left."""
    found = []
    now = time.time()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith((SUFFIX, _UNFINISHED)):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, entry.path))
    except OSError as error:
        note("cannot be looked through", error)
        return
    total = sum(size for _, size, _ in found)
    enough = most if total <= most else most * 3 // 4
    for when, size, path in sorted(found):
        is_left_over = path.endswith(_UNFINISHED) and now - when > _HOUR
        if total <= enough and not is_left_over:
            continue
        try:
            os.unlink(path)
        except OSError:
            continue
        total -= size


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _path(key: str | None) -> str | None:
    """Return the name of a file in a directory that is for us; None if there is none."""
    if key is None or not config.cache_dir:
        return None
    directory = _trusted(os.path.abspath(config.cache_dir))
    return None if directory is None else os.path.join(directory, key + SUFFIX)


@cache
def _trusted(directory: str) -> str | None:
    """Return the directory, which is made if need be; None if it is not for us."""
    try:
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o700)
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        note("off", error)
        return None
    try:
        status = os.stat(directory)
    except OSError as error:
        note("off", error)
        return None
    if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
        note("off", f"{directory} must be a directory of yours that nobody else may write to")
        return None
    return directory


def _is_private(status: os.stat_result) -> bool:
    """Is this the user's, and does nobody else write to it?"""
    if not hasattr(os, "geteuid"):
        return True  # on Windows a user's directories are closed to others as a whole
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


@cache
def _is_current() -> bool:
    """Is the compiler, now that it is loaded, the one that keys were made for?"""
    if circumstances() == _circumstances():
        return True
    note("off", "sources or settings have changed while this process ran")
    return False
