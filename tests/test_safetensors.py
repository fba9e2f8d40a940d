"""Tensors in safetensors files, and the exchange with PyTorch."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import safetensors as st

library = pytest.importorskip("safetensors")


class Model:
    """Has a state like a module."""

    def __init__(self, **state: jitgrad.Tensor) -> None:
        self.state = state

    def state_dict(self) -> dict[str, jitgrad.Tensor]:
        return self.state

    def load_state_dict(self, state: dict[str, jitgrad.Tensor], strict: bool = True) -> None:
        assert not strict
        for name, tensor in state.items():
            if name in self.state:
                self.state[name].copy_(tensor)


def test_round_trip(tmp_path: Path) -> None:
    tensors = {
        str(dtype): jitgrad.arange(6).view(2, 3).to(dtype)
        for dtype in jitgrad.dtypes.ALL
        if dtype is not jitgrad.complex128
    }
    tensors |= {"number": jitgrad.tensor(3.5), "empty": jitgrad.zeros(0, 2)}
    tensors["leaf"] = jitgrad.ones(2, requires_grad=True)
    path = tmp_path / "a.safetensors"
    for metadata in (None, {"made": "here"}):
        st.save_file(tensors, path, metadata)
        for made in (st.load_file(path), st.load(st.save(tensors, metadata))):
            assert sorted(made) == sorted(tensors)
            for name, tensor in made.items():
                assert tensor.dtype is tensors[name].dtype and tensor.shape == tensors[name].shape
                assert tensor.equal(tensors[name].detach()) and not tensor.requires_grad
                tensor.fill_(1)
                assert not tensor._storage.is_foreign


def test_bytes_of_the_format() -> None:
    """A head of 8 bytes with the length of a JSON text, the text, the elements."""
    text = json.dumps({"a": {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(text)) + text + struct.pack("<hh", 5, -6)
    assert st.load(data)["a"].tolist() == [5, -6]
    (length,) = struct.unpack("<Q", (made := st.save({"a": jitgrad.tensor([1.0])}))[:8])
    entry = json.loads(made[8 : 8 + length])["a"]
    assert entry == {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    assert made[8 + length :] == struct.pack("<f", 1.0)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    st.save_file({"old": jitgrad.ones(1)}, path)
    whole = jitgrad.zeros(4, 3)
    wrong: list[tuple[Any, type[Exception], str]] = [
        ([whole], ValueError, "Expected a dict"),
        ({"a": 3}, ValueError, "received a int"),
        ({3: whole}, ValueError, "Key 3"),
        ({"a": whole.t()}, ValueError, "non contiguous tensor: 'a'"),
        ({"a": whole.to(jitgrad.complex128)}, ValueError, "complex128"),
        ({"a": whole, "b": whole}, RuntimeError, r"\[\['a', 'b'\]\]"),
        ({"a": whole, "b": whole[1], "c": jitgrad.ones(1)}, RuntimeError, r"\[\['a', 'b'\]\]"),
        ({"a": whole[:2], "b": whole[1:]}, RuntimeError, "share memory"),
    ]
    for tensors, error, match in wrong:
        with pytest.raises(error, match=match):
            st.save_file(tensors, path)
    with pytest.raises(TypeError, match="metadata"):
        st.save_file({"a": whole}, path, {"epoch": 3})  # type: ignore[dict-item]
    assert list(st.load_file(path)) == ["old"] and os.listdir(tmp_path) == ["a.safetensors"]
    st.save_file({"a": whole[:2], "b": whole[2:], "c": whole[:0], "d": whole[:0]}, path)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    data = st.save({"a": jitgrad.ones(3)})
    for wrong in (b"", b"junk", data[:-1], data + b"x", data[:20], b"\xff" * 100):
        path.write_bytes(wrong)
        with pytest.raises(library.SafetensorError, match=r"a\.safetensors \(\d+ bytes\) is no"):
            st.load_file(path)
    with pytest.raises(FileNotFoundError):
        st.load_file(tmp_path / "none")
    path.write_bytes(data.replace(b"F32", b"U32"))
    with pytest.raises(RuntimeError, match="'a' of dtype U32"):
        st.load_file(path)
    with pytest.raises(RuntimeError, match="cuda"):
        st.load_file(path, device="cuda")


def test_tied_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    weight = jitgrad.arange(6.0).view(2, 3)
    model = Model(decoder=weight, encoder=weight, turned=jitgrad.ones(2, 3).t())
    st.save_model(model, path, {"made": "here"})
    made = st.load_file(path)
    assert sorted(made) == ["decoder", "turned"] and made["turned"].shape == (3, 2)
    with library.safe_open(path, "np") as stored:
        assert stored.metadata() == {"encoder": "decoder", "made": "here"}
    other = jitgrad.zeros(2, 3)
    target = Model(decoder=other, encoder=other, turned=jitgrad.zeros(3, 2))
    assert st.load_model(target, path) == ([], [])
    assert other.equal(weight) and target.state["turned"].sum().item() == 6
    apart = Model(decoder=jitgrad.zeros(2, 3), encoder=jitgrad.zeros(2, 3))
    with pytest.raises(RuntimeError, match=r"Missing key.*'encoder'\n.*Unexpected key.*'turned'"):
        st.load_model(apart, path)
    assert apart.state["decoder"].sum().item() == 0
    assert st.load_model(apart, path, strict=False) == (["encoder"], ["turned"])
    assert apart.state["decoder"].equal(weight)
    with pytest.raises(RuntimeError, match="share memory"):
        st.save_model(Model(a=weight, b=weight[1]), path)


def test_modules(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    module, other = jitgrad.nn.Linear(2, 3), jitgrad.nn.Linear(2, 3)
    st.save_model(module, path)
    assert st.load_model(other, path) == ([], [])
    x = jitgrad.ones(2)
    assert module(x).equal(other(x)) and other.weight.requires_grad


def test_exchange_with_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("safetensors.torch")
    path = tmp_path / "a.safetensors"
    module = torch.nn.Linear(3, 2)
    theirs.save_file(module.state_dict(), path)
    ours = jitgrad.nn.Linear(3, 2)
    ours.load_state_dict(st.load_file(path))
    x = np.ones(3, np.float32)
    expected = module(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(jitgrad.tensor(x)).detach().numpy(), expected, rtol=1e-6)
    with jitgrad.no_grad():
        ours.weight.mul_(2)
    st.save_file(ours.state_dict(), path)
    module.load_state_dict(theirs.load_file(path))
    assert (module.weight.detach().numpy() == ours.weight.detach().numpy()).all()
    tied = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    tied["b"].weight = tied["a"].weight
    theirs.save_model(tied, path)
    mine = jitgrad.nn.Sequential(jitgrad.nn.Linear(2, 2), jitgrad.nn.Linear(2, 2))
    mine[1].weight = mine[0].weight
    renamed = {
        name.replace("a.", "0.").replace("b.", "1."): each
        for name, each in st.load_file(path).items()
    }
    st.save_file(renamed, path)
    assert st.load_model(mine, path) == ([], [])
    assert mine[1].weight.tolist() == tied["a"].weight.tolist()
    theirs.save_file({"a": torch.ones(2, dtype=torch.bfloat16)}, path)
    with pytest.raises(RuntimeError, match=r"'a' of dtype BF16.*float32"):
        st.load_file(path)


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['safetensors'] = None; import jitgrad\n"
        "try: jitgrad.safetensors.save({'a': jitgrad.ones(1)})\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'jitgrad[safetensors]'" in run.stdout
