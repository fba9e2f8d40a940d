"""Random programs of views and writes, compared with torch: values, versions, gradients, errors."""

import random

import pytest

import jitgrad

torch = pytest.importorskip("torch")


def views(t, choose):
    """Yield views of `t`, each as a function that makes it."""
    shape = tuple(t.shape)
    yield lambda x: x.t() if len(shape) == 2 else x.view(-1)
    if shape and shape[0] > 1:
        low = choose.randrange(shape[0] - 1)
        yield lambda x: x[low : low + 2]
        yield lambda x: x[low]
        yield lambda x: x[::2]
    if len(shape) == 2:
        yield lambda x: x[:, -1]
        yield lambda x: x.diagonal()
        yield lambda x: x.unsqueeze(1)
    yield lambda x: x.detach()
    yield lambda x: x.view(1, *shape) if x.is_contiguous() else x.unsqueeze(0)


WRITES = (
    lambda x, y: x.mul_(2),
    lambda x, y: x.add_(y.sum()),
    lambda x, y: x.mul_(y.mean()),
    lambda x, y: x.zero_(),
    lambda x, y: x.exp_().clamp_(max=3),
    lambda x, y: x.copy_(y.sum()),
    lambda x, y: x.__setitem__(Ellipsis, y.sum() * 3),
    lambda x, y: x.__setitem__(x > 0, 0.5),
    lambda x, y: x.sub_(x.sum()),
    lambda x, y: x.fill_(0.25),
)

MAKES = (
    lambda x, y: x * y.sum(),
    lambda x, y: x.exp().clamp(max=3),
    lambda x, y: x * x,
    lambda x, y: x + y.mean(),
    lambda x, y: x.sigmoid(),
    lambda x, y: x.clone(),
    lambda x, y: x.sum(),
)


def plan(seed):
    """Return steps, each with two numbers of earlier tensors and a function of these."""
    choose = random.Random(seed)
    start = jitgrad.zeros(3, 3)
    known = [start, start[0]]
    steps = []
    for _ in range(choose.randrange(3, 9)):
        one, other = choose.randrange(len(known)), choose.randrange(len(known))
        kind = choose.random()
        if kind < 0.45:
            view = choose.choice(list(views(known[one], choose)))
            steps.append((one, other, lambda x, y, view=view: view(x), True))
        elif kind < 0.75:
            steps.append((one, other, choose.choice(WRITES), False))
            continue
        else:
            steps.append((one, other, choose.choice(MAKES), True))
        try:
            known.append(steps[-1][2](known[one], known[other]))
        except RuntimeError:
            steps.pop()
    return steps, choose.randrange(2, 10)


def perform(library, steps, last):
    """Return what the program gives, or after which step it raises, and what."""
    leaf = library.arange(9.0, dtype=library.float64).reshape(3, 3) / 8 - 0.5
    leaf = leaf.detach().requires_grad_()
    free = library.tensor([0.5, -1.0, 2.0], dtype=library.float64)
    known = [leaf * 1, free]
    done = 0
    try:
        for one, other, step, makes in steps:
            made = step(known[one], known[other])
            if makes:
                known.append(made)
            done += 1
        total = sum((each * each).sum() for each in known[-last:]) + known[0].sum()
        total.backward()
    except RuntimeError as error:
        return "raised", done, str(error)
    return (
        [each.tolist() for each in known],
        [each._version for each in known],
        [each.requires_grad for each in known],
        None if leaf.grad is None else leaf.grad.tolist(),
    )


def flat(value):
    if isinstance(value, list):
        return [number for each in value for number in flat(each)]
    return [value]


def check(seed):
    steps, last = plan(seed)
    found, expected = perform(jitgrad, steps, last), perform(torch, steps, last)
    if expected[0] == "raised" and "a leaf Variable" in expected[2]:
        return  # torch takes views of what got a history only later for leaves; we do not
    assert (found[0] == "raised") == (expected[0] == "raised"), f"{seed}: {found}, {expected}"
    if found[0] == "raised":
        assert found[1] == expected[1], f"seed {seed}: {found}, {expected}"
        return
    for one, other in zip(found, expected):
        assert flat(one) == pytest.approx(flat(other), nan_ok=True), f"seed {seed}"


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block):
    for seed in range(block * 50, block * 50 + 50):
        check(seed)


@pytest.mark.slow
def test_many_random_programs():
    for seed in range(500, 5_000):
        check(seed)
