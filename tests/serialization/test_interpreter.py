"""Loading: what is refused, and the classes that its user allows."""

import io
import json
import pickle
import random
import struct
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import serialization
from jitgrad.serialization import layout
from tests.serialization.streams import CALLS, Evil, loaded, saved


def as_file(pickled: bytes, blocks: Any = ()) -> bytes:
    stream = io.BytesIO()
    layout.write(stream, pickled, list(blocks))
    return stream.getvalue()


def name(module: str, attribute: str) -> bytes:
    """Return the steps that name a global in protocol 4."""
    encoded = [b"\x8c" + bytes([len(each)]) + each.encode() for each in (module, attribute)]
    return b"".join(encoded) + b"\x93"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0].__name__)
@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_are_refused(
    call: tuple, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = saved({"a": Evil(*call)}, pickle_protocol=protocol)
    with pytest.raises(pickle.UnpicklingError):
        loaded(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "steps",
    [
        name("os", "system") + b"\x8c\x0ctouch harmed\x85R",
        name("jitgrad.serialization", "saving.os.mkdir") + b"\x8c\x06harmed\x85R",
        name("jitgrad", "serialization.saving.os.mkdir") + b"\x8c\x06harmed\x85R",
        name("builtins", "complex.__class__") + b"K\x01\x85R",
        name("collections", "OrderedDict.__init__.__globals__") + b"K\x01\x85R",
        # old and uncommon ways to call
        b"(cos\nmkdir\n\x8c\x06harmedo",
        b"(\x8c\x06harmedios\nmkdir\n",
        b"cos\nmkdir\n(S'harmed'\ntR",
        # what is not there, and what is no function
        b"K\x01K\x01\x85R",
        b"R",
        b"\x85",
        b"h\x00",
        b"t",
        b"}K\x01s",
        name("jitgrad.dtypes", "float32") + b"K\x01\x85R",
        name("jitgrad.tensor", "Tensor") + b"]\x85R",
        name("jitgrad.tensor", "Tensor") + b")\x81",
        name("jitgrad.pickling", "rebuild_tensor") + b")\x81",
        # state for what has none: that would change jitgrad itself
        name("jitgrad.tensor", "Tensor") + b"}\x8c\x03sumK\x01sb",
        name("jitgrad.tensor", "Tensor") + b"N}\x8c\x03sumK\x01s\x86b",
        name("jitgrad.dtypes", "float32") + b"N}\x8c\x04nameK\x01s\x86b",
        name("jitgrad.pickling", "rebuild_tensor") + b"N}\x8c\x0c__defaults__)s\x86b",
        name("collections", "OrderedDict") + b")R}\x8c\x05itemsK\x01sb",
        name("collections", "OrderedDict") + b")RN}\x8c\x09__class__K\x01s\x86b",
        name("builtins", "set") + b"K\x01K\x02\x86R",
        name("builtins", "bytearray") + b"K\xff\x85R",
        # containers that are none
        name("jitgrad.tensor", "Tensor") + b"K\x01K\x02s",
        b"\x8c\x01aK\x01a",
        b"K\x01(K\x02e",
        # references to what is not there
        b"\x8c\x07storageK\x00\x86Q",
        b"\x8c\x07storageK\xff\x86Q",
        b"K\x00Q",
        b"]Q",
        b"\x82\x01",
        b"K\x01",
        b"",
    ],
)
def test_what_is_written_by_hand_is_refused(
    steps: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sums = jitgrad.Tensor.sum, jitgrad.float32.name
    end = b"" if steps == b"K\x01" else b"."
    with pytest.raises(pickle.UnpicklingError, match="load: "):
        loaded(as_file(b"\x80\x04" + steps + end))
    assert not list(tmp_path.iterdir())
    assert (jitgrad.Tensor.sum, jitgrad.float32.name) == sums


DEEP = b")" + b"\x85" * 200_000


@pytest.mark.parametrize(
    "steps",
    [
        b"}" + DEEP + b"K\x01s",
        b"}(" + DEEP + b"K\x01u",
        b"\x8f(" + DEEP + b"\x90",
        b"(" + DEEP + b"\x91",
        DEEP + b"Q",
        name("builtins", "set") + b"](" + DEEP + b"e\x85R",
        name("collections", "OrderedDict") + b"](" + DEEP + b"K\x01\x86e\x85R",
        name("collections", "Counter") + b"](" + DEEP + b"e\x85R",
        name("builtins", "complex") + DEEP + b"\x85R",
    ],
    ids=lambda steps: repr(steps[:20]),
)
def test_keys_that_would_crash_python_are_refused(steps: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="load: "):
        loaded(as_file(b"\x80\x04" + steps + b"."))


def test_deep_lists_are_read() -> None:
    made = loaded(as_file(b"\x80\x04" + b"](" * 10_000 + b"]" + b"e" * 10_000 + b"."))
    depth = 0
    while made:
        (made,) = made
        depth += 1
    assert depth == 10_000


def tensor_steps(*, size: bytes, stride: bytes, offset: bytes = b"K\x00", more: bytes = b"") -> Any:
    storage = b"\x8c\x07storageK\x00\x86Q"
    parts = name("jitgrad.tensor", "Tensor") + storage + name("jitgrad.dtypes", "float32")
    call = name("jitgrad.pickling", "rebuild_tensor") + b"(" + parts + size + stride + offset
    return as_file(b"\x80\x04" + call + b"\x89tR" + more + b".", [np.zeros(4, np.float32)])


def test_tensors_lie_inside_their_memory() -> None:
    assert loaded(tensor_steps(size=b"K\x04\x85", stride=b"K\x01\x85")).tolist() == [0] * 4
    negative = b"J\xff\xff\xff\xff"
    for wrong in (
        {"size": b"K\x05\x85", "stride": b"K\x01\x85"},
        {"size": b"K\x04\x85", "stride": b"K\x02\x85"},
        {"size": b"K\x04\x85", "stride": b"K\x01\x85", "offset": b"K\x01"},
        {"size": b"K\x04\x85", "stride": b"K\x01\x85", "offset": negative},
        {"size": b"K\x04\x85", "stride": negative + b"\x85"},
        {"size": negative + b"\x85", "stride": b"K\x01\x85"},
        {"size": b"K\x04\x85", "stride": b")"},
        {"size": b"\x8c\x01a\x85", "stride": b"K\x01\x85"},
    ):
        with pytest.raises(pickle.UnpicklingError, match="load: "):
            loaded(tensor_steps(**wrong))
    good: dict[str, Any] = {"size": b"K\x04\x85", "stride": b"K\x01\x85"}
    made = loaded(tensor_steps(**good, more=b"}\x8c\x03tagK\x05sb"))
    assert made.tag == 5
    for attribute in ("_array", "backward", "__class__", "shape"):
        word = b"\x8c" + bytes([len(attribute)]) + attribute.encode()
        with pytest.raises(pickle.UnpicklingError, match=attribute):
            loaded(tensor_steps(**good, more=b"}" + word + b"K\x05sb"))


Point = namedtuple("Point", "x y")


class Thing:
    """A class of a user's own, with state."""

    __slots__ = ("__dict__", "slot")

    def __init__(self) -> None:
        self.slot, self.plain = 1, [jitgrad.ones(2)]


class Grown(dict):
    """A dictionary of a user's own."""


def test_safe_globals() -> None:
    thing, grown = Thing(), Grown(a=1)
    data = [saved(each) for each in (Point(1, 2), thing, grown)]
    for each in data:
        with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[\w+\]\)"):
            loaded(each)
    with serialization.safe_globals([Point, Thing, Grown]):
        assert serialization.get_safe_globals() == [Point, Thing, Grown]
        point, made, dictionary = map(loaded, data)
        assert point == Point(1, 2)
        assert made.slot == 1 and made.plain[0].tolist() == [1, 1]
        assert type(dictionary) is Grown and dictionary == {"a": 1}
    assert serialization.get_safe_globals() == []
    serialization.add_safe_globals([(Point, f"{__name__}.Thing"), Point])
    try:
        assert loaded(data[0]) == Point(1, 2)
    finally:
        serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        loaded(data[0])


def test_random_bytes_never_run_or_crash() -> None:
    draw = random.Random(0)
    good = saved({"a": jitgrad.ones(2), "b": [1, (2, "c")], "d": OrderedDict(a=1)})
    table = struct.unpack_from("<8sIQ", good)[2]
    start = layout.HEAD.size + table
    length = json.loads(good[layout.HEAD.size : start])["pickle"]["nbytes"]
    pickled = good[start : start + length]
    for _ in range(1000):
        changed = bytearray(pickled)
        for _ in range(draw.randrange(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        # valid checksums, so that it is the interpreter that must refuse
        try:
            loaded(as_file(bytes(changed), [np.ones(2, np.float32)]))
        except pickle.UnpicklingError as error:
            assert "load: " in str(error)
