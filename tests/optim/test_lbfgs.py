"""LBFGS: Rosenbrock's valley, and the same iterates as PyTorch's."""

import pickle

import numpy as np
import pytest

import jitgrad
from jitgrad.optim import LBFGS
from jitgrad.optim.line_search import Point, lowest_of_cubic


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def rugged(x):
    return (x**4).sum() + (3 * x).sin().sum() + (x[0] * x[1]) ** 2


def follow(library, function, start, steps, options, optimizer=None, params=None):
    """Return the iterates, and the optimizer."""
    if params is None:
        half = len(start) // 2
        params = [
            library.tensor(np.array(part, "float64")).requires_grad_()
            for part in (start[:half], start[half:])
        ]
        optimizer = library.optim.LBFGS(params, **options)
    found = []

    def closure():
        optimizer.zero_grad()
        loss = function(library.cat(params))
        loss.backward()
        return loss

    for _ in range(steps):
        loss = optimizer.step(closure)
        found.append((float(loss.detach()), [value for each in params for value in each.tolist()]))
    return found, optimizer, params


OPTIONS = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2},
    {"line_search_fn": "strong_wolfe", "lr": 0.1, "max_eval": 7},
    {"lr": 0.01, "max_iter": 4},
    {"lr": 0.05, "max_iter": 10, "history_size": 3, "tolerance_change": 1e-4},
    {"lr": 0.05, "max_iter": 10, "max_eval": 6},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2},
    {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_iter": 6},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("function", [rosenbrock, rugged])
def test_same_iterates_as_torch(options, function):
    torch = pytest.importorskip("torch")
    start = [-1.2, 1.0, 0.7, -0.4]
    ours, our_optimizer, _ = follow(jitgrad, function, start, 6, options)
    theirs, their_optimizer, _ = follow(torch, function, start, 6, options)
    for mine, other in zip(ours, theirs):
        assert mine[0] == pytest.approx(other[0], rel=1e-7, abs=1e-14)
        assert mine[1] == pytest.approx(other[1], rel=1e-6, abs=1e-9)
    own, expected = our_optimizer.state_dict()["state"][0], their_optimizer.state_dict()["state"][0]
    assert set(own) == set(expected) - {"al"}  # working memory
    assert own["func_evals"] == expected["func_evals"]
    assert own["n_iter"] == expected["n_iter"]
    assert len(own["old_dirs"]) == len(expected["old_dirs"])


def test_finds_the_end_of_rosenbrock_s_valley():
    options = {"line_search_fn": "strong_wolfe", "max_iter": 100, "tolerance_change": 0}
    found, _, params = follow(jitgrad, rosenbrock, [-1.2, 1.0], 4, options)
    for value in found[-1][1]:
        assert value == pytest.approx(1.0, abs=1e-8)
    assert float(rosenbrock(jitgrad.cat(params))) < 1e-16


def test_stored_iterates():
    """What PyTorch 2.13 gives, for where it is missing."""
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3}
    found, _, _ = follow(jitgrad, rosenbrock, [-1.2, 1.0], 2, options)
    assert found[0][0] == pytest.approx(24.2)
    assert found[1][0] == pytest.approx(STORED[0])
    assert found[1][1] == pytest.approx(STORED[1])


STORED = (4.146927102567213, [-1.0288795348319695, 1.0655029516848564])


@pytest.mark.parametrize("options", OPTIONS[:2])
def test_resumes(options):
    start = [-1.2, 1.0, 0.7, -0.4]
    _, optimizer, params = follow(jitgrad, rosenbrock, start, 3, options)
    saved = pickle.loads(pickle.dumps(optimizer.state_dict()))
    copies = [each.detach().clone().requires_grad_() for each in params]
    other = LBFGS(copies, **options)
    other.load_state_dict(saved)
    first, *_ = follow(jitgrad, rosenbrock, start, 3, options, optimizer, params)
    again, *_ = follow(jitgrad, rosenbrock, start, 3, options, other, copies)
    assert first == again


def test_torch_s_state_loads():
    torch = pytest.importorskip("torch")
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3}
    start = [-1.2, 1.0, 0.7, -0.4]
    _, theirs, their_params = follow(torch, rosenbrock, start, 3, options)
    copies = [jitgrad.tensor(each.detach().numpy()).requires_grad_() for each in their_params]
    ours = LBFGS(copies, **options)
    ours.load_state_dict(theirs.state_dict())
    found, *_ = follow(jitgrad, rosenbrock, start, 2, options, ours, copies)
    expected, *_ = follow(torch, rosenbrock, start, 2, options, theirs, their_params)
    assert found[-1][1] == pytest.approx(expected[-1][1], rel=1e-6)


def test_stops_where_the_gradient_is_nothing():
    x = jitgrad.zeros(2, requires_grad=True)
    optimizer = LBFGS([x])
    calls = []

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure)) == 0.0
    assert len(calls) == 1


def test_parameters_without_gradient_stay():
    x, y = jitgrad.ones(2, requires_grad=True), jitgrad.ones(3, requires_grad=True)
    optimizer = LBFGS([x, y], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert x.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert y.tolist() == [1.0, 1.0, 1.0]


def test_refuses():
    x, y = jitgrad.ones(2, requires_grad=True), jitgrad.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="learning rate"):
        LBFGS([x], lr=-1)
    with pytest.raises(ValueError, match="parameter groups"):
        LBFGS([{"params": [x]}, {"params": [y]}])
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        LBFGS([x], line_search_fn="golden").step(lambda: (x * x).sum())
    with pytest.raises(TypeError, match="closure"):
        LBFGS([x]).step()


def test_lowest_of_cubic():
    def point(at):  # of x^3 - 3x, which is lowest at 1
        return Point(at, at**3 - 3 * at, jitgrad.zeros(1), 3 * at * at - 3)

    assert lowest_of_cubic(point(0.0), point(3.0), (0.0, 3.0)) == pytest.approx(1.0)
    assert lowest_of_cubic(point(3.0), point(0.0), (0.0, 3.0)) == pytest.approx(1.0)
    assert lowest_of_cubic(point(0.0), point(3.0), (1.5, 3.0)) == 1.5
    # rising everywhere: nothing to find, so the middle
    straight = [Point(at, at**3 + at, jitgrad.zeros(1), 3 * at * at + 1) for at in (0.0, 1.0)]
    assert lowest_of_cubic(*straight, (0.0, 1.0)) == 0.5
