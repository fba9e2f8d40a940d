"""Arrays in IDX files, the format of the MNIST digits and of data sets in their place.

An IDX file has two zero bytes, a byte for the type of the elements, a byte for the number of
dimensions, the sizes as big-endian 32-bit integers, and the elements, big-endian too.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import wrap
from jitgrad.tensor import Tensor

TYPES = {
    0x08: dtypes.uint8,
    0x09: dtypes.int8,
    0x0B: dtypes.int16,
    0x0C: dtypes.int32,
    0x0D: dtypes.float32,
    0x0E: dtypes.float64,
}
SPLITS = {"train": "train", "test": "t10k"}


def read_idx(file: str | os.PathLike[str]) -> Tensor:
    """Return the array in an IDX file, which may be compressed with gzip.

    Shape and dtype are those that the file names.

    Raises:
        ValueError: the file is no such file, or has too few or too many bytes.
        FileNotFoundError: there is no such file.

    Example:
        >>> import jitgrad as torch, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "labels-idx1-ubyte")
        ...     with open(path, "wb") as stream:
        ...         _ = stream.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     torch.datasets.read_idx(path)
        tensor([7, 2, 1], dtype=torch.uint8)
    """
    path = os.fspath(file)
    content = _content(path)
    head = content[:4]
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
        known = ", ".join(f"{code:#04x}" for code in TYPES)
        raise ValueError(
            f"read_idx: {path} begins with {head!r}; an IDX file begins with two zero bytes, a "
            f"type ({known}) and the number of dimensions"
        )
    kind, start = TYPES[head[2]], 4 + 4 * head[3]
    if len(content) < start:
        raise ValueError(
            f"read_idx: {path} is truncated: found {len(content)} bytes, and expected {start} for "
            f"the sizes of {head[3]} dimensions alone"
        )
    shape = tuple(np.frombuffer(content, ">u4", head[3], 4).tolist())
    expected = start + math.prod(shape) * kind.itemsize
    if len(content) != expected:
        how = "is truncated" if len(content) < expected else "has bytes behind its end"
        raise ValueError(
            f"read_idx: {path} {how}: found {len(content)} bytes, and expected {expected} for the "
            f"shape {shape} of {kind}"
        )
    elements = np.frombuffer(content, kind.numpy.newbyteorder(">"), offset=start)
    return wrap(elements.astype(kind.numpy).reshape(shape))


def _content(path: str) -> bytes:
    content = Path(path).read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"read_idx: {path} is a damaged or incomplete gzip file of {len(content)} bytes: "
            f"{error}"
        ) from error


def read_idx_pair(
    images: str | os.PathLike[str], labels: str | os.PathLike[str]
) -> tuple[Tensor, Tensor]:
    """Return images and their labels, from two IDX files.

    Returns:
        What `read_idx` returns for the images, of shape (N, ...); the labels, int64 of shape (N,).

    Raises:
        ValueError: the files do not fit each other, or see `read_idx`.
    """
    pictures, classes = read_idx(images), read_idx(labels)
    if classes.ndim != 1:
        raise ValueError(
            f"read_idx_pair: {os.fspath(labels)} has the shape {tuple(classes.shape)}; labels have "
            "one dimension; perhaps the two files are interchanged"
        )
    if pictures.ndim < 2:
        raise ValueError(
            f"read_idx_pair: {os.fspath(images)} has the shape {tuple(pictures.shape)}; images "
            "have two dimensions or more"
        )
    if len(pictures) != len(classes):
        raise ValueError(
            f"read_idx_pair: {os.fspath(images)} has {len(pictures)} images, and "
            f"{os.fspath(labels)} has {len(classes)} labels; there must be one for each"
        )
    return pictures, classes.to(dtypes.int64)


def mnist(folder: str | os.PathLike[str], split: str = "train") -> tuple[Tensor, Tensor]:
    """Return the images and labels of MNIST, or of a data set in its place, from a folder.

    The files have their usual names, such as `train-images-idx3-ubyte` and
    `t10k-labels-idx1-ubyte.gz`; nothing is downloaded.

    Args:
        folder: where the files are.
        split: "train" or "test".

    Returns:
        Images of shape (N, 28, 28), float32 from 0 to 1; labels of shape (N,), int64.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: another `split`, or see `read_idx_pair`.
    """
    if split not in SPLITS:
        raise ValueError(f'mnist: split is {split!r}; it is "train" or "test"')
    images, labels = read_idx_pair(
        _found(folder, f"{SPLITS[split]}-images", "idx3-ubyte"),
        _found(folder, f"{SPLITS[split]}-labels", "idx1-ubyte"),
    )
    return images.to(dtypes.float32) / 255, labels


def _found(folder: str | os.PathLike[str], start: str, end: str) -> Path:
    names = [f"{start}{mark}{end}{packed}" for mark in "-." for packed in ("", ".gz")]
    for name in names:
        path = Path(folder) / name
        if path.exists():
            return path
    raise FileNotFoundError(f"mnist: {os.fspath(folder)} has none of {', '.join(names)}")
