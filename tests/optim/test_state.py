"""State dicts: what they hold, that they resume, that PyTorch's load; groups, hooks, pickling."""

import copy
import pickle

import numpy as np
import pytest

import jitgrad
from jitgrad import optim
from tests.optim.algorithms import ALGORITHMS, OPTIONS, maker
from tests.optim.training import parameters, train


def numbers(values):
    return [np.array(each.detach().numpy()) for each in values]


def assert_same(first, second):
    for mine, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_round_trip_resumes_bit_equal(name, options):
    make = maker(name, options)
    params, optimizer = train(jitgrad, make, 7)
    saved = pickle.loads(pickle.dumps(optimizer.state_dict()))
    copies = [each.detach().clone().requires_grad_() for each in params]
    other = make(jitgrad, copies)
    other.load_state_dict(saved)
    train(jitgrad, make, 9, params=params, optimizer=optimizer, first=7)
    train(jitgrad, make, 9, params=copies, optimizer=other, first=7)
    assert_same(params, copies)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_torch_s_state_loads(name, options):
    torch = pytest.importorskip("torch")
    make = maker(name, options)
    theirs, their_optimizer = train(torch, make, 7)
    ours = [jitgrad.tensor(each).requires_grad_() for each in numbers(theirs)]
    our_optimizer = make(jitgrad, ours)
    their_dict = their_optimizer.state_dict()
    our_optimizer.load_state_dict(their_dict)
    our_dict = our_optimizer.state_dict()
    assert set(our_dict["state"]) == set(their_dict["state"])
    for number, state in their_dict["state"].items():
        assert list(our_dict["state"][number]) == list(state)
    assert our_dict["param_groups"] == their_dict["param_groups"]
    train(jitgrad, make, 9, params=ours, optimizer=our_optimizer, first=7)
    train(torch, make, 9, params=theirs, optimizer=their_optimizer, first=7)
    for mine, other in zip(ours, theirs):
        close = 2e-5 if other.dtype == torch.float32 else 1e-10
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=close, atol=close
        )


@pytest.mark.parametrize("name", ALGORITHMS)
def test_ours_loads_in_torch(name):
    torch = pytest.importorskip("torch")
    make = maker(name)
    _, optimizer = train(jitgrad, make, 3)
    found = optimizer.state_dict()
    for state in found["state"].values():
        for key, value in state.items():
            state[key] = torch.tensor(value.numpy())
    theirs = make(torch, parameters(torch))
    theirs.load_state_dict(found)
    train(torch, make, 2, params=theirs.param_groups[0]["params"], optimizer=theirs)


