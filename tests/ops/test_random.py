"""Random numbers: their distributions, their dtypes, the state of the generator."""

from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from tests.ops.against_torch import compare_error

N = 20000


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_distributions() -> None:
    uniform = torch.rand(N, dtype=torch.float64)
    assert uniform.min().item() >= 0 and uniform.max().item() < 1
    assert abs(uniform.mean().item() - 0.5) < 0.01
    normal = torch.randn(N)
    assert abs(normal.mean().item()) < 0.03 and abs(normal.std().item() - 1) < 0.03
    shifted = torch.normal(2.0, 3.0, (N,))
    assert abs(shifted.mean().item() - 2) < 0.1 and abs(shifted.std().item() - 3) < 0.1
    hits = torch.bernoulli(torch.full((N,), 0.3))
    assert abs(hits.mean().item() - 0.3) < 0.02
    whole = torch.randint(-2, 3, (N,))
    assert whole.unique().tolist() == [-2, -1, 0, 1, 2]
    assert sorted(torch.randperm(50).tolist()) == list(range(50))
    assert abs(torch.poisson(torch.full((N,), 4.0)).mean().item() - 4) < 0.1


def test_in_place() -> None:
    x = torch.empty(N)
    assert x.uniform_(2, 4) is x and x.min().item() >= 2 and x.max().item() <= 4
    assert abs(x.normal_(1, 2).std().item() - 2) < 0.1
    assert abs(x.exponential_(2).mean().item() - 0.5) < 0.02
    assert set(x.bernoulli_(0.5).unique().tolist()) == {0.0, 1.0}
    assert x.random_(3).unique().tolist() == [0.0, 1.0, 2.0]
    assert torch.zeros(5, dtype=torch.uint8).random_().dtype is torch.uint8
    leaf = torch.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.normal_()
    with torch.no_grad():
        leaf.normal_()


def test_multinomial() -> None:
    weights = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 2.0]])
    drawn = torch.multinomial(weights, N, replacement=True)
    assert drawn.shape == (2, N) and drawn.dtype is torch.int64
    assert abs((drawn[0] == 2).float().mean().item() - 0.75) < 0.02
    assert set(drawn[1].unique().tolist()) == {0, 2}
    assert sorted(weights.multinomial(2)[0].tolist()) == [1, 2]
    first = torch.multinomial(torch.tensor([1.0, 3.0]).expand(N, 2), 1)
    assert abs(first.float().mean().item() - 0.75) < 0.02


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_dtypes_and_shapes(dtype: Any) -> None:
    for name in ("rand", "randn"):
        make = getattr(torch, name)
        assert make(2, 3, dtype=dtype).dtype is dtype
        assert make((2, 0)).shape == (2, 0)
        assert make(()).shape == ()
        assert getattr(torch, name + "_like")(torch.ones(2, dtype=dtype)).dtype is dtype
    assert torch.rand(N, dtype=dtype).max().item() < 1
    assert torch.randint(5, (2,), dtype=dtype).dtype is dtype
    assert torch.randint(high=5, size=(2,)).dtype is torch.int64
    assert torch.randint_like(torch.ones(2, 3), 4).dtype is torch.float32
    assert torch.normal(torch.zeros(3, 1), torch.ones(2)).shape == (3, 2)
    assert torch.rand(2, requires_grad=True).requires_grad


def test_seed_repeats() -> None:
    def draw() -> list:
        return [
            torch.rand(3),
            torch.randn(2),
            torch.randint(9, (4,)),
            torch.randperm(5),
            torch.bernoulli(torch.full((5,), 0.5)),
        ]

    torch.manual_seed(3)
    assert torch.initial_seed() == 3
    first = draw()
    torch.manual_seed(3)
    again = draw()
    other = draw()
    assert all((a == b).all() for a, b in zip(first, again))
    assert not all((a == b).all() for a, b in zip(first, other))
    torch.seed()
    assert not (torch.rand(5) == torch.rand(5)).all()


def test_state() -> None:
    torch.rand(3), torch.randint(5, (1,), dtype=torch.int32)
    state = torch.get_rng_state()
    assert state.dtype is torch.uint8
    first = torch.rand(3)
    torch.set_rng_state(state)
    assert (torch.rand(3) == first).all()
    with torch.fork_rng():
        torch.rand(3)
        inside = torch.rand(3)
    after = torch.rand(3)
    assert not (inside == after).all()
    torch.set_rng_state(state)
    torch.rand(3)
    assert (torch.rand(3) == after).all()


def test_own_generator() -> None:
    generator = torch.Generator(device="cpu")
    generator.manual_seed(1)
    before = torch.get_rng_state()
    first = torch.rand(2, generator=generator), torch.randperm(9, generator=generator)
    assert (torch.get_rng_state() == before).all()
    generator.manual_seed(1)
    again = torch.rand(2, generator=generator), torch.randperm(9, generator=generator)
    assert all((a == b).all() for a, b in zip(first, again))
    assert generator.initial_seed() == 1
    copy = torch.Generator().set_state(generator.get_state())
    assert (torch.randn(3, generator=copy) == torch.randn(3, generator=generator)).all()


def test_normal_passes_gradients_by_value_only() -> None:
    mean = torch.zeros(3, requires_grad=True)
    assert np.isfinite(torch.normal(mean, 1.0).detach().numpy()).all()


def test_errors() -> None:
    for wrong in (
        lambda t: t.randint(3, 3, (2,)),
        lambda t: t.randint(3),
        lambda t: t.rand(2, dtype=t.int64),
        lambda t: t.rand(-1),
        lambda t: t.randperm(-1),
        lambda t: t.normal(0.0, -1.0, (2,)),
        lambda t: t.bernoulli(t.tensor([1, 0])),
        lambda t: t.multinomial(t.tensor([1.0, 1.0]), 3),
        lambda t: t.multinomial(t.tensor([-1.0, 1.0]), 1),
        lambda t: t.multinomial(t.tensor([0.0, 0.0]), 1),
        lambda t: t.multinomial(t.ones(2, 2, 2), 1),
        lambda t: t.set_rng_state(3),
    ):
        compare_error(wrong)
