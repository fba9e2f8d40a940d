"""Arrays in files of NumPy's: `.npy` and `.npz`."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.dtypes import from_numpy_dtype
from jitgrad.tensor import Tensor

DAMAGED = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, KeyError)


def read_npy(file: str | os.PathLike[str]) -> Tensor:
    """Return the array in a `.npy` file as a tensor. Pickled objects are never loaded.

    Raises:
        ValueError: the file is no such file, is damaged, or holds what tensors cannot.
        FileNotFoundError: there is no such file.

    Example:
        >>> import jitgrad as torch, numpy, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "a.npy")
        ...     numpy.save(path, numpy.arange(3))
        ...     torch.datasets.read_npy(path)
        tensor([0, 1, 2])
    """
    path = os.fspath(file)
    with open(path, "rb") as stream:
        start = stream.read(len(np.lib.format.MAGIC_PREFIX))
        if start != np.lib.format.MAGIC_PREFIX:
            raise ValueError(
                f"read_npy: {path} begins with {start!r}; a .npy file begins with "
                f"{np.lib.format.MAGIC_PREFIX!r}"
            )
        stream.seek(0)
        try:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        except DAMAGED as error:
            raise _unreadable("read_npy", path, error) from error
        if stream.read(1):
            raise ValueError(
                f"read_npy: {path} has bytes behind an array of shape {array.shape} and "
                f"{array.dtype}, where its end was expected"
            )
    return _tensor("read_npy", path, array)


def read_npz(file: str | os.PathLike[str], names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Return arrays of a `.npz` file as tensors, by name. Pickled objects are never loaded.

    Args:
        file: the path.
        names: which arrays; all unless given.

    Raises:
        ValueError: the file is no such file, is damaged, lacks a name, or holds what tensors
            cannot.
        FileNotFoundError: there is no such file.

    Example:
        >>> import jitgrad as torch, numpy, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "a.npz")
        ...     numpy.savez(path, x=numpy.arange(3), y=numpy.ones(2, "f4"))
        ...     torch.datasets.read_npz(path)
        {'x': tensor([0, 1, 2]), 'y': tensor([1., 1.])}
    """
    path = os.fspath(file)
    with open(path, "rb") as stream:
        start = stream.read(4)
        if start not in (b"PK\x03\x04", b"PK\x05\x06"):
            raise ValueError(
                f"read_npz: {path} begins with {start!r}; a .npz file is a ZIP archive, which "
                "begins with b'PK\\x03\\x04'"
            )
        stream.seek(0)
        try:
            stored: Any = np.load(stream, allow_pickle=False)
        except DAMAGED as error:
            raise _unreadable("read_npz", path, error) from error
        with stored:
            made = {}
            for name in stored.files if names is None else names:
                if name not in stored.files:
                    there = ", ".join(stored.files)
                    raise ValueError(f"read_npz: {path} has no array {name!r}; it has {there}")
                try:
                    array = stored[name]
                except DAMAGED as error:
                    raise _unreadable("read_npz", f"{path}, array {name!r}", error) from error
                made[name] = _tensor("read_npz", f"{path}, array {name!r}", array)
    return made


def _unreadable(operation: str, where: str, error: Exception) -> ValueError:
    return ValueError(
        f"{operation}: {where} is damaged, was not copied completely, or holds Python objects: "
        f"{error}"
    )


def _tensor(operation: str, where: str, array: Any) -> Tensor:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{operation}: {where} is no array: a file behind its name is no .npy")
    try:
        kind = from_numpy_dtype(array.dtype, operation)
    except TypeError as error:
        raise ValueError(f"{operation}: {where}: {error}") from error
    return wrap(array.astype(kind.numpy, copy=False))
