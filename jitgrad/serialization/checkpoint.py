"""Checkpoints: everything that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import random
from typing import Any, BinaryIO

import numpy as np

from jitgrad.ops.generator import get_rng_state, set_rng_state
from jitgrad.serialization.saving import load, save

RANDOM = "random_states"


def save_checkpoint(f: str | os.PathLike[str] | BinaryIO, **parts: Any) -> None:
    """Save a training: the state of each part, and of the sources of random numbers.

    Of a part that has `state_dict` (a module, an optimizer, a scheduler) that is saved, everything
    else as it is. With them go the states of jitgrad's default generator, of NumPy's and of
    Python's, so that a training that is resumed draws what it would have drawn.

    Args:
        f: a path or a stream, see `save`.
        parts: named as `load_checkpoint` will name them.

    Example:
        >>> import jitgrad as torch, io
        >>> from jitgrad.serialization import load_checkpoint, save_checkpoint
        >>> file = io.BytesIO()
        >>> save_checkpoint(file, epoch=3, generator_says=torch.manual_seed(0).initial_seed())
        >>> expected = torch.rand(2)
        >>> _ = file.seek(0)
        >>> load_checkpoint(file)
        {'epoch': 3, 'generator_says': 0}
        >>> bool((torch.rand(2) == expected).all())
        True
    """
    if RANDOM in parts:
        raise ValueError(f"save_checkpoint: {RANDOM} is the name of what it saves itself")
    states = {
        "jitgrad": get_rng_state(),
        "numpy": np.random.get_state(legacy=False),
        "python": random.getstate(),
    }
    kept = {
        name: part.state_dict() if hasattr(part, "state_dict") else part
        for name, part in parts.items()
    }
    save({**kept, RANDOM: states}, f)


def load_checkpoint(
    f: str | os.PathLike[str] | BinaryIO, *, weights_only: bool = True, **parts: Any
) -> dict[str, Any]:
    """Bring parts of a training, and the random numbers, to what `save_checkpoint` saved.

    Args:
        f: a path or a stream, see `load`.
        weights_only: see `load`.
        parts: objects with `load_state_dict`, named as when they were saved.

    Returns:
        What was saved and is not among `parts`.

    Raises:
        KeyError: the checkpoint has no part of that name. Nothing is changed then.
        RuntimeError: the file is no checkpoint.
        TypeError: a part has no `load_state_dict`. Nothing is changed then.
    """
    saved = load(f, weights_only=weights_only)
    if not isinstance(saved, dict) or RANDOM not in saved:
        raise RuntimeError(
            "load_checkpoint: the file was not written by save_checkpoint; read it with load"
        )
    for name, part in parts.items():
        if name not in saved or name == RANDOM:
            there = ", ".join(each for each in saved if each != RANDOM)
            raise KeyError(f"load_checkpoint: there is no {name!r} in the file, but {there}")
        if not hasattr(part, "load_state_dict"):
            raise TypeError(
                f"load_checkpoint: {name} is a {type(part).__name__}, which has no "
                "load_state_dict; leave it out, and take it from the result"
            )
    states = saved.pop(RANDOM)
    for name, part in parts.items():
        part.load_state_dict(saved.pop(name))
    set_rng_state(states["jitgrad"])
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])
    return saved
