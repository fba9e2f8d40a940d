"""The base of optimizers whose updates are list operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.autograd.grad_mode import enable_grad, set_grad_enabled
from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.shared import Tensors
from jitgrad.tensor import Tensor


class ListOptimizer(Optimizer):
    """An optimizer whose step is a few list operations over all parameters of a group.

    A class defines `_update`, and `_initial_state` if it remembers something of each parameter.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients; those without one stay as they are.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with set_grad_enabled(self.defaults.get("differentiable", False)):
            for group in self.param_groups:
                params, grads = self._collect(group)
                if params:
                    self._update(group, params, grads)
        return loss

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        """Change those parameters of a group that have gradients."""
        raise NotImplementedError

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """Return what is remembered of `param` before its first update."""
        return {}

    def _collect(self, group: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the parameters of the group that have gradients, and these."""
        params, gradients = [], []
        for each in group["params"]:
            gradient = each.grad
            if gradient is not None:
                params.append(each)
                gradients.append(gradient)
        return params, gradients

    def _states(self, params: Tensors, group: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is remembered of each parameter."""
        found = []
        for each in params:
            state = self.state[each]
            if not state:
                state.update(self._initial_state(each, group))
            found.append(state)
        return found
