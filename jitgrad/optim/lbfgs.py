"""Limited-memory BFGS: steps by the curvature seen in recent changes of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad.autograd.grad_mode import enable_grad, no_grad
from jitgrad.ops.joining import cat
from jitgrad.optim.checks import check_learning_rate
from jitgrad.optim.line_search import Point, strong_wolfe
from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.shared import scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["LBFGS"]

_LEAST_CURVATURE = 1e-10
"""Changes with less are not learned from: they would make the estimate indefinite."""


class LBFGS(Optimizer):
    """Limited-memory BFGS, for whole batches of data; `step` takes a closure and iterates itself.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4 and 7.5; the line
    search: algorithms 3.5 and 3.6.

    Args:
        params: the parameters, one group.
        lr: the step length, the first one tried by the line search.
        max_iter: at most so many iterations in a step.
        max_eval: at most so many evaluations in a step; by default 1.25 max_iter.
        tolerance_grad: stop where no element of the gradient is larger.
        tolerance_change: stop where neither the loss nor an element changes by more.
        history_size: how many changes are remembered.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ValueError: a negative learning rate, several groups.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((x - 3) ** 4).sum()
        ...     loss.backward()
        ...     return loss
        >>> float(optimizer.step(closure))
        17.0
        >>> bool((abs(x - 3) < 0.01).all())
        True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_learning_rate("LBFGS", lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterate until the gradient or the changes are small, or a limit is reached.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss before the step.

        Raises:
            TypeError: no closure.
            RuntimeError: a line search that does not exist.
        """
        if closure is None:
            raise TypeError("LBFGS: step() needs a closure that computes the loss and gradients")
        search = self.param_groups[0]["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"LBFGS: got line_search_fn {search!r}; only 'strong_wolfe' is supported"
            )
        with no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self._evaluate(closure)
        loss, gradient = float(first), self._gradient()
        evaluations = 1
        state["func_evals"] += 1
        for iteration in range(1, group["max_iter"] + 1):
            if _is_small(gradient, group["tolerance_grad"]):
                break
            state["n_iter"] += 1
            self._choose_direction(state, gradient)
            direction = state["d"]
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            length = float(scalar(group["lr"]))
            if state["n_iter"] == 1:
                length *= min(1.0, 1.0 / float(gradient.abs().sum()))
            state["t"] = length
            slope = float(gradient.dot(direction))
            if slope > -group["tolerance_change"]:
                break
            before = loss
            if group["line_search_fn"] is not None:
                start = Point(0.0, loss, gradient, slope)
                most = group["max_eval"] - evaluations
                found, count = self._search(closure, start, length, direction, most)
                length, loss, gradient, _ = found
                state["t"] = length
            else:
                self._move(direction, length)
                count = 0
                if iteration != group["max_iter"]:
                    # the next step evaluates the last point first anyway
                    loss, gradient, count = float(self._evaluate(closure)), self._gradient(), 1
            evaluations += count
            state["func_evals"] += count
            change = group["tolerance_change"]
            if evaluations >= group["max_eval"] or _is_small(direction * length, change):
                break
            if abs(loss - before) < change:
                break
        return first

    def _choose_direction(self, state: dict[str, Any], gradient: Tensor) -> None:
        """Learn from the last change, and set the direction of descent."""
        if state["n_iter"] == 1:
            state.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        change = gradient - state["prev_flat_grad"]
        step = state["d"] * state["t"]
        curvature = change.dot(step)
        if float(curvature) > _LEAST_CURVATURE:
            if len(changes) == self.param_groups[0]["history_size"]:
                for each in (changes, steps, inverses):
                    each.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / change.dot(change)
        remembered = list(zip(changes, steps, inverses))
        direction = -gradient
        weights = []
        for change, step, inverse in reversed(remembered):
            weights.append(step.dot(direction) * inverse)
            direction.sub_(weights[-1] * change)
        direction = direction * state["H_diag"]
        for (change, step, inverse), weight in zip(remembered, reversed(weights)):
            direction.add_((weight - change.dot(direction) * inverse) * step)
        state["d"] = direction

    def _search(
        self,
        closure: Callable[[], Any],
        start: Point,
        length: float,
        direction: Tensor,
        most: int,
    ) -> tuple[Point, int]:
        """Move along `direction` to a point that is low enough and level enough; return it."""
        origin = [each.clone() for each in self.param_groups[0]["params"]]

        def look(length: float) -> Point:
            self._move(direction, length)
            loss, gradient = float(self._evaluate(closure)), self._gradient()
            self._return(origin)
            return Point(length, loss, gradient, float(gradient.dot(direction)))

        found, count = strong_wolfe(look, start, length, float(direction.abs().max()), most)
        self._move(direction, found.length)
        return found, count

    def _evaluate(self, closure: Callable[[], Any]) -> Any:
        with enable_grad():
            return closure()

    def _gradient(self) -> Tensor:
        """Return all gradients as one vector."""
        return cat(
            [
                (each.new_zeros(each.shape) if each.grad is None else each.grad).reshape(-1)
                for each in self.param_groups[0]["params"]
            ]
        )

    def _move(self, direction: Tensor, length: float) -> None:
        """Add length * direction to the parameters."""
        begin = 0
        for each in self.param_groups[0]["params"]:
            end = begin + each.numel()
            each.add_(direction[begin:end].view_as(each), alpha=length)
            begin = end

    def _return(self, origin: list[Tensor]) -> None:
        for each, before in zip(self.param_groups[0]["params"], origin):
            each.copy_(before)


def _is_small(vector: Tensor, tolerance: float) -> bool:
    return float(vector.abs().max()) <= tolerance
