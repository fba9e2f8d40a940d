"""Memory behind tensors: what several views share."""

import weakref
from typing import Any

import numpy as np

from jitgrad.locks import SHARED


class Storage:
    """A buffer and the count of in-place changes made to it.

    Attributes:
        array: the NumPy array that owns the memory (or borrows it, for `from_numpy`).
        version: raised by each in-place operation on any view; autograd compares it.
        borrowed: the memory belongs to somebody else, who may write to it unseen and may have
            given out overlapping memory through another storage.
        lent: others (NumPy, a `.data` sibling) may write to the memory without raising the version.
        watchers: weak references to functions called before the next write, or None. A compiled
            call that did not copy its arguments copies them then.
    """

    __slots__ = ("__weakref__", "_owner", "array", "borrowed", "lent", "version", "watchers")

    def __init__(self, array: np.ndarray, borrowed: bool = False) -> None:
        self.array = array
        self.version = 0
        self.borrowed = self.lent = borrowed
        self.watchers: list[weakref.ref] | None = None
        self._owner: Any = None

    @property
    def owner(self) -> Any:
        """The object that owns the memory; storages of different owners do not overlap."""
        found = self._owner
        if found is None:
            found = self.array
            while isinstance(found, np.ndarray) and found.base is not None:
                found = found.base
                if isinstance(within := getattr(found, "base", None), np.ndarray):
                    # says where in an array memory lies, as NumPy's as_strided has it, too
                    found = within
            self._owner = found
        return found

    @property
    def is_foreign(self) -> bool:
        """Is the owner something else than an array, so that overlaps cannot be told?"""
        return not isinstance(self.owner, np.ndarray)

    def prepare_write(self) -> None:
        """Let those who rely on the elements copy them; call before writing to them."""
        with SHARED:
            for reference in self.watchers or ():
                watcher = reference()
                if watcher is not None:
                    watcher.copy_arguments()
            # last, since other threads write to other elements as soon as they see it
            self.watchers = None

    def watch(self, watcher: weakref.ref) -> bool:
        """Let `watcher` know of the next write; False if it may be unseen.

        To be called under `SHARED`: a call keeps many tensors, and to ask for the lock and make the
        reference for each took four times as long as the rest (90 us for 150 weights, now 22).
        """
        if self.lent:
            return False
        watchers = self.watchers
        if watchers is None:
            self.watchers = [watcher]
            return True
        if len(watchers) > 7 and not len(watchers) & (len(watchers) - 1):
            # not each time, since all of them may live
            self.watchers = watchers = [each for each in watchers if each() is not None]
        watchers.append(watcher)
        return True

    def lend(self) -> None:
        """Expect unseen writes from now on."""
        self.lent = True
        self.prepare_write()
