"""Fit a differential equation dx/dt = f(x), f a small network, to points on a spiral.

The equation is solved by an adaptive Runge-Kutta method in plain Python: it tries a step, looks at
the error, and takes it or makes it smaller. How many steps there are depends on data; gradients
go through all that were taken. Sources: Bogacki and Shampine, A 3(2) Pair of Runge-Kutta Formulas,
1989; Chen et al., Neural Ordinary Differential Equations, 2018.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import common

import jitgrad
from jitgrad import Tensor, nn
from jitgrad.nn import functional as F
from jitgrad.optim import Adam, Optimizer
from jitgrad.optim.lr_scheduler import CosineAnnealingLR

GOAL = 0.01
"""Mean squared distance of the solution from the spiral, whose radius begins at 2."""

Field = Callable[[Tensor], Tensor]


def solve(field: Field, x: Tensor, duration: float, tolerance: float) -> tuple[Tensor, int]:
    """Return where x is after `duration`, and how many steps were tried. Shapes: (N, 2), same."""
    time, size, tried = 0.0, duration, 0
    slope = field(x)
    while time < duration:
        size = min(size, duration - time)
        second = field(x + size / 2 * slope)
        third = field(x + 3 / 4 * size * second)
        after = x + size * (2 / 9 * slope + 1 / 3 * second + 4 / 9 * third)
        fourth = field(after)
        error = (-5 / 72 * slope + 1 / 12 * second + 1 / 9 * third - 1 / 8 * fourth) * size
        tried += 1
        if error.detach().abs().max() <= tolerance:
            time, x, slope = time + size, after, fourth
        else:
            size = size / 2
    return x, tried


def solution(field: Field, start: Tensor, count: int, tolerance: float) -> Tensor:
    """Return the way from `start`, at `count` times. Shapes: (2,) -> (count, 2)."""
    points = [start.unsqueeze(0)]
    while len(points) < count:
        points.append(solve(field, points[-1], INTERVAL, tolerance)[0])
    return jitgrad.cat(points)


INTERVAL = 0.1
"""Between one point of the spiral and the next."""


def spiral(x: Tensor) -> Tensor:
    """Return the true slopes, which the network is to find. Shapes: (N, 2), the same."""
    return x**3 @ jitgrad.tensor([[-0.1, 2.0], [-2.0, -0.1]])


class SlopeNetwork(nn.Module):
    """Slopes at points of the plane. Shapes: (N, 2), the same."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the slopes; the network sees cubes, as the true equation does."""
        return self.layers(x**3)


@jitgrad.compile
def step(
    model: nn.Module, optimizer: Optimizer, begin: Tensor, end: Tensor, tolerance: float
) -> tuple[Tensor, int]:
    """Do one step of training on pieces of the spiral; return its loss and the steps tried."""
    reached, tried = solve(model, begin, INTERVAL, tolerance)
    loss = F.mse_loss(reached, end)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach(), tried


@dataclass
class Run:
    """What a training left: losses, steps of the solver, the true way and the learned one."""

    losses: list[float]
    tried: list[int]
    true: Tensor
    learned: Tensor

    @property
    def error(self) -> float:
        """The mean squared distance from the true way."""
        return ((self.learned - self.true) ** 2).sum(dim=1).mean().item()


def train(
    steps: int = 1500,
    hidden: int = 50,
    batch: int = 8,
    tolerance: float = 1e-3,
    points: int = 60,
    lr: float = 2e-2,
    say: common.Say = str,
) -> Run:
    """Train a new network."""
    start = jitgrad.tensor([2.0, 0.0])
    true = solution(spiral, start, points, 1e-5)
    model = SlopeNetwork(hidden)
    optimizer = Adam(model.parameters(), lr)
    schedule = CosineAnnealingLR(optimizer, steps)
    losses, tried = [], []
    for number in range(1, steps + 1):
        begins = jitgrad.randint(points - 1, (batch,))
        loss, count = step(model, optimizer, true[begins], true[begins + 1], tolerance)
        losses.append(loss.item())
        tried.append(count)
        schedule.step()
        say(f"step {number} of {steps}, loss {losses[-1]:.5f}, {count} steps of the solver")
    with jitgrad.no_grad():
        return Run(losses, tried, true, solution(model, start, points, tolerance))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    options = parser.parse_args(arguments)
    with common.session(options, train, step) as session:
        run = train(**session.numbers, say=session.say)
    print(f"loss at the end: {common.mean_of_last(run.losses):.6f} (pieces)")
    print(f"steps of the solver: {min(run.tried)} to {max(run.tried)}")
    print(f"mean squared distance of the whole way: {run.error:.5f}")
    if options.plot:
        draw(options, run)
    return common.verdict(run.error < GOAL, f"a distance below {GOAL}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the losses, the steps of the solver, and both ways."""
    with common.picture(options.plot, columns=3) as (losses, tried, ways):
        losses.plot(run.losses, linewidth=0.8)
        losses.set(title="Training", xlabel="step", ylabel="mean squared error", yscale="log")
        tried.plot(run.tried, ".", markersize=2)
        tried.set(title="Steps of the solver, tried", xlabel="step of training")
        ways.plot(*run.true.T, ".", color="#a8b3bf", label="true")
        ways.plot(*run.learned.T, color="#c2410c", linewidth=0.8, label="learned")
        ways.set(title="From (2, 0)", aspect="equal")
        ways.legend()


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
