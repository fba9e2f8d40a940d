"""`save` and `load`."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Iterator
from typing import Any, BinaryIO

from jitgrad.modes import state
from jitgrad.pickling import ArrayPickler, ArrayUnpickler, Blocks
from jitgrad.serialization import layout
from jitgrad.serialization.allowed import Allowed
from jitgrad.serialization.atomic import written_as_a_whole
from jitgrad.serialization.interpreter import Interpreter
from jitgrad.serialization.locations import Place, placing
from jitgrad.serialization.torch_files import OLD_START, START, Archive

DEFAULT_PROTOCOL = 5


def save(
    obj: object,
    f: str | os.PathLike[str] | BinaryIO,
    *,
    pickle_protocol: int = DEFAULT_PROTOCOL,
) -> None:
    """Save an object: tensors, arrays, and containers of them; anything that can be pickled.

    A tensor is saved with all the memory that it shows a part of, once for all that show it. A
    file is written as a whole or not at all: until everything is on the disk, a file of the same
    name stays what it was. `jitgrad.serialization.layout` describes the format.

    Args:
        obj: what to save. What is not a tensor, an array, a number, a string or a container is
            loaded again only with `weights_only=False`, or if `add_safe_globals` allows it.
        f: a path, or a stream with `write`; a stream may hold several objects, one by one.
        pickle_protocol: 2 or more.

    Raises:
        RuntimeError: the folder does not exist.
        AttributeError: `f` is no path and cannot be written to.

    Example:
        >>> import jitgrad as torch, io
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if pickle_protocol < 2:
        raise ValueError(f"save: pickle_protocol is {pickle_protocol}; it must be 2 or more")
    if state.recorder is not None:
        state.recorder.unknown("save()")
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            f"save: expected 'f' to be string, path, or a file-like object with a 'write' "
            f"attribute, got {type(f).__name__}"
        )
    pickler = ArrayPickler(pickle_protocol)
    # what cannot be pickled raises here, before a file is touched
    pickled = pickler.pickled(obj)
    if isinstance(f, (str, os.PathLike)):
        with written_as_a_whole(f) as stream:
            layout.write(stream, pickled, pickler.blocks)
    else:
        layout.write(f, pickled, pickler.blocks)


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: Any = None,
    *,
    weights_only: bool = True,
) -> Any:
    """Return what `save` wrote to a file; or what PyTorch's `torch.save` wrote.

    Args:
        f: a path, or a stream with `read`.
        map_location: where tensors shall go, as in PyTorch: a device, a mapping of devices, or a
            function of a storage and its location. Files saved on another device need "cpu".
        weights_only: read data only, and refuse everything else that a pickle can name. With
            False the file can run any code: do that with files that you wrote yourself.

    Raises:
        UnpicklingError: the file names what `weights_only=True` refuses, or is no such file.
        RuntimeError: the file is damaged, or holds what jitgrad does not have.
        EOFError: the file is empty.
        FileNotFoundError: there is no such file.

    Example:
        >>> import jitgrad as torch, io
        >>> file = io.BytesIO()
        >>> torch.save([torch.zeros(2), "a"], file)
        >>> _ = file.seek(0)
        >>> torch.load(file, weights_only=True)
        [tensor([0., 0.]), 'a']
    """
    if state.recorder is not None:
        state.recorder.unknown("load()")
    place = placing(map_location)
    with _opened(f) as (stream, name, whole):
        start = _first(stream, len(layout.MAGIC))
        if start == layout.MAGIC:
            return _read(layout.Reader(stream, name, whole), place, weights_only)
        if start.startswith(START):
            archive = stream if whole else io.BytesIO(start + stream.read())
            return Archive(archive, name, place).load(weights_only)
    if not start:
        raise EOFError(f"load: {name} is empty; nothing was saved to it, or it was read already")
    if OLD_START.startswith(start[: len(OLD_START)]):
        raise RuntimeError(
            f"load: {name} has the format that PyTorch wrote before version 1.6; load it in "
            "PyTorch and save it again"
        )
    raise pickle.UnpicklingError(
        f"load: {name} begins with {start!r}; files of jitgrad.save begin with {layout.MAGIC!r}, "
        f"and those of torch.save with {START!r}"
    )


def _read(reader: layout.Reader, place: Place, weights_only: bool) -> Any:
    pickled, arrays = reader.read()
    blocks = Blocks(arrays, lambda storage: place(storage, "cpu"))
    if weights_only:
        return Interpreter(Allowed(), blocks.find).run(pickled)
    return ArrayUnpickler(pickled, blocks).load()


def _first(stream: BinaryIO, count: int) -> bytes:
    """Return the first `count` bytes, fewer if there are no more."""
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found


@contextlib.contextmanager
def _opened(f: Any) -> Iterator[tuple[Any, str, bool]]:
    """Yield a stream, its name for errors, and whether it is a whole file."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as stream:
            yield stream, repr(os.fspath(f)), True
    elif hasattr(f, "read"):
        name = getattr(f, "name", None)
        yield f, repr(name) if isinstance(name, str) else f"the {type(f).__name__}", False
    else:
        raise AttributeError(
            f"load: expected 'f' to be a path or a file-like object with a 'read' attribute, got "
            f"{type(f).__name__}"
        )
