"""Caches that do not grow without end."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from jitgrad.locks import SHARED

Key = TypeVar("Key")
Held = TypeVar("Held")


class Bounded(OrderedDict[Key, Held]):
    """A dictionary that forgets what was put in first; threads may share it.

    Args:
        most: how many entries it has at most.

    Example:
        >>> cache = Bounded(2)
        >>> [cache.put(number, str(number)) for number in (1, 2, 3)]
        ['1', '2', '3']
        >>> dict(cache)
        {2: '2', 3: '3'}
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def put(self, key: Key, held: Held) -> Held:
        """Hold something under `key`, if nothing is held there; return what is."""
        with SHARED:
            found = self.setdefault(key, held)
            while len(self) > self.most:
                self.popitem(last=False)
        return found
