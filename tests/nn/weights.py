"""Modules of jitgrad and of PyTorch with the same weights, in the same form."""

from __future__ import annotations

from typing import Any

import jitgrad
from tests.ops.against_torch import array, torch


def same_parameters(t: Any, module: Any) -> list:
    """Give a module parameters that depend on their order alone; return them."""
    parameters = list(module.parameters())
    with t.no_grad():
        for seed, each in enumerate(parameters):
            each.copy_(t.tensor(array(*each.shape, seed=seed) / 4))
    return parameters


def modules_alike(kind: str, args: tuple, kwargs: dict) -> tuple[Any, Any]:
    """Return jitgrad's module, with the weights of PyTorch's, and that; their forms are alike."""
    ours = getattr(jitgrad.nn, kind)(*args, **kwargs)
    theirs = getattr(torch.nn, kind)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    loaded = {name: jitgrad.tensor(each.numpy()) for name, each in theirs.state_dict().items()}
    assert str(ours.load_state_dict(loaded)) == "<All keys matched successfully>"
    return ours, theirs
