"""What generated functions make at each call: tensors and storages, by native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.dispatch import rebuild, wrap
from jitgrad.kernels.instances import Earlier, Given, Part, maker
from jitgrad.storage import Storage

_STORAGE: dict[str, Any] = {
    "array": Given(0),
    "version": 0,
    "borrowed": False,
    "lent": False,
    "watchers": None,
    "_owner": None,
}


def _tensor(storage: Any, node: Any, index: Any) -> Part:
    """Return a tensor over the first argument."""
    # of the class of what `wrap` makes
    kind = type(wrap(np.empty(0)))
    slots = dict.fromkeys(("_grad", "_base", "_base_node", "_key"))
    slots |= {"_array": Given(0), "_storage": storage, "_node": node, "_index": index}
    return Part(kind, {**slots, "_retains_grad": False, "_unfollowed": False})


def _fresh(array: Any, node: Any, index: int) -> Any:
    return rebuild(array, Storage(array), node, index)


def names() -> dict[str, Callable[..., Any]]:
    """Return what makes tensors and storages, under the names that generated functions use.

    All are given an array, `rebuild` also its storage, and that and `fresh` the node of the tensor
    and the number of the node's output.
    """
    storage = Part(Storage, _STORAGE)
    return {
        "Storage": maker(Storage, [storage], [np.ndarray]),
        "wrap": maker(wrap, [storage, _tensor(Earlier(0), None, 0)], [np.ndarray]),
        "fresh": maker(
            _fresh, [storage, _tensor(Earlier(0), Given(1), Given(2))], [np.ndarray, None, int]
        ),
        "rebuild": maker(
            rebuild,
            [_tensor(Given(1), Given(2), Given(3))],
            [np.ndarray, Storage, None, int],
        ),
    }
