"""Find the minimum of Rosenbrock's valley by L-BFGS with a strong Wolfe line search.

The valley is curved and flat along its floor: gradient descent needs tens of thousands of steps.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import common

import jitgrad
from jitgrad import Tensor
from jitgrad.optim import LBFGS, Optimizer

GOAL = 1e-8
"""The largest distance of a coordinate from the minimum, at (1, ..., 1)."""


def rosenbrock(x: Tensor) -> Tensor:
    """Return the height of the valley. Shapes: (N,) -> ()."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@jitgrad.compile
def evaluate(optimizer: Optimizer, x: Tensor) -> Tensor:
    """Compute the height and its gradient, a single native unit; return the height."""
    optimizer.zero_grad()
    loss = rosenbrock(x)
    loss.backward()
    return loss.detach()


@dataclass
class Run:
    """Where the search came by, and the heights there; one for each evaluation."""

    points: list[list[float]]
    losses: list[float]

    @property
    def distance(self) -> float:
        """The largest distance of a coordinate from the minimum."""
        return max(abs(each - 1) for each in self.points[-1])


def minimize(dimensions: int = 2, steps: int = 20, say: common.Say = str) -> Run:
    """Search from (-1.2, 1, -1.2, 1, ...), by `steps` calls of 20 iterations at most."""
    begin = [1.0 if number % 2 else -1.2 for number in range(dimensions)]
    x = jitgrad.tensor(begin, dtype=jitgrad.float64, requires_grad=True)
    optimizer = LBFGS(
        [x], tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )
    points, losses = [], []

    def closure() -> Tensor:
        loss = evaluate(optimizer, x)
        points.append(x.tolist())
        losses.append(loss.item())
        say(f"evaluation {len(losses)}, height {losses[-1]:.3g}")
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    points.append(x.tolist())
    losses.append(rosenbrock(x).item())
    return Run(points, losses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(minimize)
    options = parser.parse_args(arguments)
    if options.dimensions < 2:
        parser.error("argument --dimensions: a valley has 2 or more")
    with common.session(options, minimize, evaluate) as session:
        run = minimize(**session.numbers, say=session.say)
    print(f"height: {run.losses[0]:.3g} at first, {run.losses[-1]:.3g} at the end")
    print(f"evaluations: {len(run.losses) - 1}, distance from the minimum: {run.distance:.3g}")
    if options.plot:
        draw(options, run)
    return common.verdict(run.distance < GOAL, f"a distance below {GOAL:g}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the heights, and the way through the first two dimensions of the valley."""
    x, y = jitgrad.meshgrid(
        jitgrad.linspace(-1.6, 1.6, 200), jitgrad.linspace(-0.8, 2, 200), indexing="xy"
    )
    heights = 100 * (y - x**2) ** 2 + (1 - x) ** 2
    with common.picture(options.plot, columns=2) as (losses, way):
        losses.plot(run.losses, ".-", linewidth=0.8)
        losses.set(title="Height", xlabel="evaluation", yscale="log")
        way.contour(x.numpy(), y.numpy(), heights.log10().numpy(), levels=20, linewidths=0.5)
        way.plot(*zip(*(point[:2] for point in run.points)), ".-", color="#c2410c", linewidth=0.8)
        way.plot(1, 1, "*", color="black")
        way.set(title="The way through the valley", xlabel="$x_1$", ylabel="$x_2$")


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
