"""Train a multilayer perceptron on handwritten digits: modules, a DataLoader, AdamW, a schedule.

The held-out digits were written by other people than the training digits. To read them, the network
sees every training image a little turned, stretched and shifted, in another way each time.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import common

import jitgrad
from jitgrad import Tensor, nn
from jitgrad.datasets import digits
from jitgrad.nn import functional as F
from jitgrad.optim import AdamW, Optimizer
from jitgrad.optim.lr_scheduler import CosineAnnealingLR
from jitgrad.utils.data import DataLoader, TensorDataset

GOAL = 0.96


class Perceptron(nn.Module):
    """Scores of the ten digits from images. Shapes: (N, 64) -> (N, 10)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores; pixels are moved to lie around 0, where networks learn best."""
        return self.layers(2 * images - 0.6)


@jitgrad.compile
def step(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Tensor:
    """Do one step of training, a single native unit; return its loss."""
    loss = F.cross_entropy(model(common.warped(images)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@dataclass
class Run:
    """What a training left: the loss of each step, the accuracy after each epoch."""

    model: nn.Module
    losses: list[float]
    accuracies: list[float]


def train(
    epochs: int = 40, hidden: int = 256, batch: int = 64, lr: float = 4e-3, say: common.Say = str
) -> Run:
    """Train a new network."""
    model = Perceptron(hidden)
    optimizer = AdamW(model.parameters(), lr, weight_decay=0)
    loader = DataLoader(
        TensorDataset(*digits("train")), batch_size=batch, shuffle=True, drop_last=True
    )
    schedule = CosineAnnealingLR(optimizer, epochs * len(loader))
    losses, accuracies = [], []
    for epoch in range(1, epochs + 1):
        for images, labels in loader:
            losses.append(step(model, optimizer, images, labels).item())
            schedule.step()
            say(f"epoch {epoch} of {epochs}, loss {losses[-1]:.4f}")
        accuracies.append(accuracy(model, *digits("held out")))
    return Run(model, losses, accuracies)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the part of the images whose highest score is that of their label."""
    model.eval()
    with jitgrad.no_grad():
        hits = model(images).argmax(dim=1) == labels
    model.train()
    return hits.float().mean().item()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    options = parser.parse_args(arguments)
    with common.session(options, train, step) as session:
        run = train(**session.numbers, say=session.say)
    print(f"loss at the end: {common.mean_of_last(run.losses):.4f} (training)")
    print(f"accuracy: {run.accuracies[-1]:.1%} (held out)")
    if options.plot:
        draw(options, run)
    return common.verdict(run.accuracies[-1] >= GOAL, f"an accuracy of {GOAL:.0%}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw losses and accuracies."""
    with common.picture(options.plot, columns=2) as (losses, accuracies):
        losses.plot(run.losses, linewidth=0.8)
        losses.set(title="Training", xlabel="step", ylabel="cross-entropy", yscale="log")
        accuracies.plot(range(1, len(run.accuracies) + 1), run.accuracies, ".-")
        accuracies.set(title="Held-out digits", xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1))


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
