"""Train a variational autoencoder on handwritten digits: draw, reconstruct, and invent them.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014.
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
from jitgrad.utils.data import DataLoader, TensorDataset

GOAL = 24.5
"""Nats an image, held out: minus the bound on its log-likelihood. Without a code, 26.8."""


class VAE(nn.Module):
    """A code of few numbers for each image, and images from codes. Shapes: (N, 64), (N, C)."""

    def __init__(self, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, 64))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the code of each image."""
        mean, log_variance = self.encoder(2 * images - 0.6).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, codes: Tensor) -> Tensor:
        """Return how bright each pixel is, between 0 and 1."""
        return self.decoder(codes).sigmoid()

    def loss(self, images: Tensor) -> Tensor:
        """Return the negative evidence lower bound: nats an image. Shapes: (N, 64) -> ()."""
        mean, log_variance = self.encode(images)
        codes = mean + (log_variance / 2).exp() * jitgrad.randn_like(mean)
        misfit = F.binary_cross_entropy_with_logits(self.decoder(codes), images, reduction="sum")
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 2
        return (misfit + divergence) / len(images)


@jitgrad.compile
def step(model: VAE, optimizer: Optimizer, images: Tensor) -> Tensor:
    """Do one step of training, a single native unit; return its loss."""
    loss = model.loss(images)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@dataclass
class Run:
    """What a training left: losses of the steps, and on held-out images."""

    model: VAE
    losses: list[float]
    held_out: float


def train(
    epochs: int = 80,
    hidden: int = 128,
    code: int = 8,
    batch: int = 64,
    lr: float = 3e-3,
    say: common.Say = str,
) -> Run:
    """Train a new model."""
    model = VAE(hidden, code)
    optimizer = Adam(model.parameters(), lr)
    images, _ = digits("train")
    loader = DataLoader(TensorDataset(images), batch_size=batch, shuffle=True, drop_last=True)
    losses = []
    for epoch in range(1, epochs + 1):
        for (images,) in loader:
            losses.append(step(model, optimizer, images).item())
            say(f"epoch {epoch} of {epochs}, loss {losses[-1]:.2f}")
    images, _ = digits("held out")
    with jitgrad.no_grad():
        return Run(model, losses, model.loss(images).item())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    options = parser.parse_args(arguments)
    with common.session(options, train, step) as session:
        run = train(**session.numbers, say=session.say)
    print(f"loss at the end: {common.mean_of_last(run.losses):.2f} (training)")
    print(f"loss: {run.held_out:.2f} nats an image (held out)")
    if options.plot:
        draw(options, run)
    return common.verdict(run.held_out < GOAL, f"less than {GOAL} nats an image, held out")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the losses, held-out images above their reconstructions, and invented images."""
    images, _ = digits("held out")
    with jitgrad.no_grad():
        reconstructed = run.model.decode(run.model.encode(images[:40])[0])
        codes = jitgrad.randn(80, run.model.decoder[0].in_features)
        invented = run.model.decode(codes)
    pairs = jitgrad.stack([images[:40].view(4, 10, 64), reconstructed.view(4, 10, 64)], dim=1)
    with common.picture(options.plot, columns=3) as (losses, above_each_other, samples):
        losses.plot(run.losses, linewidth=0.8)
        losses.set(title="Training", xlabel="step", ylabel="nats an image")
        above_each_other.imshow(mosaic(pairs.view(80, 64)), cmap="gray_r")
        above_each_other.set(title="Held out, reconstructed below", xticks=[], yticks=[])
        samples.imshow(mosaic(invented), cmap="gray_r")
        samples.set(title="Invented", xticks=[], yticks=[])


def mosaic(images: Tensor, columns: int = 10) -> Tensor:
    """Return 8x8 images side by side. Shapes: (N, 64) -> (N / columns * 9, columns * 9)."""
    framed = F.pad(images.view(-1, columns, 8, 8), (0, 1, 0, 1))
    return framed.transpose(1, 2).reshape(-1, columns * 9)


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
