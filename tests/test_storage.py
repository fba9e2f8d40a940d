"""Storages: whose memory is it?"""

import mmap

import numpy as np
from numpy.lib.stride_tricks import as_strided

from jitgrad.kernels.layout import view_of
from jitgrad.storage import Storage


def test_the_owner_of_views_is_what_they_show():
    array = np.zeros((4, 4), np.float32)
    shown = [
        array,
        array[1:].T,
        as_strided(array, (2, 2), (4, 4)),
        as_strided(array[1:], (3,), (4,))[1:],
        view_of(array, ((2, 2), array.dtype, (-16, 4), 16)),
    ]
    for each in shown:
        assert Storage(each).owner is array
        assert not Storage(each).is_foreign


def test_memory_that_no_array_owns_is_foreign():
    borrowed = np.frombuffer(mmap.mmap(-1, 16), np.float32)
    assert Storage(borrowed).is_foreign
    assert Storage(as_strided(borrowed, (2,), (4,))).owner is Storage(borrowed).owner
