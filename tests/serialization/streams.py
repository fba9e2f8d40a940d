"""Objects saved to bytes and loaded from them, and calls that no file may make."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
from typing import Any

import numpy as np

import jitgrad


def saved(obj: Any, **options: Any) -> bytes:
    """Return what is written for `obj`."""
    stream = io.BytesIO()
    jitgrad.save(obj, stream, **options)
    return stream.getvalue()


def loaded(data: bytes, **options: Any) -> Any:
    """Return what is read from `data`."""
    return jitgrad.load(io.BytesIO(data), **options)


def again(obj: Any, **options: Any) -> Any:
    """Return what comes back of `obj`; the options are those of loading."""
    return loaded(saved(obj), **options)


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


CALLS = [
    (os.system, "touch harmed"),
    (eval, "open('harmed', 'w')"),
    (exec, "open('harmed', 'w')"),
    (getattr, dict, "get"),
    (__import__, "antigravity"),
    (open, "harmed", "w"),
    (subprocess.Popen, ["touch", "harmed"]),
    (os.mkdir, "harmed"),
    (pickle.loads, b"\x80\x04cos\nsystem\n\x8c\x0ctouch harmed\x85R."),
    (jitgrad.load, "x"),
    (jitgrad.save, 1, "harmed"),
    (jitgrad.Tensor, [1.0]),
    (np.save, "harmed", 1),
    (type, "A", (), {}),
    (range, 10**18),
    (map, os.mkdir, ["harmed"]),
]
"""Functions with their arguments: calls that a pickle can ask for."""
