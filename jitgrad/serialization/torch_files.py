"""Reading files of PyTorch's `torch.save`, without PyTorch.

Such a file is an uncompressed ZIP archive: `data.pkl`, a pickle that refers to storages by
persistent ids `("storage", class, key, location, elements)`, and `data/KEY` with the bytes of each.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device
from jitgrad.pickling import rebuild_storage, rebuild_tensor
from jitgrad.serialization.allowed import PARAMETER, Allowed, late
from jitgrad.serialization.interpreter import Interpreter, set_attributes
from jitgrad.serialization.locations import Place
from jitgrad.spec import Size
from jitgrad.storage import Storage
from jitgrad.tensor import Tensor

START = b"PK\x03\x04"
OLD_START = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
"""How files begin that PyTorch wrote before version 1.6."""

NO_DTYPES = {
    "torch.BFloat16Storage": "torch.bfloat16",
    "torch._utils._rebuild_tensor_v3": "a dtype without a class of storages, such as torch.uint16",
    **{name: name for name in ("torch.bfloat16", "torch.uint16", "torch.uint32", "torch.uint64")},
}
"""Names that say that a file needs a dtype which PyTorch has and jitgrad does not."""


class StorageClass:
    """Stands for one of PyTorch's classes of storages, which say a dtype."""

    def __init__(self, dtype: dtypes.dtype) -> None:
        self.dtype = dtype.numpy


STORAGES = {
    "torch.ByteStorage": dtypes.uint8,
    "torch.CharStorage": dtypes.int8,
    "torch.ShortStorage": dtypes.int16,
    "torch.IntStorage": dtypes.int32,
    "torch.LongStorage": dtypes.int64,
    "torch.HalfStorage": dtypes.float16,
    "torch.FloatStorage": dtypes.float32,
    "torch.DoubleStorage": dtypes.float64,
    "torch.ComplexFloatStorage": dtypes.complex64,
    "torch.ComplexDoubleStorage": dtypes.complex128,
    "torch.BoolStorage": dtypes.bool_,
    "torch.storage.UntypedStorage": dtypes.uint8,
}


def _tensor(
    storage: Storage, offset: int, size: tuple, stride: tuple, requires_grad: bool, *_hooks: Any
) -> Tensor:
    """Stand for `_rebuild_tensor_v2`."""
    dtype = dtypes.FROM_NUMPY[storage.array.dtype]
    return rebuild_tensor(Tensor, storage, dtype, size, stride, offset, bool(requires_grad))


def _parameter(data: Tensor, requires_grad: bool, _hooks: Any, state: Any = None) -> Tensor:
    """Stand for `_rebuild_parameter` and `_rebuild_parameter_with_state`."""
    _, (_, storage, dtype, size, stride, offset, _), *_ = data.__reduce_ex__(2)
    kind = late(PARAMETER)
    made = rebuild_tensor(kind, storage, dtype, size, stride, offset, bool(requires_grad))
    set_attributes(made, state or {})
    return made


def _typed(make: Callable, kind: type, arguments: tuple, state: Any) -> Tensor:
    """Stand for `_rebuild_from_type_v2`: a tensor that has attributes."""
    if make not in (_tensor, _parameter):
        raise ValueError(f"{make!r} makes no tensors")
    made = make(*arguments)
    if type(made) is not kind:
        raise ValueError(f"{kind!r} is no class of tensors that can be read")
    set_attributes(made, state)
    return made


VALUES: dict[str, Any] = {
    "torch.Tensor": Tensor,
    **{name: StorageClass(dtype) for name, dtype in STORAGES.items()},
    **{repr(each): each for each in dtypes.ALL},
}
FUNCTIONS: dict[str, Callable] = {
    "torch.Size": Size,
    "torch.device": device,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
}


class TorchNames(Allowed):
    """What a file of PyTorch's may name, in terms of jitgrad."""

    def __init__(self) -> None:
        super().__init__(VALUES, FUNCTIONS)

    def find(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in NO_DTYPES:
            raise RuntimeError(
                f"load: the file has a tensor of {NO_DTYPES[full]}, and jitgrad has "
                f"{', '.join(each.name for each in dtypes.ALL)}; convert it in PyTorch before "
                "saving, for example with .to(torch.float32)"
            )
        if full == "torch.nn.parameter.Parameter":
            return late(PARAMETER)
        return super().find(module, name)


class TrustingUnpickler(pickle.Unpickler):
    """Reads a file of PyTorch's, running any code that it names."""

    def __init__(self, pickled: bytes, persistent_load: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(pickled))
        self._names = TorchNames()
        self._load = persistent_load

    def persistent_load(self, pid: Any) -> Any:
        return self._load(pid)

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] != "torch":
            return super().find_class(module, name)
        try:
            return self._names.find(module, name)
        except pickle.UnpicklingError:
            raise RuntimeError(
                f"load: the file holds an object of PyTorch's own ({module}.{name}); save what it "
                "consists of in PyTorch, such as model.state_dict()"
            ) from None


class Archive:
    """A file of PyTorch's.

    Args:
        stream: the whole archive, seekable.
        name: what errors call it.
        place: where storages go, see `placing`.
    """

    def __init__(self, stream: BinaryIO, name: str, place: Place) -> None:
        self._name = name
        self._place = place
        self._storages: dict[str, Storage] = {}
        try:
            self._zip = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        found = [each for each in self._zip.namelist() if each.split("/")[1:] == ["data.pkl"]]
        if len(found) != 1:
            raise RuntimeError(
                f"load: {name} is a ZIP archive without the one data.pkl that torch.save writes; "
                "it holds " + (", ".join(self._zip.namelist()[:5]) or "nothing")
            )
        self._folder = found[0].partition("/")[0]
        if f"{self._folder}/constants.pkl" in self._zip.namelist():
            raise RuntimeError(
                f"load: {name} is a TorchScript program, which jitgrad cannot run; save the "
                "state_dict() of the module in PyTorch"
            )
        order = self._record("byteorder", b"little" if sys.byteorder == "little" else b"big")
        self._is_little = order == b"little"

    def _damaged(self, how: str) -> RuntimeError:
        return RuntimeError(
            f"load: {self._name} is damaged or was not copied completely: {how}; copy or save it "
            "again"
        )

    def _record(self, name: str, default: bytes | None = None) -> bytes:
        full = f"{self._folder}/{name}"
        if default is not None and full not in self._zip.namelist():
            return default
        try:
            return self._zip.read(full)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError) as error:
            raise self._damaged(f"{full} cannot be read ({error})") from error

    def load(self, weights_only: bool) -> Any:
        """Return the object."""
        pickled = self._record("data.pkl")
        if weights_only:
            return Interpreter(TorchNames(), self._find).run(pickled)
        return TrustingUnpickler(pickled, self._find).load()

    def _find(self, persistent_id: Any) -> Storage:
        what, kind, key, location, count = persistent_id
        if what != "storage" or not isinstance(kind, StorageClass):
            raise ValueError(f"{persistent_id!r} stands for no storage")
        found = self._storages.get(key)
        if found is None:
            data = self._record(f"data/{key}")
            dtype = kind.dtype.newbyteorder("<" if self._is_little else ">")
            if len(data) != count * dtype.itemsize:
                raise self._damaged(
                    f"storage {key} has {len(data)} bytes for {count} elements of {dtype}"
                )
            elements = np.frombuffer(data, dtype).astype(kind.dtype)
            found = self._storages[key] = self._place(rebuild_storage(elements), location)
        return found
