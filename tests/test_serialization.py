"""Saving and loading: what comes back, what is refused, and that files are whole or not there."""

import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib
from collections import Counter, OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import serialization
from jitgrad.serialization import layout, load_checkpoint, save_checkpoint
from tests.arrays import many_arrays


def saved(obj: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    jitgrad.save(obj, stream, **options)
    return stream.getvalue()


def loaded(data: bytes, **options: Any) -> Any:
    return jitgrad.load(io.BytesIO(data), **options)


def again(obj: Any, **options: Any) -> Any:
    return loaded(saved(obj), **options)


# -- what comes back ------------------------------------------------------------------------------

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


# -- what is refused ------------------------------------------------------------------------------


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def as_file(pickled: bytes, blocks: Any = ()) -> bytes:
    stream = io.BytesIO()
    layout.write(stream, pickled, list(blocks))
    return stream.getvalue()


def name(module: str, attribute: str) -> bytes:
    """Return the steps that name a global in protocol 4."""
    encoded = [b"\x8c" + bytes([len(each)]) + each.encode() for each in (module, attribute)]
    return b"".join(encoded) + b"\x93"


CALLS = [
    (os.system, "touch harmed"),
    (eval, "open('harmed', 'w')"),
    (exec, "open('harmed', 'w')"),
    (getattr, dict, "get"),
    (__import__, "antigravity"),
    (open, "harmed", "w"),
    (subprocess.Popen, ["touch", "harmed"]),
    (os.mkdir, "harmed"),
    (pickle.loads, b"\x80\x04cos\nsystem\n\x8c\x0ctouch harmed\x85R."),
    (jitgrad.load, "x"),
    (jitgrad.save, 1, "harmed"),
    (jitgrad.Tensor, [1.0]),
    (np.save, "harmed", 1),
    (type, "A", (), {}),
    (range, 10**18),
    (map, os.mkdir, ["harmed"]),
]


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


# -- damaged files --------------------------------------------------------------------------------


def test_every_missing_byte_is_noticed(tmp_path: Path) -> None:
    data = saved({"a": jitgrad.arange(10), "b": np.arange(3)})
    path = tmp_path / "a.pt"
    for length in range(len(layout.MAGIC), len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(RuntimeError, match=r"a\.pt' is damaged or was not copied completely"):
            jitgrad.load(path)
        with pytest.raises(RuntimeError, match="BytesIO is damaged"):
            loaded(data[:length], weights_only=False)
    path.write_bytes(data + b"x")
    with pytest.raises(RuntimeError, match="bytes behind its end"):
        jitgrad.load(path)


def test_every_changed_bit_is_noticed() -> None:
    data = saved({"a": jitgrad.arange(10), "b": np.arange(3)})
    for position in range(len(layout.MAGIC), len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[position] ^= bit
            with pytest.raises(RuntimeError, match="is damaged"):
                loaded(bytes(changed), weights_only=False)


def test_a_table_that_lies_is_refused() -> None:
    def file(table: Any) -> bytes:
        text = json.dumps(table).encode()
        head = layout.HEAD.pack(layout.MAGIC, 1, len(text), zlib.crc32(text), 0)[:-4]
        return head + struct.pack("<I", zlib.crc32(head)) + text + b"N."

    entry = {"nbytes": 2, "crc32": zlib.crc32(b"N.")}
    for wrong in (
        [],
        {},
        {"pickle": entry},
        {"pickle": {**entry, "nbytes": -1}, "blocks": []},
        {"pickle": {**entry, "nbytes": 1.5}, "blocks": []},
        {"pickle": entry, "blocks": [{"dtype": "O", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "f4,f4", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "nonsense", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "f4", "nbytes": 10**18, "crc32": 0}]},
    ):
        with pytest.raises(RuntimeError, match="is damaged"):
            loaded(file(wrong))
    assert loaded(file({"pickle": entry, "blocks": []})) is None


def test_a_newer_layout_is_refused() -> None:
    head = layout.HEAD.pack(layout.MAGIC, 2, 0, 0, 0)[:-4]
    with pytest.raises(RuntimeError, match="version 2"):
        loaded(head + struct.pack("<I", zlib.crc32(head)))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(EOFError, match="empty"):
        loaded(b"")
    for junk in (b"a", b"hello world, this is junk", pickle.dumps([1])):
        with pytest.raises(pickle.UnpicklingError, match="begins with"):
            loaded(junk)
    with pytest.raises(RuntimeError, match=r"before version 1\.6"):
        loaded(pickle.dumps(0x1950A86A20F9469CFC6C, 2))
    with pytest.raises(FileNotFoundError):
        jitgrad.load(tmp_path / "none.pt")
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        jitgrad.save(1, tmp_path / "none" / "a.pt")
    with pytest.raises(AttributeError, match="'write'"):
        jitgrad.save(1, 5)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="'read'"):
        jitgrad.load(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pickle_protocol"):
        jitgrad.save(1, io.BytesIO(), pickle_protocol=1)


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


# -- whole files ----------------------------------------------------------------------------------


def test_a_failing_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save("old", path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        jitgrad.save([jitgrad.ones(3), lambda: None], path)
    assert jitgrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save("old", path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        jitgrad.save("new", path)
    assert jitgrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["a.pt"]


KILLED = """
    import os, signal, sys
    import jitgrad
    from jitgrad.serialization import layout

    class Dying:
        def __init__(self, stream):
            self.stream, self.left = stream, int(sys.argv[2])

        def write(self, data):
            self.stream.write(data[: self.left])
            self.left -= len(data)
            if self.left <= 0:
                self.stream.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    written = layout.write
    layout.write = lambda stream, *parts: written(Dying(stream), *parts)
    jitgrad.save({"new": jitgrad.zeros(1000)}, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize("count", [10, 1000])
def test_a_killed_save_leaves_the_old_file(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save({"old": jitgrad.ones(3)}, path)
    code = textwrap.dedent(KILLED)
    run = subprocess.run([sys.executable, "-c", code, str(path), str(count)], check=False)
    assert run.returncode == -9
    assert jitgrad.load(path)["old"].tolist() == [1, 1, 1]
    assert len(os.listdir(tmp_path)) == 2  # the other one is the part that was written
    jitgrad.save("new", path)
    assert jitgrad.load(path) == "new"


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "a.pt", tmp_path / "link.pt"
    (tmp_path / "plain").write_bytes(b"")
    jitgrad.save(1, path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    link.symlink_to(path)
    jitgrad.save(2, link)
    assert link.is_symlink() and jitgrad.load(path) == 2
    assert path.stat().st_mode & 0o777 == 0o640


# -- checkpoints ----------------------------------------------------------------------------------


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


# -- files of PyTorch's ---------------------------------------------------------------------------


def torch_file(pickled: bytes, order: bytes = b"little", **storages: bytes) -> bytes:
    """Return an archive as torch.save writes it, without PyTorch."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", order)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key[1:]}", data)
    return stream.getvalue()


def tensor_pickle(kind: bytes = b"FloatStorage", where: bytes = b"cpu", count: int = 6) -> bytes:
    """Return what PyTorch writes for torch.arange(6.0).view(2, 3).t()."""
    place = b"X" + struct.pack("<I", len(where)) + where
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n" + kind
    ) + (
        b"\nX\x01\x00\x00\x000" + place + b"K" + bytes([count]) + b"tQK\x00K\x03K\x02\x86K\x01K\x03"
        b"\x86\x89ccollections\nOrderedDict\n)RtR."
    )


NUMBERS = np.arange(6, dtype="<f4")


def test_torch_file_without_torch(tmp_path: Path) -> None:
    data = torch_file(tensor_pickle(), _0=NUMBERS.tobytes())
    for made in (loaded(data), loaded(data, weights_only=False)):
        assert made.tolist() == [[0, 3], [1, 4], [2, 5]] and made.stride() == (1, 3)
        assert made.dtype is jitgrad.float32
        made.fill_(1)
    (tmp_path / "a.pt").write_bytes(data)
    assert jitgrad.load(tmp_path / "a.pt").sum().item() == 15
    swapped = torch_file(tensor_pickle(), b"big", _0=NUMBERS.astype(">f4").tobytes())
    assert loaded(swapped).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_torch_file_that_is_damaged() -> None:
    data = torch_file(tensor_pickle(), _0=NUMBERS.tobytes())
    for length in range(8, len(data)):
        with pytest.raises(RuntimeError, match="is damaged"):
            loaded(data[:length])
    changed = bytearray(data)
    changed[data.index(NUMBERS.tobytes())] ^= 1
    with pytest.raises(RuntimeError, match=r"data/0 cannot be read .*CRC"):
        loaded(bytes(changed))
    with pytest.raises(RuntimeError, match="storage 0 has 20 bytes for 6 elements"):
        loaded(torch_file(tensor_pickle(), _0=NUMBERS[:5].tobytes()))
    with pytest.raises(RuntimeError, match="data/0 cannot be read"):
        loaded(torch_file(tensor_pickle()))
    with pytest.raises(pickle.UnpicklingError, match="makes no sense"):
        loaded(torch_file(tensor_pickle(count=5), _0=NUMBERS[:5].tobytes()))


def test_torch_file_that_cannot_be_read() -> None:
    bytes_of = NUMBERS.tobytes()
    with pytest.raises(RuntimeError, match=r"torch\.bfloat16.*\.to\(torch\.float32\)"):
        loaded(torch_file(tensor_pickle(b"BFloat16Storage"), _0=bytes_of[:12]))
    data = torch_file(tensor_pickle(where=b"cuda:0"), _0=bytes_of)
    with pytest.raises(RuntimeError, match=r"'cuda:0'.*map_location"):
        loaded(data)
    for location in ("cpu", {"cuda:0": "cpu"}, lambda storage, _: storage):
        assert loaded(data, map_location=location).sum().item() == 15
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/b.txt", b"")
    with pytest.raises(RuntimeError, match=r"without the one data\.pkl.*a/b\.txt"):
        loaded(stream.getvalue())


@pytest.mark.parametrize("call", CALLS[:4], ids=lambda call: call[0].__name__)
def test_torch_file_with_calls_is_refused(
    call: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Evil(*call), 2)
    with pytest.raises(pickle.UnpicklingError, match="load: the file names"):
        loaded(torch_file(pickled))
    for global_name in (b"torch.storage\n_load_from_bytes", b"torch\nload", b"torch.hub\nload"):
        with pytest.raises(pickle.UnpicklingError, match="load: the file names torch"):
            loaded(torch_file(b"\x80\x02c" + global_name + b"\nX\x01\x00\x00\x00a\x85R."))
    assert not list(tmp_path.iterdir())


def from_torch(obj: Any, **options: Any) -> Any:
    torch = pytest.importorskip("torch")
    stream = io.BytesIO()
    torch.save(obj, stream)
    return loaded(stream.getvalue(), **options)


@pytest.mark.parametrize("weights_only", [True, False])
def test_what_torch_saved(weights_only: bool) -> None:
    torch = pytest.importorskip("torch")
    for dtype in jitgrad.dtypes.ALL:
        tensor = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype.name))
        for each in (tensor, tensor.t(), tensor[1:, ::2], tensor[:0], tensor[0, 0]):
            made = from_torch(each, weights_only=weights_only)
            assert str(made.dtype) == str(each.dtype) and made.stride() == each.stride()
            assert (made.numpy() == each.numpy()).all() and made.shape == tuple(each.shape)
    whole = torch.zeros(2, 3)
    leaf = torch.ones(2, requires_grad=True)
    tagged, parameter = torch.ones(1), torch.nn.Parameter(torch.ones(2))
    tagged.tag, parameter.tag = 1, 2  # type: ignore[attr-defined]
    obj = {
        "whole": whole,
        "view": whole.t(),
        "leaf": leaf,
        "tagged": tagged,
        "parameter": parameter,
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "dtype": torch.float64,
        "plain": [1, 2.5, "a", None, (True,), {1}],
    }
    made = from_torch(obj, weights_only=weights_only)
    made["whole"].fill_(7)
    assert made["view"].sum().item() == 42
    assert made["leaf"].requires_grad and made["tagged"].tag == 1 and made["parameter"].tag == 2
    assert type(made["parameter"]) is jitgrad.nn.Parameter and made["parameter"].requires_grad
    assert type(made["frozen"]) is jitgrad.nn.Parameter and not made["frozen"].requires_grad
    assert made["size"] == jitgrad.Size((1, 2)) and made["device"] == jitgrad.device("cpu")
    assert made["dtype"] is jitgrad.float64 and made["plain"] == obj["plain"]


