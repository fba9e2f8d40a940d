"""`map_location`: where the storages of a file shall go. Today that can be the cpu only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jitgrad.device import device
from jitgrad.storage import Storage

Place = Callable[[Storage, str], Storage]


def placing(map_location: Any) -> Place:
    """Return a function of a storage and of where it was saved, that returns what to use.

    Args:
        map_location: None, a device, a mapping from saved to wanted places, or a function
            `(storage, location)` that returns a storage or None.

    Raises:
        RuntimeError: a device that does not exist here.
        TypeError: none of these.
    """
    if map_location is None:
        return _as_saved
    if isinstance(map_location, (str, device)):
        device(map_location)
        return lambda storage, _: storage
    if isinstance(map_location, Mapping):
        return lambda storage, location: _as_saved(
            storage, str(map_location.get(location, location))
        )
    if not callable(map_location):
        raise TypeError(
            f"load: map_location is a {type(map_location).__name__}; it takes a device such as "
            '"cpu", a mapping of devices, or a function'
        )

    def ask(storage: Storage, location: str) -> Storage:
        found = map_location(storage, location)
        if found is None:
            return _as_saved(storage, location)
        if not isinstance(found, Storage):
            raise TypeError(
                f"load: map_location returned a {type(found).__name__} for a storage saved on "
                f"{location!r}; it returns the storage, or None"
            )
        return found

    return ask


def _as_saved(storage: Storage, location: str) -> Storage:
    if location.partition(":")[0] != "cpu":
        raise RuntimeError(
            f"load: Attempting to deserialize object on device {location!r}, but tensors live on "
            'the cpu here; pass map_location="cpu"'
        )
    return storage