def test_what_a_dict_holds():
    x = jitgrad.ones(2, requires_grad=True)
    y = jitgrad.ones(3, requires_grad=True)
    optimizer = optim.Adam([{"params": [x]}, {"params": [y], "lr": 0.5}], lr=0.1)
    y.grad = jitgrad.ones(3)
    optimizer.step()
    found = optimizer.state_dict()
    assert list(found["state"]) == [1]
    assert [group["params"] for group in found["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in found["param_groups"]] == [0.1, 0.5]
    step = found["state"][1]["step"]
    assert step.dtype == jitgrad.float32
    assert step.shape == ()
    assert step.item() == 1


def test_bad_dicts_change_nothing():
    x = jitgrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.9)
    x.grad = jitgrad.ones(2)
    optimizer.step()
    before = copy.deepcopy(optimizer.state_dict())
    buffer = optimizer.state[x]["momentum_buffer"]
    group = {**before["param_groups"][0]}
    for bad, error in (
        ({"state": {}, "param_groups": []}, ValueError),
        ({"state": {}, "param_groups": [{**group, "params": [0, 1]}]}, ValueError),
        ({"state": {}}, KeyError),
        ({"param_groups": [{**group, "lr": 7.0}]}, KeyError),
        ({"state": {0: {"momentum_buffer": jitgrad.ones(2)}}, "param_groups": [{}]}, KeyError),
    ):
        with pytest.raises(error):
            optimizer.load_state_dict(bad)
        assert optimizer.state[x]["momentum_buffer"] is buffer
        assert optimizer.state_dict()["param_groups"] == before["param_groups"]


def test_dtypes_follow_the_parameters():
    x = jitgrad.ones(2, dtype=jitgrad.float64, requires_grad=True)
    optimizer = optim.Adam([x])
    state = {
        "step": jitgrad.tensor(3.0),
        "exp_avg": jitgrad.ones(2),
        "exp_avg_sq": np.ones(2, np.float32),
    }
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": {0: state}, "param_groups": groups})
    found = optimizer.state[x]
    assert found["exp_avg"].dtype == found["exp_avg_sq"].dtype == jitgrad.float64
    assert found["step"].dtype == jitgrad.float32
    # an older version counted in Python, and knew fewer options
    del groups[0]["amsgrad"], groups[0]["decoupled_weight_decay"]
    optimizer.load_state_dict({"state": {0: {**state, "step": 3}}, "param_groups": groups})
    assert isinstance(optimizer.state[x]["step"], jitgrad.Tensor)
    assert optimizer.param_groups[0]["amsgrad"] is False


@pytest.mark.parametrize("name", ALGORITHMS)
def test_pickles_and_copies(name):
    make = maker(name)
    params, optimizer = train(jitgrad, make, 3)
    for other in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        copies = other.param_groups[0]["params"]
        assert_same(params, copies)
        assert not {id(each) for each in params} & {id(each) for each in copies}
        train(jitgrad, make, 2, params=copies, optimizer=other, first=3)
        results = numbers(copies)
    train(jitgrad, make, 2, params=params, optimizer=optimizer, first=3)
    for mine, other in zip(params, results):
        np.testing.assert_array_equal(mine.detach().numpy(), other)


def test_named_parameters():
    x, y = jitgrad.ones(2, requires_grad=True), jitgrad.ones(3, requires_grad=True)
    optimizer = optim.SGD([("x", x), ("y", y)])
    assert optimizer.param_groups[0]["params"] == [x, y]
    found = optimizer.state_dict()
    assert found["param_groups"][0]["param_names"] == ["x", "y"]
    other = optim.SGD([x, y])
    other.load_state_dict(found)
    assert other.param_groups[0]["param_names"] == ["x", "y"]
    optimizer.load_state_dict(optim.SGD([x, y]).state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["x", "y"]


def test_hooks_around_steps():
    x = jitgrad.ones(1, requires_grad=True)
    optimizer = optim.SGD([x], lr=1.0)
    seen = []

    def closure():
        seen.append("closure")
        x.grad = jitgrad.ones(1)
        return 7

    def replace(given, args, kwargs):
        assert given is optimizer
        seen.append(("before", args, kwargs))
        return (closure,), {}

    first = optimizer.register_step_pre_hook(replace)
    second = optimizer.register_step_post_hook(
        lambda given, args, kwargs: seen.append(("after", given is optimizer, args, kwargs))
    )
    assert optimizer.step() == 7
    assert seen == [("before", (), {}), "closure", ("after", True, (closure,), {})]
    first.remove()
    second.remove()
    seen.clear()
    assert optimizer.step() is None
    assert not seen
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_around_state_dicts():
    x = jitgrad.ones(1, requires_grad=True)
    optimizer = optim.SGD([x], lr=1.0)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda given: seen.append("get"))
    optimizer.register_state_dict_post_hook(lambda given, found: {**found, "extra": 1})
    optimizer.register_state_dict_post_hook(lambda given, found: seen.append(sorted(found)))
    optimizer.register_state_dict_post_hook(lambda given, found: seen.append("first"), prepend=True)
    optimizer.register_load_state_dict_pre_hook(
        lambda given, found: {
            **found,
            "param_groups": [{**found["param_groups"][0], "lr": 0.25}],
        }
    )
    optimizer.register_load_state_dict_post_hook(
        lambda given: seen.append(given.param_groups[0]["lr"])
    )
    found = optimizer.state_dict()
    assert found["extra"] == 1
    optimizer.load_state_dict(found)
    assert seen == ["get", "first", ["extra", "param_groups", "state"], 0.25]


def test_add_param_group():
    x, y, z = (jitgrad.ones(2, requires_grad=True) for _ in range(3))
    optimizer = optim.Adagrad([x], lr=0.1)
    optimizer.add_param_group({"params": y, "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    for bad, error in (
        ({"params": [x]}, ValueError),
        ({"params": {z}}, TypeError),
        ({"params": [3]}, TypeError),
        ({"params": [z * 2]}, ValueError),
        ({"params": [("z", z)]}, ValueError),
        ([z], TypeError),
        ({"lr": 1}, KeyError),
    ):
        with pytest.raises(error):
            optimizer.add_param_group(bad)
        assert len(optimizer.param_groups) == 2
    for each in (x, y):
        each.grad = jitgrad.ones(2)
    optimizer.step()
    assert x.tolist() == pytest.approx([0.9, 0.9])
    assert y.tolist() == pytest.approx([0.5, 0.5])
    with pytest.warns(UserWarning, match="duplicate"):
        optim.SGD([z, z])


def test_zero_grad():
    x = jitgrad.ones(2, requires_grad=True)
    y = jitgrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([x, y])
    x.grad = held = jitgrad.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is held
    assert held.tolist() == [0.0, 0.0]
    assert y.grad is None
    # a gradient that was made to be differentiated keeps no history
    (made,) = jitgrad.autograd.grad((x**3).sum(), x, create_graph=True)
    x.grad = made
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.grad_fn is None
    optimizer.zero_grad()
    assert x.grad is None


def test_prints_as_torch_does():
    torch = pytest.importorskip("torch")
    texts = []
    for library in (jitgrad, torch):
        params = [library.ones(1, requires_grad=True), library.ones(1, requires_grad=True)]
        groups = [{"params": params[:1]}, {"params": params[1:], "lr": library.tensor(0.5)}]
        texts.append([repr(library.optim.Adam(groups)), repr(library.optim.SGD(params))])
    assert texts[0] == texts[1]
