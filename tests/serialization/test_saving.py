"""Saving and loading: what comes back, from where, and to where."""

import io
import pickle
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

import jitgrad
from tests.arrays import many_arrays
from tests.serialization.streams import again, loaded, saved

VALUES = [
    None,
    True,
    0,
    -1,
    2**40,
    -(2**100),
    1.5,
    float("inf"),
    1j,
    "text ä \x00 \ud800",
    b"bytes",
    bytearray(b"more"),
    [],
    [1, [2, [3]]],
    (),
    (1,),
    (1, 2),
    (1, 2, 3, 4),
    {},
    {"a": 1, 2: "b", (3, None): [4]},
    {1, 2},
    frozenset([1]),
    slice(1, None, 2),
    ...,
    OrderedDict(b=1, a=2),
    Counter("aab"),
    list(range(3000)),
    {str(n): n for n in range(3000)},
    set(range(3000)),
    jitgrad.float32,
    jitgrad.bool,
    jitgrad.device("cpu"),
    jitgrad.Size((2, 3)),
    np.float32(1.5),
    np.bool_(True),
    np.str_("ab"),
    np.datetime64("2020-02-29"),
    np.dtype("<i4"),
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_values(protocol: int, weights_only: bool) -> None:
    for value in VALUES:
        made = loaded(saved(value, pickle_protocol=protocol), weights_only=weights_only)
        assert type(made) is type(value) and made == value
    made = loaded(saved(VALUES, pickle_protocol=protocol), weights_only=weights_only)
    assert made == VALUES


def test_what_is_shared_and_what_contains_itself() -> None:
    inner: list = [1]
    outer: list = [inner, inner]
    outer.append(outer)
    cycle: dict = {}
    cycle["tuple"] = (cycle,)
    for weights_only in (True, False):
        made = again(outer, weights_only=weights_only)
        assert made[0] is made[1] and made[2] is made
        made = again(cycle, weights_only=weights_only)
        assert made["tuple"][0] is made


@pytest.mark.parametrize("weights_only", [True, False])
def test_tensors(weights_only: bool) -> None:
    whole = jitgrad.arange(24).view(2, 3, 4)
    for dtype in (jitgrad.float16, jitgrad.float64, jitgrad.int8, jitgrad.bool, jitgrad.uint8):
        for view in (whole, whole.transpose(0, 2), whole[:, 1], whole[..., ::2], whole[:0]):
            tensor = view.to(dtype)
            made = again(tensor, weights_only=weights_only)
            assert made.dtype is dtype and made.stride() == tensor.stride()
            assert made.shape == tensor.shape and made.equal(tensor)
            made.fill_(1)
    values = [float("nan"), float("-inf"), -0.0, 5e-324]
    odd = jitgrad.tensor(values, dtype=jitgrad.float64)
    made = again(odd, weights_only=weights_only).numpy()
    assert made.tobytes() == odd.numpy().tobytes()


@pytest.mark.parametrize("weights_only", [True, False])
def test_sharing_flags_and_classes(weights_only: bool) -> None:
    whole = jitgrad.zeros(2, 3)
    leaf = jitgrad.ones(2, requires_grad=True)
    leaf.tag = "mine"  # type: ignore[attr-defined]
    parameter = jitgrad.nn.Parameter(whole[1])
    frozen = jitgrad.nn.Parameter(jitgrad.ones(1), requires_grad=False)
    obj = {"whole": whole, "view": whole.t()[1:], "p": parameter, "same": parameter}
    obj |= {"leaf": leaf, "frozen": frozen, "data": whole.data, "result": leaf * 2}
    made = again(obj, weights_only=weights_only)
    made["whole"].fill_(7)
    assert made["view"].tolist() == [[7, 7], [7, 7]] and made["view"].stride() == (1, 3)
    assert made["data"].tolist() == [[7] * 3] * 2 and made["p"].tolist() == [7] * 3
    assert type(made["p"]) is jitgrad.nn.Parameter and made["p"].requires_grad
    assert made["p"] is made["same"]
    assert type(made["frozen"]) is jitgrad.nn.Parameter and not made["frozen"].requires_grad
    assert made["leaf"].requires_grad and made["leaf"].tag == "mine"
    assert made["result"].requires_grad and made["result"].is_leaf
    (made["leaf"] * 2).sum().backward()
    assert made["leaf"].grad.tolist() == [2, 2]


def test_memory_is_saved_once() -> None:
    whole = jitgrad.zeros(10_000)
    assert len(saved([whole[i:] for i in range(10)])) < 45_000


@pytest.mark.parametrize("weights_only", [True, False])
def test_arrays(weights_only: bool) -> None:
    arrays = [*many_arrays(), np.uint64([2**63])]
    for array, made in zip(arrays, again(arrays, weights_only=weights_only), strict=True):
        assert made.dtype == array.dtype and made.shape == array.shape and (made == array).all()
        made.flags.writeable = True
    one, same = again([arrays[0], arrays[0]], weights_only=weights_only)
    assert one is same


def test_paths_streams_and_one_after_another(tmp_path: Path) -> None:
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt")):
        jitgrad.save({"a": 1}, path)
        assert jitgrad.load(path) == {"a": 1}
    with open(tmp_path / "c.pt", "wb") as stream:
        for number in range(3):
            jitgrad.save([number, jitgrad.full((4,), number)], stream)
    with open(tmp_path / "c.pt", "rb") as stream:
        for number in range(3):
            got, tensor = jitgrad.load(stream)
            assert got == number and tensor.tolist() == [number] * 4
        with pytest.raises(EOFError, match=r"c\.pt"):
            jitgrad.load(stream)


def test_streams_that_only_go_on() -> None:
    class Pipe:
        def __init__(self, data: bytes) -> None:
            self.stream = io.BytesIO(data)

        def read(self, count: int = -1) -> bytes:
            return self.stream.read(min(count, 7) if count >= 0 else -1)

    data = saved([jitgrad.arange(100), "a"])
    made = jitgrad.load(Pipe(data))  # type: ignore[arg-type]
    assert made[0].tolist() == list(range(100))
    with pytest.raises(RuntimeError, match="Pipe is damaged"):
        jitgrad.load(Pipe(data[:-1]))  # type: ignore[arg-type]


def test_states_of_random_numbers() -> None:
    generator = jitgrad.Generator().manual_seed(3)
    state = again({"own": generator.get_state(), "default": jitgrad.get_rng_state()})
    first = jitgrad.rand(3, generator=generator), jitgrad.randn(3)
    jitgrad.set_rng_state(state["default"])
    generator.set_state(state["own"])
    second = jitgrad.rand(3, generator=generator), jitgrad.randn(3)
    assert all(a.equal(b) for a, b in zip(first, second))


def test_modules_need_trust() -> None:
    module = jitgrad.nn.Linear(2, 3)
    data = saved(module)
    with pytest.raises(pickle.UnpicklingError, match=r"jitgrad.nn\.modules\.linear\.Linear"):
        loaded(data)
    made = loaded(data, weights_only=False)
    x = jitgrad.ones(2)
    assert made(x).equal(module(x))
    other = jitgrad.nn.Linear(2, 3)
    other.load_state_dict(again(module.state_dict()))
    assert other(x).equal(module(x))


def test_map_location() -> None:
    data = saved(jitgrad.ones(2))
    seen = []
    for location in ("cpu", jitgrad.device("cpu"), {"cuda:0": "cpu"}, lambda storage, _: storage):
        assert loaded(data, map_location=location).tolist() == [1, 1]
    loaded(data, map_location=lambda _, location: seen.append(location))
    assert seen == ["cpu"]
    with pytest.raises(RuntimeError, match="cuda"):
        loaded(data, map_location="cuda")
    with pytest.raises(RuntimeError, match="cuda"):
        loaded(data, map_location={"cpu": "cuda"})
    with pytest.raises(TypeError, match="map_location"):
        loaded(data, map_location=5)
