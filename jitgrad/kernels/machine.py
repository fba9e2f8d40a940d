"""The machine that runs loops: instructions in a table of words, and the loops made of them.

An instruction is a word that says what to do and the words that it needs. The table, the
arguments of the kernels, the numbers and the memory of a turn lie together in an *arena*, which
one run has for itself; so a run needs no memory but that of its tape.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from jitgrad.kernels.calling import NO_ARRAY, builtin, wake

FIRST_WORDS = [id(np.ndarray), id(TypeError), ctypes.addressof(NO_ARRAY), id(wake)]
"""The words with which every arena begins."""


def machine(words: np.ndarray) -> tuple[Callable[[int, bool], int], Callable[..., int]]:
    """Return what runs the loop in an arena, and what tells it where arrays are."""
    return builtin("turn", words), builtin("place", words)
