"""Train a convolutional network on handwritten digits: Conv2d, BatchNorm2d, pooling, OneCycleLR.

As digits_mlp.py does, it shows the network every image warped in another way each time. But that a
stroke means the same one pixel further on is built into this one, and it reads better.
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
from jitgrad.optim import Adam, Optimizer
from jitgrad.optim.lr_scheduler import OneCycleLR
from jitgrad.utils.data import DataLoader, TensorDataset

GOAL = 0.97


def convolutional_network(channels: int) -> nn.Sequential:
    """Return a network from images to the scores of ten digits. Shapes: (N, 64) -> (N, 10)."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.BatchNorm2d(1),
        nn.Conv2d(1, channels, kernel_size=3, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(2 * channels * 4 * 4, 10),
    )


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
    """What a training left: the loss of each step, the scores of the held-out images."""

    model: nn.Sequential
    losses: list[float]
    images: Tensor
    labels: Tensor
    guesses: Tensor

    @property
    def accuracy(self) -> float:
        """The part of the held-out images that were read correctly."""
        return (self.guesses == self.labels).float().mean().item()


def train(
    epochs: int = 20, channels: int = 24, batch: int = 64, lr: float = 4e-3, say: common.Say = str
) -> Run:
    """Train a new network, and let it read the held-out images."""
    model = convolutional_network(channels)
    optimizer = Adam(model.parameters())
    loader = DataLoader(
        TensorDataset(*digits("train")), batch_size=batch, shuffle=True, drop_last=True
    )
    schedule = OneCycleLR(optimizer, max_lr=lr, total_steps=epochs * len(loader))
    losses = []
    for epoch in range(1, epochs + 1):
        for images, labels in loader:
            losses.append(step(model, optimizer, images, labels).item())
            schedule.step()
            say(f"epoch {epoch} of {epochs}, loss {losses[-1]:.4f}")
    images, labels = digits("held out")
    model.eval()
    with jitgrad.no_grad():
        guesses = model(images).argmax(dim=1)
    return Run(model, losses, images, labels, guesses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    options = parser.parse_args(arguments)
    with common.session(options, train, step) as session:
        run = train(**session.numbers, say=session.say)
    print(f"loss at the end: {common.mean_of_last(run.losses):.4f} (training)")
    print(f"accuracy: {run.accuracy:.1%} (held out)")
    if options.plot:
        draw(options, run)
    return common.verdict(run.accuracy >= GOAL, f"an accuracy of {GOAL:.0%}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the losses, what the first layer looks for, and images that were read wrongly."""
    filters = run.model[2].weight.detach()[:16].view(-1, 4, 3, 3)
    wrong = (run.guesses != run.labels).nonzero().flatten().tolist()[:16]
    with common.picture(options.plot, columns=3) as (losses, kernels, errors):
        losses.plot(run.losses, linewidth=0.8)
        losses.set(title="Training", xlabel="step", ylabel="cross-entropy", yscale="log")
        kernels.imshow(filters.permute(0, 2, 1, 3).reshape(-1, 12).numpy(), cmap="RdBu")
        kernels.set(title="Filters of the first layer", xticks=[], yticks=[])
        for place, number in enumerate(wrong):
            left, top = place % 4, place // 4
            image = run.images[number].view(8, 8).numpy()
            errors.imshow(image, cmap="gray_r", extent=(left, left + 0.8, top + 0.8, top))
            said = f"{run.labels[number].item()} read as {run.guesses[number].item()}"
            errors.text(left, top, said, fontsize=7)
        errors.set(title="Read wrongly", xlim=(0, 4), ylim=(4, -0.2))
        errors.axis("off")


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
