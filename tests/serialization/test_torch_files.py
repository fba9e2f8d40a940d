"""Files of PyTorch's: read with and without it, damaged, refused."""

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.serialization.streams import CALLS, Evil, loaded


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
