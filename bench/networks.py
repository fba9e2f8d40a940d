"""Training steps of whole networks: forward, backward, `optimizer.step()` and `zero_grad()`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.subjects import Tools
from bench.workload import Run, Workload, random

Loss = Callable[..., Any]


def training_step(
    tools: Tools, model: Any, loss_of: Loss, optimizer: str, batch: Sequence[np.ndarray]
) -> Run:
    """Build a step that trains `model` on the same batch over and over.

    Its weights are the same in every library. It returns the loss and the last weights.
    """
    torch = tools.library
    with torch.no_grad():
        for number, each in enumerate(model.parameters()):
            size = max(each.numel() // len(each), 1) ** -0.5
            each.copy_(torch.tensor(size * random(*each.shape, seed=number)))
    update = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)
    tensors = [torch.tensor(each) for each in batch]
    forward = tools.part(loss_of)

    @tools.whole
    def step(*batch: Any) -> Any:
        loss = forward(model, *batch)
        loss.backward()
        update.step()
        update.zero_grad()
        return loss

    *_, last = model.parameters()
    return lambda: (step(*tensors), last)


def labels(count: int, *shape: int) -> np.ndarray:
    """Return random whole numbers from 0 to `count` - 1."""
    return np.random.default_rng(0).integers(count, size=shape)


def mlp(tools: Tools) -> Run:
    """Build the perceptron of examples/digits_mlp.py, without its random numbers."""
    nn = tools.library.nn
    model = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )
    return training_step(tools, model, classify(nn), "Adam", (random(64, 64), labels(10, 64)))


def convnet(tools: Tools) -> Run:
    """Build the network of examples/digits_convnet.py, without its random numbers."""
    nn = tools.library.nn
    model = nn.Sequential(
        nn.Conv2d(1, 24, kernel_size=3, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 48, kernel_size=3, padding=1),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48 * 4 * 4, 10),
    )
    return training_step(tools, model, classify(nn), "Adam", (random(64, 1, 8, 8), labels(10, 64)))


def classify(nn: Any) -> Loss:
    """Return the loss of a classifier."""
    return lambda model, images, labels: nn.functional.cross_entropy(model(images), labels)


LETTERS, CONTEXT, WIDTH, HEADS, LAYERS = 64, 64, 64, 4, 2


def gpt(tools: Tools) -> Run:
    """Build a transformer as in examples/char_gpt.py."""
    nn = tools.library.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before_attention = nn.LayerNorm(WIDTH)
            self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
            self.projection = nn.Linear(WIDTH, WIDTH)
            self.before_network = nn.LayerNorm(WIDTH)
            self.network = nn.Sequential(
                nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
            )

        def forward(self, x: Any) -> Any:
            n, length, _ = x.shape
            parts = self.query_key_value(self.before_attention(x))
            parts = parts.view(n, length, 3, HEADS, WIDTH // HEADS)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            taken = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.projection(taken.transpose(1, 2).reshape(n, length, WIDTH))
            return x + self.network(self.before_network(x))

    model = nn.Sequential(
        nn.Embedding(LETTERS, WIDTH),
        *(Block() for _ in range(LAYERS)),
        nn.LayerNorm(WIDTH),
        nn.Linear(WIDTH, LETTERS),
    )

    def loss_of(model: Any, rows: Any) -> Any:
        scores = model(rows[:, :-1]).flatten(0, 1)
        return nn.functional.cross_entropy(scores, rows[:, 1:].flatten())

    return training_step(tools, model, loss_of, "AdamW", (labels(LETTERS, 16, CONTEXT + 1),))


def lstm(tools: Tools) -> Run:
    """Build an LSTM that says the next value of sequences."""
    nn = tools.library.nn

    class Forecaster(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(1, 32, batch_first=True)
            self.head = nn.Linear(32, 1)

        def forward(self, sequences: Any) -> Any:
            outputs, _ = self.lstm(sequences)
            return self.head(outputs)

    def loss_of(model: Any, sequences: Any) -> Any:
        return nn.functional.mse_loss(model(sequences[:, :-1]), sequences[:, 1:])

    return training_step(tools, Forecaster(), loss_of, "Adam", (random(32, 21, 1),))


WORKLOADS: Sequence[Workload] = (
    Workload("mlp-step", "step of 64-256-256-10, 64 images, Adam", mlp),
    Workload(
        "convnet-step", "step of two 3x3 convolutions, 24 and 48 channels, 64 8x8 images", convnet
    ),
    Workload("gpt-step", "step of 2 layers, 4 heads, 64 wide, 16 x 64 letters, AdamW", gpt),
    Workload("lstm-step", "step of an LSTM of 32, 32 sequences of 20, Adam", lstm),
)
