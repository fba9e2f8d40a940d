"""Tensors in safetensors files, the format to exchange weights with other libraries.

It goes through the package `safetensors`, which is an extra: `pip install 'jitgrad[safetensors]'`.
The functions are those of `safetensors.torch`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device as check_device
from jitgrad.dispatch import wrap
from jitgrad.errors import describe
from jitgrad.serialization.atomic import written_as_a_whole
from jitgrad.tensor import Tensor

__all__ = ["load", "load_file", "load_model", "save", "save_file", "save_model"]

NAMES = {
    "BOOL": dtypes.bool_,
    "C64": dtypes.complex64,
    "F16": dtypes.float16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "U8": dtypes.uint8,
}
"""The dtypes that both sides have, by the names of the format."""


def _library() -> Any:
    """Return the package `safetensors`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "jitgrad.safetensors needs the package safetensors, which is not installed: pip "
            "install 'jitgrad[safetensors]'"
        ) from error
    return safetensors


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what `save_file` writes, as bytes."""
    if not isinstance(tensors, Mapping):
        raise ValueError(
            f"save: Expected a dict of [str, Tensor] but received a {type(tensors).__name__}"
        )
    arrays = {name: _array_of(name, tensor) for name, tensor in tensors.items()}
    shared = [sorted(group) for group in _sharing(arrays) if len(group) > 1]
    if shared:
        raise RuntimeError(
            "save: Some tensors share memory, this will lead to duplicate memory on disk and "
            f"potential differences when loading them again: {shared}; use save_model, which saves "
            "tied weights once, or clone() them"
        )
    for name, text in (metadata or {}).items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(
                describe("save", f"metadata {name!r}: {text!r}", "names and values must be strings")
            )
    return _library().numpy.save(arrays, None if metadata is None else dict(metadata))


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save tensors by name to a safetensors file, whole or not at all.

    Args:
        tensors: such as a `state_dict()`. What they are besides (requires_grad, class) is lost.
        filename: the path.
        metadata: texts by name, kept in the file.

    Raises:
        ImportError: the package safetensors is not installed.
        ValueError: something is no tensor, or not contiguous, or of a dtype without a name there.
        RuntimeError: tensors share memory.

    Example:
        >>> import jitgrad as torch, os, tempfile
        >>> from jitgrad.safetensors import load_file, save_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.safetensors")
        ...     save_file({"weight": torch.ones(2)}, path)
        ...     load_file(path)
        {'weight': tensor([1., 1.])}
    """
    data = save(tensors, metadata)
    with written_as_a_whole(filename) as stream:
        stream.write(data)


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, by name.

    Raises:
        ImportError: the package safetensors is not installed.
        RuntimeError: a dtype that jitgrad does not have.
        SafetensorError: the file is damaged or is none.
        FileNotFoundError: there is no such file.
    """
    with open(filename, "rb") as stream:
        return _loaded(stream.read(), os.fspath(filename), device)


def load(data: bytes) -> dict[str, Tensor]:
    """Return the tensors in the bytes of a safetensors file, see `load_file`."""
    return _loaded(data, "the data", "cpu")


def _loaded(data: bytes, name: str, device: Any) -> dict[str, Tensor]:
    check_device(device)
    package = _library()
    try:
        entries = package.deserialize(data)
    except package.SafetensorError as error:
        raise package.SafetensorError(
            f"load_file: {name} ({len(data)} bytes) is no safetensors file, is damaged or was not "
            f"copied completely: {error}"
        ) from error
    made = {}
    for key, entry in entries:
        kind = NAMES.get(entry["dtype"])
        if kind is None:
            raise RuntimeError(
                f"load_file: {name} has {key!r} of dtype {entry['dtype']}, and jitgrad has "
                f"{', '.join(NAMES)}; convert it where it was made, for example to float32"
            )
        elements = np.frombuffer(entry["data"], kind.numpy.newbyteorder("<"))
        made[key] = wrap(elements.astype(kind.numpy).reshape(entry["shape"]))
    return made


def save_model(
    model: Any,
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """Save the `state_dict()` of a module; weights that several names share are saved once.

    The metadata then say which name stands for which.

    Args:
        model: a module.
        filename: the path.
        metadata: see `save_file`.
        force_contiguous: save tensors that are not contiguous as if they were.

    Raises:
        RuntimeError: tensors share a part of their memory only.
    """
    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    notes = dict(metadata or {})
    for first, *others in _tied(state):
        for name in others:
            notes.setdefault(name, first)
            del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, notes or None)


def load_model(
    model: Any, filename: str | os.PathLike[str], strict: bool = True, device: Any = "cpu"
) -> tuple[list[str], list[str]]:
    """Load into a module what `save_model` saved from one like it.

    Args:
        model: a module.
        filename: the path.
        strict: raise if names are missing or not known; nothing is loaded then.
        device: "cpu".

    Returns:
        The names of the module that the file does not have (nor one that shares their memory);
        the names of the file that the module does not have.

    Raises:
        RuntimeError: names do not agree (if `strict`), or shapes.
    """
    loaded = load_file(filename, device)
    state = model.state_dict()
    there = set(loaded)
    for group in _tied(state):
        if there.intersection(group):
            there.update(group)
    missing = sorted(set(state) - there)
    unexpected = sorted(set(loaded) - set(state))
    if strict and (missing or unexpected):
        lines = [f"Error(s) in loading state_dict for {type(model).__name__}:"]
        if missing:
            lines.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}")
        if unexpected:
            lines.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}")
        raise RuntimeError("\n    ".join(lines))
    model.load_state_dict(loaded, strict=False)
    return missing, unexpected


def _array_of(name: Any, tensor: Any) -> np.ndarray:
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        raise ValueError(
            f"save: Key {name!r} is invalid, expected a string and a Tensor but received a "
            f"{type(tensor).__name__}"
        )
    if tensor.dtype not in NAMES.values():
        raise ValueError(f"save: {name!r} is of {tensor.dtype}; the format has {', '.join(NAMES)}")
    if not tensor.is_contiguous():
        raise ValueError(
            f"save: You are trying to save a non contiguous tensor: {name!r}, which is not "
            "allowed; call contiguous() on it first"
        )
    return tensor.detach().numpy()


def _sharing(arrays: Mapping[str, np.ndarray]) -> Iterable[list[str]]:
    """Yield the names of arrays in groups: those of one group reach into common memory."""
    bounds = {
        name: np.lib.array_utils.byte_bounds(array) for name, array in arrays.items() if array.size
    }
    group: list[str] = []
    end = 0
    for name in sorted(bounds, key=lambda name: bounds[name]):
        low, high = bounds[name]
        if group and low >= end:
            yield group
            group = []
        group.append(name)
        end = max(end, high)
    if group:
        yield group


def _tied(state: Mapping[str, Tensor]) -> Iterable[list[str]]:
    """Yield the names of the tensors in groups: those of one group are the same memory."""
    groups: dict[Any, list[str]] = {}
    for name in sorted(state):
        tensor = state[name]
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        groups.setdefault(place if tensor.numel() else name, []).append(name)
    return groups.values()
