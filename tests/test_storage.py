"""Storages: whose memory is it?"""

import mmap
import weakref

import numpy as np
from numpy.lib.stride_tricks import as_strided

import jitgrad
from jitgrad.kernels.layout import view_of
from jitgrad.locks import SHARED
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


def test_asking_to_be_told_of_writes_takes_the_same_time_for_many():
    looked_at = 0

    class Counting(weakref.ref):
        __slots__ = ()

        def __call__(self):
            nonlocal looked_at
            looked_at += 1
            return super().__call__()

    class Watcher:
        def copy_arguments(self):
            self.told = True

    storage = Storage(np.ones(2))
    watchers = [Watcher() for _ in range(1000)]
    with SHARED:
        assert all(storage.watch(Counting(each)) for each in watchers)
        assert looked_at < 3000
        for _ in range(1000):
            storage.watch(Counting(Watcher()))
    assert storage.watchers is not None and len(storage.watchers) < 2100
    storage.prepare_write()
    assert all(each.told for each in watchers)


def test_data_that_is_set_leaves_the_version() -> None:
    x, other = jitgrad.zeros(2), jitgrad.ones(3)
    x.add_(1)
    other.add_(1).add_(1)
    x.data = other
    assert (x.tolist(), x._version, other._version) == ([3, 3, 3], 1, 2)
    x.add_(1)
    assert (other.tolist(), x._version, other._version) == ([4, 4, 4], 2, 2)
