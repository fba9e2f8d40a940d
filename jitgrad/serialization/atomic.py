"""Writing a file as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def written_as_a_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a stream whose content is the file `path` after the `with` block, if that ends well.

    Until then, and if the block raises or the process is killed, the file stays what it was. The
    content is on the disk when the block is left. A killed process may leave a hidden file
    `.NAME.*.part` in the folder.

    Raises:
        RuntimeError: the folder does not exist.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"save: Parent directory {folder} does not exist; make it first")
    if os.path.exists(target) and not os.path.isfile(target):
        # a pipe or a device cannot be replaced; open() says what is wrong with a folder
        with open(target, "wb") as stream:
            yield stream
        return
    part = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as stream:
            if os.path.exists(target):
                shutil.copymode(target, part)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Have the new name on the disk too, where folders can be opened (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
