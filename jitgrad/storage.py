"""Memory behind tensors: what several views share."""

import numpy as np


class Storage:
    """A buffer and the count of in-place changes made to it.

    Attributes:
        array: the NumPy array that owns the memory (or borrows it, for `from_numpy`).
        version: raised by each in-place operation on any view; autograd compares it.
        borrowed: the memory belongs to somebody else, who may write to it unseen and may have
            given out overlapping memory through another storage.
    """

    __slots__ = ("__weakref__", "array", "borrowed", "version")

    def __init__(self, array: np.ndarray, borrowed: bool = False) -> None:
        self.array = array
        self.version = 0
        self.borrowed = borrowed
