"""A two-layer network on handwritten digits, trained by gradient descent written by hand."""

# After backward() no gradient is None, which a type checker cannot know:
# pyright: reportOperatorIssue=false, reportOptionalMemberAccess=false

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import jitgrad
from jitgrad import Tensor, datasets
from jitgrad.demo.report import (
    Progress,
    Statistics,
    duration,
    emit_table,
    faster,
    statistics_rows,
    warm,
)

BATCH = 64
HIDDEN = 100
CLASSES = 10
COMPARED = 20


def predict(images: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """Return the scores of each class. Shapes: (N, 64), (64, 100), (100, 10) -> (N, 10)."""
    return images.mm(w1).clamp(min=0).mm(w2)


def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy against one-hot targets. Shapes: (N, 10), (N, 10) -> ()."""
    return -(scores.log_softmax(dim=1) * targets).sum() / targets.shape[0]


def step(images: Tensor, targets: Tensor, w1: Tensor, w2: Tensor, lr: float) -> Tensor:
    """Do one step of training: forward, backward, update. Compiled, it is one unit."""
    loss = cross_entropy(predict(images, w1, w2), targets)
    loss.backward()
    with jitgrad.no_grad():
        w1 -= lr * w1.grad
        w2 -= lr * w2.grad
        w1.grad.zero_()
        w2.grad.zero_()
    return loss


@dataclass(frozen=True)
class Run:
    """What one training left: losses and times step by step, and what was learned."""

    loss: float
    accuracy: float
    losses: list[float] = field(repr=False)
    seconds: list[float] = field(repr=False)
    statistics: Statistics | None


def train(mode: str, steps: int, lr: float, seed: int, progress: Progress) -> Run:
    """Train from the weights that `seed` gives, `mode` being "eager" or "compiled"."""
    images, labels = datasets.digits(split="train")
    targets = jitgrad.eye(CLASSES)[labels]
    w1, w2 = weights(seed)
    do = jitgrad.compile(step) if mode == "compiled" else step
    losses, seconds = [], []
    batches = len(labels) // BATCH
    progress.say(f"digits, {mode}: the first step", now=True)
    for number in range(steps):
        at = number % batches * BATCH
        batch = images[at : at + BATCH], targets[at : at + BATCH]
        begin = perf_counter()
        loss = do(*batch, w1, w2, lr)
        seconds.append(perf_counter() - begin)
        losses.append(loss.item())
        progress.say(f"digits, {mode}: step {number + 1} of {steps}, loss {losses[-1]:.4f}")
    with jitgrad.no_grad():
        loss = cross_entropy(predict(images, w1, w2), targets).item()
    statistics = Statistics.of(do) if mode == "compiled" else None
    return Run(loss, held_out_accuracy(w1, w2), losses, seconds, statistics)


def weights(seed: int) -> tuple[Tensor, Tensor]:
    """Return random weights (64, 100) and (100, 10) that require grad."""
    jitgrad.manual_seed(seed)
    w1 = jitgrad.randn(64, HIDDEN) * (2 / 64) ** 0.5
    w2 = jitgrad.randn(HIDDEN, CLASSES) * (1 / HIDDEN) ** 0.5
    return w1.requires_grad_(), w2.requires_grad_()


def held_out_accuracy(w1: Tensor, w2: Tensor) -> float:
    """Return the part of the held-out digits whose highest score is at their label."""
    images, labels = datasets.digits(split="held out")
    with jitgrad.no_grad():
        hits = predict(images, w1, w2).argmax(dim=1) == labels
    return hits.sum().item() / len(labels)


def table(runs: Mapping[str, Run]) -> str:
    """Return what the runs came to, as text."""
    eager, compiled = runs["eager"], runs.get("compiled")
    times = {mode: warm(run.seconds) for mode, run in runs.items()}
    remark = faster(times["eager"], times["compiled"]) if compiled else ""
    rows = [
        ("loss (training)", {mode: f"{run.loss:.4f}" for mode, run in runs.items()}, ""),
        ("accuracy (held out)", {m: f"{run.accuracy:.1%}" for m, run in runs.items()}, ""),
        ("time a step (median)", {m: duration(time) for m, time in times.items()}, remark),
        ("first step", {m: duration(run.seconds[0]) for m, run in runs.items()}, ""),
        *statistics_rows(compiled.statistics if compiled else None, "a step"),
    ]
    title = (
        f"Handwritten digits, 64 -> {HIDDEN} -> {CLASSES}: "
        f"{len(eager.losses):,} steps of {BATCH} images"
    )
    return emit_table(title, rows, tuple(runs))


def agreement(runs: Mapping[str, Run]) -> str | None:
    """Return where the first losses of eager and compiled differ, None where they agree.

    The first only: in a training that diverges, rounding may lead anywhere later on.
    """
    if "compiled" not in runs:
        return None
    pairs = zip(runs["eager"].losses[:COMPARED], runs["compiled"].losses, strict=False)
    for number, (eager, compiled) in enumerate(pairs):
        both_nan = math.isnan(eager) and math.isnan(compiled)
        if not (both_nan or math.isclose(eager, compiled, rel_tol=1e-4)):
            return f"digits, loss of step {number + 1}: {eager!r} against {compiled!r}"
    return None
