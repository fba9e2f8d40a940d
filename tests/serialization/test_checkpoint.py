"""Checkpoints: training goes on from them bit for bit, and they say what is wrong."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.serialization import load_checkpoint, save_checkpoint


def training(kind: str) -> tuple[dict[str, Any], Any]:
    """Return the parts of a training, and a function that does some steps of it."""
    model = jitgrad.nn.Sequential(
        jitgrad.nn.Linear(4, 8),
        jitgrad.nn.BatchNorm1d(8),
        jitgrad.nn.Dropout(0.2),
        jitgrad.nn.Linear(8, 1),
    )
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(jitgrad.optim, kind)(model.parameters(), lr=0.01, **options)
    scheduler = jitgrad.optim.lr_scheduler.StepLR(optimizer, 3)

    def steps(count: int) -> list[float]:
        losses = []
        for _ in range(count):
            x = jitgrad.randn(16, 4) + np.random.rand() + random.random()
            optimizer.zero_grad()
            loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        return losses

    return {"model": model, "optimizer": optimizer, "scheduler": scheduler}, steps


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_training_goes_on_bit_for_bit(tmp_path: Path, kind: str) -> None:
    def seed() -> None:
        jitgrad.manual_seed(0)
        np.random.seed(0)
        random.seed(0)

    seed()
    straight_parts, steps = training(kind)
    straight = steps(10)
    seed()
    parts, steps = training(kind)
    assert steps(5) == straight[:5]
    path = tmp_path / "training.pt"
    save_checkpoint(path, **parts, epoch=5)
    jitgrad.manual_seed(99)
    parts, steps = training(kind)
    assert steps(2) != straight[:2]
    assert load_checkpoint(path, **parts) == {"epoch": 5}
    assert steps(5) == straight[5:]
    ours, theirs = (each["model"].state_dict() for each in (parts, straight_parts))
    assert all(ours[name].equal(theirs[name]) for name in theirs)


def test_checkpoints_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    linear = jitgrad.nn.Linear(1, 1)
    before = linear.weight.item()
    save_checkpoint(path, model=jitgrad.nn.Linear(1, 1), epoch=1)
    with pytest.raises(KeyError, match="'optimizer' in the file, but model, epoch"):
        load_checkpoint(path, model=linear, optimizer=linear)
    with pytest.raises(TypeError, match="epoch is a int"):
        load_checkpoint(path, model=linear, epoch=3)
    assert linear.weight.item() == before
    jitgrad.save({"a": 1}, path)
    with pytest.raises(RuntimeError, match="not written by save_checkpoint"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match="random_states"):
        save_checkpoint(path, random_states=1)
