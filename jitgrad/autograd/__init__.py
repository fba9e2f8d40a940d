"""Differentiation: gradients, modes, derivatives written by users, and checks of all these."""

from __future__ import annotations

from collections.abc import Sequence

from jitgrad import engine
from jitgrad.autograd import function as function
from jitgrad.autograd import functional as functional
from jitgrad.autograd import graph as graph
from jitgrad.autograd.function import Function as Function
from jitgrad.autograd.grad_mode import detect_anomaly as detect_anomaly
from jitgrad.autograd.grad_mode import enable_grad as enable_grad
from jitgrad.autograd.grad_mode import inference_mode as inference_mode
from jitgrad.autograd.grad_mode import no_grad as no_grad
from jitgrad.autograd.grad_mode import set_detect_anomaly as set_detect_anomaly
from jitgrad.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from jitgrad.autograd.gradcheck import GradcheckError as GradcheckError
from jitgrad.autograd.gradcheck import gradcheck as gradcheck
from jitgrad.autograd.gradcheck import gradgradcheck as gradgradcheck
from jitgrad.engine import grad as grad
from jitgrad.ops.legacy import Variable as Variable
from jitgrad.tensor import Tensor


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add to `.grad` of the leaves the gradients of `tensors`.

    Args:
        tensors: one or several.
        grad_tensors: their cotangents; None for a tensor of one element.
        retain_graph: keep what was saved for another backward pass.
        create_graph: record the gradients, so that they can be differentiated.
        grad_variables: the old name of `grad_tensors`.
        inputs: only these tensors' `.grad`.

    Raises:
        RuntimeError: see `Tensor.backward`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor(2.0, requires_grad=True)
        >>> torch.autograd.backward([x * x, 3 * x])
        >>> x.grad
        tensor(7.)
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "backward: 'grad_tensors' and 'grad_variables' (deprecated) arguments both passed "
                "to backward(). Please only use 'grad_tensors'."
            )
        grad_tensors = grad_variables
    engine.backward(
        (tensors,) if isinstance(tensors, Tensor) else tuple(tensors),
        (grad_tensors,) if isinstance(grad_tensors, Tensor) else grad_tensors,
        retain_graph,
        create_graph,
        (inputs,) if isinstance(inputs, Tensor) else inputs,
    )
