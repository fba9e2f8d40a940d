"""Train a small GPT on Shakespeare's sonnets, letter by letter, and let it write some lines.

A decoder-only transformer: causal self-attention with several heads, normalization in front of each
part, one matrix for both the embedding and the output, AdamW, a cosine schedule, clipped gradients.
The text is in data/sonnets.txt; any text file will do.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import common

import jitgrad
from jitgrad import Tensor, nn
from jitgrad.nn import functional as F
from jitgrad.optim import AdamW, Optimizer
from jitgrad.optim.lr_scheduler import CosineAnnealingLR

SONNETS = Path(__file__).parent / "data" / "sonnets.txt"
GOAL = 2.0
"""Nats a letter on lines that were not trained on; knowing only how often letters occur, 3.0."""


class Block(nn.Module):
    """Attention to the letters before, then a network for each letter. Shapes: (N, T, W), same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.before_network = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x with what the two parts add to it."""
        x = x + self.attend(self.before_attention(x))
        return x + self.network(self.before_network(x))

    def attend(self, x: Tensor) -> Tensor:
        """Return what each letter takes from those before it and itself."""
        n, length, width = x.shape
        parts = self.query_key_value(x).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        taken = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.projection(taken.transpose(1, 2).reshape(n, length, width))


class GPT(nn.Module):
    """Scores of the next letter after each of a row of letters. Shapes: (N, T) -> (N, T, L)."""

    def __init__(self, letters: int, context: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.context = context
        self.letters = nn.Embedding(letters, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        for table in self.letters, self.positions:
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the scores; likely is a letter whose embedding points the way of the output."""
        x = self.letters(rows) + self.positions.weight[: rows.shape[1]]
        return self.norm(self.blocks(x)) @ self.letters.weight.T


def loss_of(model: nn.Module, rows: Tensor) -> Tensor:
    """Return the mean cross-entropy of every letter but the first, in nats. Shapes: (N, T) -> ()"""
    return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


@jitgrad.compile
def step(model: nn.Module, optimizer: Optimizer, rows: Tensor) -> Tensor:
    """Do one step of training, a single native unit; return its loss."""
    loss = loss_of(model, rows)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


@dataclass
class Run:
    """What a training left: losses of the steps, the loss on held-out text, a text of its own."""

    losses: list[float]
    held_out: float
    text: str


def train(
    text: str,
    steps: int = 1000,
    context: int = 64,
    width: int = 64,
    heads: int = 4,
    layers: int = 2,
    batch: int = 16,
    lr: float = 3e-3,
    sample: int = 400,
    say: common.Say = str,
) -> Run:
    """Train a new model on nine tenths of the text, and let it write `sample` letters."""
    alphabet = sorted(set(text))
    numbers = {letter: number for number, letter in enumerate(alphabet)}
    data = jitgrad.tensor([numbers[letter] for letter in text])
    training, held_out = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]

    model = GPT(len(alphabet), context, width, heads, layers)
    optimizer = AdamW(model.parameters(), lr, weight_decay=0.1)
    schedule = CosineAnnealingLR(optimizer, steps)
    window = jitgrad.arange(context + 1)
    losses = []
    for number in range(1, steps + 1):
        begins = jitgrad.randint(len(training) - context, (batch, 1))
        losses.append(step(model, optimizer, training[begins + window]).item())
        schedule.step()
        say(f"step {number} of {steps}, loss {losses[-1]:.3f}")
    model.eval()
    with jitgrad.no_grad():
        rows = held_out[: len(held_out) // (context + 1) * (context + 1)].view(-1, context + 1)
        loss = loss_of(model, rows).item()
        say("writing")
        written = write(model, jitgrad.tensor([numbers["\n"]]), sample)
    return Run(losses, loss, "".join(alphabet[number] for number in written.tolist()))


def write(model: GPT, begin: Tensor, count: int, temperature: float = 0.7) -> Tensor:
    """Return `count` letters that follow `begin`, each drawn from what the model expects."""
    letters = begin
    for _ in range(count):
        scores = model(letters[-model.context :].unsqueeze(0))[0, -1]
        drawn = jitgrad.multinomial((scores / temperature).softmax(dim=0), 1)
        letters = jitgrad.cat([letters, drawn])
    return letters[len(begin) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(train)
    parser.add_argument("--text", type=text_of, default=str(SONNETS), help="file (the sonnets)")
    options = parser.parse_args(arguments)
    if options.width % options.heads:
        parser.error(f"argument --heads: {options.heads} heads do not divide {options.width}")
    if len(options.text) < 10 * (options.context + 2):
        parser.error(f"argument --text: too short for a context of {options.context} letters")
    with common.session(options, train, step) as session:
        run = train(options.text, **session.numbers, say=session.say)
    print(f"\n{run.text.strip()}\n")
    print(f"loss at the end: {common.mean_of_last(run.losses):.3f} (training)")
    print(f"loss: {run.held_out:.3f} nats a letter, perplexity {math.exp(run.held_out):.2f}")
    if options.plot:
        draw(options, run)
    return common.verdict(run.held_out < GOAL, f"less than {GOAL} nats a letter, held out")


def text_of(name: str) -> str:
    """Return the text in a file."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} cannot be read: {error}") from None


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the losses."""
    with common.picture(options.plot, columns=1) as losses:
        losses.plot(run.losses, linewidth=0.8, label="training")
        losses.axhline(run.held_out, color="black", linewidth=0.8, label="held out, at the end")
        losses.set(title="Next letter", xlabel="step", ylabel="cross-entropy, nats")
        losses.legend()


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
