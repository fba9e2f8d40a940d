"""Calling modules with other parameters than their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jitgrad.errors import describe
from jitgrad.nn.modules.module import Module
from jitgrad.tensor import Tensor

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with other tensors in the place of its parameters and buffers.

    The module has its own again afterwards, also after an exception. Gradients flow to the
    tensors that were given. What the module assigns to its buffers is in the dictionary then.

    Args:
        module: the module.
        parameters_and_buffers: the tensors by dotted name, in one dictionary or several.
        args: the positional arguments, a tuple; or the only one.
        kwargs: the keyword arguments.
        tie_weights: a parameter that the module has under several names is replaced under all.
        strict: the names must be exactly those of the module.

    Raises:
        ValueError: `parameters_and_buffers` is nothing of this kind, a name comes twice, or tied
            names have different tensors.
        RuntimeError: names are missing or unknown, if `strict`.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> weight = torch.ones(1, 2)
        >>> torch.func.functional_call(layer, {"weight": weight}, torch.tensor([[1.0, 2.0]]))
        tensor([[3.]])
    """
    given = _merged(parameters_and_buffers)
    places = _places(module)
    if strict:
        _check_names(set(places), set(given))
    tensors = _tied(places, given) if tie_weights else dict(given)
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    held = []
    try:
        for name, value in tensors.items():
            if name in places:
                owner, key = places[name]
                held.append((name, owner, key, owner[key]))
                owner[key] = value
        return module(*positional, **(kwargs or {}))
    finally:
        for name, owner, key, own in reversed(held):
            if name in given and isinstance(parameters_and_buffers, dict):
                parameters_and_buffers[name] = owner[key]
            owner[key] = own


def _merged(given: Any) -> Mapping[str, Tensor]:
    if isinstance(given, Mapping):
        return given
    if not isinstance(given, Sequence) or not all(isinstance(each, Mapping) for each in given):
        raise ValueError(
            describe(
                "functional_call",
                type(given).__name__,
                "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts",
            )
        )
    merged: dict[str, Tensor] = {}
    for each in given:
        twice = sorted(merged.keys() & each.keys())
        if twice:
            raise ValueError(
                f"functional_call: {twice} appeared in multiple dictionaries; behavior of "
                "functional call is ambiguous"
            )
        merged.update(each)
    return merged


def _places(module: Module) -> dict[str, tuple[dict, str]]:
    """Return for each dotted name the dict that holds the tensor, and its key there."""
    found: dict[str, tuple[dict, str]] = {}
    for way, owner in module.named_modules(remove_duplicate=False):
        for held in owner._parameters, owner._buffers:
            for name, value in held.items():
                if value is not None:
                    found[f"{way}.{name}" if way else name] = (held, name)
    return found


def _check_names(own: set[str], given: set[str]) -> None:
    wrong = []
    if given - own:
        wrong.append(f"Unexpected key(s): {', '.join(map(repr, sorted(given - own)))}.")
    if own - given:
        wrong.append(f"Missing key(s): {', '.join(map(repr, sorted(own - given)))}.")
    if wrong:
        raise RuntimeError(f"Error(s) in reparametrizing:\n\t{' '.join(wrong)}")


def _tied(places: dict[str, tuple[dict, str]], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `given` with all names of a tensor that the module has under several."""
    groups: dict[int, list[str]] = {}
    for name, (held, key) in places.items():
        groups.setdefault(id(held[key]), []).append(name)
    result = dict(given)
    for names in groups.values():
        values = {id(given[name]): given[name] for name in names if name in given}
        if len(values) > 1:
            tied = sorted(name for name in names if name in given)
            raise ValueError(
                f"functional_call got multiple values for keys {tied}, which are tied. Consider "
                "using tie_weights=False"
            )
        for value in values.values():
            result.update(dict.fromkeys(names, value))
    return result
