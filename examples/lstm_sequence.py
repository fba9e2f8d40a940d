"""Train an LSTM to continue sine waves whose frequency and phase it has to find out by itself.

It hears the beginning of a wave, says the next value, and goes on from what it said itself, over
and over: in training, too, so that it learns not to let small errors grow.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import common

import jitgrad
from jitgrad import Tensor, nn
from jitgrad.nn import functional as F
from jitgrad.optim import Adam, Optimizer
from jitgrad.optim.lr_scheduler import ExponentialLR

GOAL = 0.005
"""Mean squared error of the values that continue a wave; saying 0 always, 0.5."""


class Forecaster(nn.Module):
    """The next value of waves after each of their values. Shapes: (N, T) -> (N, T)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(
        self, waves: Tensor, memory: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the next values, and the memory with which to go on."""
        outputs, last = self.lstm(waves.unsqueeze(2), memory)
        return self.head(outputs).squeeze(2), last


def sine_waves(count: int, length: int) -> Tensor:
    """Return waves with random frequencies and phases. Shapes: (count, length)."""
    frequencies = 0.2 + 0.4 * jitgrad.rand(count, 1)
    phases = 2 * jitgrad.pi * jitgrad.rand(count, 1)
    return (frequencies * jitgrad.arange(length) + phases).sin()


def continued(model: nn.Module, begin: Tensor, count: int) -> Tensor:
    """Return the next `count` values as the model imagines them. Shapes: (N, T) -> (N, count)."""
    said, memory = model(begin)
    values = [said[:, -1:]]
    while len(values) < count:
        said, memory = model(values[-1], memory)
        values.append(said)
    return jitgrad.cat(values, dim=1)


@jitgrad.compile
def step(model: nn.Module, optimizer: Optimizer, begin: Tensor, rest: Tensor) -> Tensor:
    """Do one step of training, a single native unit; return its loss."""
    loss = F.mse_loss(continued(model, begin, rest.shape[1]), rest)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


@dataclass
class Run:
    """What a training left: losses, new waves, and how the model continues them."""

    losses: list[float]
    waves: Tensor
    continued: Tensor

    @property
    def error(self) -> float:
        """The mean squared error of what continues the waves."""
        return F.mse_loss(self.continued, self.waves[:, -self.continued.shape[1] :]).item()


def train(
    steps: int = 1000,
    length: int = 12,
    hidden: int = 32,
    batch: int = 32,
    lr: float = 1e-2,
    say: common.Say = str,
) -> Run:
    """Train a new model, and let it continue new waves for as long as it has heard them."""
    model = Forecaster(hidden)
    optimizer = Adam(model.parameters(), lr)
    schedule = ExponentialLR(optimizer, gamma=0.05 ** (1 / steps))
    losses = []
    for number in range(1, steps + 1):
        begin, rest = sine_waves(batch, 2 * length).chunk(2, dim=1)
        losses.append(step(model, optimizer, begin, rest).item())
        schedule.step()
        say(f"step {number} of {steps}, loss {losses[-1]:.5f}")
    waves = sine_waves(100, 2 * length)
    with jitgrad.no_grad():
        return Run(losses, waves, continued(model, waves[:, :length], length))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    options = parser.parse_args(arguments)
    with common.session(options, train, step) as session:
        run = train(**session.numbers, say=session.say)
    print(f"loss at the end: {common.mean_of_last(run.losses):.5f} (training)")
    print(f"mean squared error of what continues new waves: {run.error:.5f}")
    if options.plot:
        draw(options, run)
    return common.verdict(run.error < GOAL, f"an error below {GOAL}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the losses, and some waves with what continues them."""
    length = run.continued.shape[1]
    with common.picture(options.plot, columns=2) as (losses, waves):
        losses.plot(run.losses, linewidth=0.8)
        losses.set(title="Next value", xlabel="step", ylabel="mean squared error", yscale="log")
        for number in range(3):
            colour = f"C{number}"
            waves.plot(run.waves[number] - 2.5 * number, color=colour, linewidth=0.8)
            imagined = run.continued[number] - 2.5 * number
            waves.plot(range(length, 2 * length), imagined, ".", color=colour)
        waves.axvline(length - 0.5, color="black", linewidth=0.8)
        waves.set(title="Waves (lines), continued (dots)", xlabel="time", yticks=[])


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