def test_state_dict_of_torch_makes_the_same_model() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    ours = jitgrad.nn.Sequential(jitgrad.nn.Linear(3, 4), jitgrad.nn.Linear(4, 2))
    state = from_torch(theirs.state_dict())
    assert type(state) is OrderedDict and state._metadata == theirs.state_dict()._metadata
    ours.load_state_dict(state)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(jitgrad.tensor(x)).detach().numpy(), expected, atol=1e-6)


def test_what_torch_saved_and_we_have_not() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.uint16, torch.float8_e4m3fn):
        for weights_only in (True, False):
            with pytest.raises(RuntimeError, match="convert it in PyTorch"):
                from_torch(torch.ones(2).to(dtype), weights_only=weights_only)
    with pytest.raises(pickle.UnpicklingError, match=r"torch.nn\.modules\.linear\.Linear"):
        from_torch(torch.nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="object of PyTorch's own"):
        from_torch(torch.nn.Linear(1, 1), weights_only=False)
    with pytest.raises(pickle.UnpicklingError, match="sparse"):
        from_torch(torch.ones(2, 2).to_sparse())


def test_nothing_of_torch_is_needed() -> None:
    data = torch_file(tensor_pickle(), _0=NUMBERS.tobytes())
    code = f"import io, sys, jitgrad; jitgrad.load(io.BytesIO({data!r})); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jitgrad" in run.stdout.split() and "torch" not in run.stdout.split()
