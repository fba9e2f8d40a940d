"""The old name of tensors that take part in autograd."""

from __future__ import annotations

from typing import Any

from jitgrad.tensor import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor)


class Variable(metaclass=_VariableMeta):
    """Return a leaf on the memory of a tensor; an old spelling, since tensors do it all.

    Example:
        >>> import jitgrad as torch
        >>> torch.autograd.Variable(torch.tensor([1.0]), requires_grad=True)
        tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        made = data.detach()
        return made.requires_grad_() if requires_grad else made
