"""Making tensors: from data, and filled by a rule."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device as check_device
from jitgrad.dispatch import FILL, TensorCore, bind, wrap
from jitgrad.errors import describe
from jitgrad.literals import PLAIN, array_of, as_dtype, convert
from jitgrad.modes import state
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, dtype_of_number
from jitgrad.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "Variable",
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "is_tensor",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]


def sizes_of(operation: str, size: tuple) -> tuple[int, ...]:
    """Return the sizes that the arguments `size` of `operation` name: (2, 3), ((2, 3),), ([2, 3],).

    Raises:
        TypeError: they are no integers.
        RuntimeError: one is negative.
    """
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    result = []
    for position, each in enumerate(size):
        if type(each) is not int:
            if isinstance(each, bool) or not hasattr(each, "__index__"):
                raise TypeError(
                    f"{operation}(): argument 'size' (position {position + 1}) must be tuple of "
                    f"ints, not {type(each).__name__}; pass the sizes one by one or as one tuple"
                )
            each = each.__index__()
        if each < 0:
            raise RuntimeError(
                describe(
                    operation,
                    f"size {size}",
                    f"Trying to create tensor with negative dimension {each}",
                )
            )
        result.append(each)
    return tuple(result)


def finished(made: Any, device: Any, requires_grad: bool) -> Tensor:
    """Return a new tensor after checking `device` and making it require grad if asked."""
    if device is not None:
        check_device(device)
    return made.requires_grad_() if requires_grad else made


def _float_dtype(operation: str, dtype: DType | None) -> np.dtype:
    return dtypes.get_default_dtype().numpy if dtype is None else as_dtype(operation, dtype)


LITERAL = Primitive(
    "tensor",
    Kind.CREATION,
    lambda *, data, dtype: np.array(data, dtype),
)


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a new tensor with a copy of `data`: a number, nested sequences, an array, a tensor.

    Without `dtype`, Python floats give the default floating-point dtype, integers int64, booleans
    bool; arrays and tensors keep theirs.

    Raises:
        ValueError: rows of different lengths.
        RuntimeError: elements that are no numbers, or do not fit `dtype`; an integer tensor that
            shall require grad.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([[1, 2], [3, 4]], dtype=torch.float32)
        tensor([[1., 2.],
                [3., 4.]])
    """
    numpy_dtype = None if dtype is None else as_dtype("tensor", dtype)
    if state.recorder is None:
        made = wrap(array_of("tensor", data, numpy_dtype))
    elif type(data) in PLAIN:
        target: Any = dtype_of_number(data) if numpy_dtype is None else numpy_dtype
        made = bind(FILL, data, size=(), dtype=target)
    elif isinstance(data, TensorCore):
        made = data.detach().clone()  # type: ignore[attr-defined]
        made = made if dtype is None else made.to(dtype)
    else:
        array = array_of("tensor", data, numpy_dtype)
        if not isinstance(data, (list, tuple)):
            state.recorder.unknown(f"tensor() of a {type(data).__name__}")
        made = bind(LITERAL, data=array.tolist(), dtype=array.dtype)
    return finished(made, device, requires_grad)


def scalar_tensor(
    s: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a 0-d tensor with the number `s`, by default of the default floating-point dtype."""
    made = bind(FILL, s, size=(), dtype=_float_dtype("scalar_tensor", dtype))
    return finished(made, device, requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor on the memory of `ndarray`: what is written to one is seen in the other.

    Raises:
        TypeError: not a NumPy array, or one of a dtype that tensors do not have.
        ValueError: negative strides, or foreign byte order.

    Example:
        >>> import jitgrad as torch, numpy
        >>> torch.from_numpy(numpy.array([1.0, 2.0]))
        tensor([1., 2.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy_dtype(ndarray.dtype, "from_numpy")
    if not ndarray.dtype.isnative:
        raise ValueError(
            "from_numpy: given numpy array has byte order different from the native byte order; "
            "convert it with astype first"
        )
    if builtins.any(step < 0 or step % ndarray.itemsize for step in ndarray.strides):
        raise ValueError(
            "from_numpy: At least one stride in the given numpy array is negative or no multiple "
            "of the item size, which is not supported; make a copy of it with array.copy()"
        )
    if state.recorder is not None:
        state.recorder.unknown("from_numpy()")
    array = ndarray if type(ndarray) is np.ndarray else ndarray.view(np.ndarray)
    return wrap(array, Storage(array, borrowed=True))


def as_tensor(data: Any, dtype: DType | None = None, device: Device | str | None = None) -> Tensor:
    """Return `data` as a tensor, without a copy where `data` is a tensor or a NumPy array already.

    Example:
        >>> import jitgrad as torch
        >>> torch.as_tensor([1, 2])
        tensor([1, 2])
    """
    if device is not None:
        check_device(device)
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if isinstance(data, TensorCore):
        if dtype is None or data._array.dtype == as_dtype("as_tensor", dtype):
            return data  # type: ignore[return-value]
        return data.to(dtype)  # type: ignore[attr-defined]
    return tensor(data, dtype=dtype)


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `obj` as a tensor, sharing its memory where possible unless `copy`.

    Raises:
        ValueError: `copy=False` and a copy is needed.
    """
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    made = as_tensor(obj, dtype, device)
    if copy is False and (
        not isinstance(obj, (TensorCore, np.ndarray))
        or (isinstance(obj, np.ndarray) and not np.shares_memory(obj, made._array))
    ):
        raise ValueError("asarray: can't alias this object with copy=False; leave copy out")
    return finished(made, None, requires_grad)


def full(
    *size: Any,
    fill_value: Any = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` with `fill_value` everywhere, by default of the number's dtype.

    Called as `full(size, fill_value)`.

    Example:
        >>> import jitgrad as torch
        >>> torch.full((2,), 3.5)
        tensor([3.5000, 3.5000])
    """
    if len(size) == 2 and fill_value is None:
        size, fill_value = size[:1], size[1]
    if len(size) != 1 or fill_value is None:
        raise TypeError("full(): takes a size and a fill_value, as in full((2, 3), 1.0)")
    return _filled("full", sizes_of("full", size), fill_value, dtype, device, requires_grad)


def _filled(
    operation: str,
    size: tuple,
    value: Any,
    dtype: DType | np.dtype | None,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    found = dtype_of_number(value)
    if isinstance(dtype, np.dtype):
        target = dtype
    elif dtype is not None:
        target = as_dtype(operation, dtype)
    elif isinstance(value, TensorCore):
        target = value._array.dtype
    else:
        if found is None:
            raise TypeError(
                f"{operation}(): argument 'fill_value' must be Number, not {type(value).__name__}"
            )
        target = found
    if isinstance(value, TensorCore):
        value = value.item()  # type: ignore[attr-defined]
    if target.kind in "iu" or type(value) is complex:
        value = convert(operation, value, target)
    made = bind(FILL, value, size=size, dtype=target)
    return finished(made, device, requires_grad)


def zeros(
    *size: Any,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros, by default of the default floating-point dtype.

    Example:
        >>> import jitgrad as torch
        >>> torch.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    made = bind(FILL, 0, size=sizes_of("zeros", size), dtype=_float_dtype("zeros", dtype))
    return finished(made, device, requires_grad)


def ones(
    *size: Any,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones, by default of the default floating-point dtype.

    Example:
        >>> import jitgrad as torch
        >>> torch.ones(2)
        tensor([1., 1.])
    """
    made = bind(FILL, 1, size=sizes_of("ones", size), dtype=_float_dtype("ones", dtype))
    return finished(made, device, requires_grad)


def empty(
    *size: Any,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of elements that are not to be relied on (here they are zeros).

    Example:
        >>> import jitgrad as torch
        >>> torch.empty(2, 3).shape
        torch.Size([2, 3])
    """
    made = bind(FILL, 0, size=sizes_of("empty", size), dtype=_float_dtype("empty", dtype))
    return finished(made, device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return zeros of the shape (and, unless given, the dtype) of `input`."""
    return _filled("zeros_like", *_like(input, 0, dtype), device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ones of the shape (and, unless given, the dtype) of `input`."""
    return _filled("ones_like", *_like(input, 1, dtype), device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the shape and dtype of `input`, its elements not to be relied on."""
    return _filled("empty_like", *_like(input, 0, dtype), device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the shape and dtype of `input`, with `fill_value` everywhere."""
    return _filled("full_like", *_like(input, fill_value, dtype), device, requires_grad)


def _like(input: Tensor, value: Any, dtype: DType | None) -> tuple:
    return input._array.shape, value, input._array.dtype if dtype is None else dtype


def _new(input: Tensor, operation: str, size: tuple, value: Any, options: dict) -> Tensor:
    dtype = options.pop("dtype", None)
    device, requires_grad = options.pop("device", None), options.pop("requires_grad", False)
    if options:
        raise TypeError(f"{operation}() got an unexpected keyword argument '{min(options)}'")
    target = input._array.dtype if dtype is None else dtype
    return _filled(operation, sizes_of(operation, size), value, target, device, requires_grad)


def _arange(*, start: Any, step: Any, count: int, dtype: np.dtype) -> np.ndarray:
    if dtype.kind in "iu" and isinstance(start, int) and isinstance(step, int):
        return (start + step * np.arange(count)).astype(dtype)
    return (start + np.arange(count) * step).astype(dtype)


ARANGE = Primitive("arange", Kind.CREATION, _arange)


def arange(
    *limits: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the numbers from `start` up to, without, `end` in steps of `step`.

    Called as `arange(end)`, `arange(start, end)` or `arange(start, end, step)`. Integers give
    int64, floats the default floating-point dtype.

    Raises:
        RuntimeError: `step` is zero, or leads away from `end`.

    Example:
        >>> import jitgrad as torch
        >>> torch.arange(4), torch.arange(1.0, 2.0, 0.5)
        (tensor([0, 1, 2, 3]), tensor([1.0000, 1.5000]))
    """
    if len(limits) == 1 and end is None:
        end = limits[0]
    elif limits:
        start, end, step = (*limits, end, step)[:3] if len(limits) == 1 else (*limits, step)[:3]
    if end is None or len(limits) > 3:
        raise TypeError("arange(): takes (end), (start, end) or (start, end, step)")
    numbers = [each.item() if isinstance(each, TensorCore) else each for each in (start, end, step)]  # type: ignore[attr-defined]
    start, end, step = (each.item() if isinstance(each, np.generic) else each for each in numbers)
    if not step:
        raise RuntimeError(describe("arange", "step 0", "step must be nonzero"))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError(
            describe(
                "arange",
                f"start {start}, end {end} and step {step}",
                "upper bound and lower bound inconsistent with step sign",
            )
        )
    whole = builtins.all(isinstance(each, int) for each in (start, end, step))
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    default = dtypes.int64.numpy if whole else dtypes.get_default_dtype().numpy
    target = default if dtype is None else as_dtype("arange", dtype)
    made = bind(ARANGE, start=start, step=step, count=int(count), dtype=target)
    return finished(made, device, requires_grad)


def _linspace(start: Any, end: Any, *, steps: int, dtype: np.dtype) -> np.ndarray:
    # PyTorch counts from the nearer end, in the dtype of the result
    work = dtype.type if dtype.kind in "fc" else np.float64
    if steps == 1:
        return np.full(1, start, dtype)
    first, last = work(start), work(end)
    step = (last - first) / work(steps - 1 or 1)
    places = np.arange(steps)
    near = first + step * places.astype(work)
    far = last - step * (steps - 1 - places).astype(work)
    return np.where(places < steps // 2, near, far).astype(dtype)


LINSPACE = Primitive("linspace", Kind.CREATION, _linspace)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` numbers at equal distances from `start` to `end`, both included.

    Raises:
        RuntimeError: `steps` is negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    steps = steps.__index__()
    if steps < 0:
        raise RuntimeError(
            describe("linspace", f"steps {steps}", "number of steps must be non-negative")
        )
    ends = [each.item() if isinstance(each, TensorCore) else each for each in (start, end)]  # type: ignore[attr-defined]
    made = bind(LINSPACE, *ends, steps=steps, dtype=_float_dtype("linspace", dtype))
    return finished(made, device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `base` to the powers `linspace(start, end, steps)`."""
    exponents: Any = linspace(start, end, steps, dtype=dtypes.float64)
    powers = exponents.new_full((), base) ** exponents
    made = powers.to(dtypes.get_default_dtype() if dtype is None else dtype)
    return finished(made, device, requires_grad)


EYE = Primitive("eye", Kind.CREATION, lambda *, n, m, dtype: np.eye(n, m, dtype=dtype))


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return an n x m matrix (m = n unless given) with ones on the diagonal and zeros elsewhere.

    Example:
        >>> import jitgrad as torch
        >>> torch.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    n, m = n.__index__(), n.__index__() if m is None else m.__index__()
    if n < 0 or m < 0:
        raise RuntimeError(f"eye: n must be greater or equal to 0, got {n if n < 0 else m}")
    made = bind(EYE, n=n, m=m, dtype=_float_dtype("eye", dtype))
    return finished(made, device, requires_grad)


def legacy(name: str, data: tuple, device: Any, numpy_dtype: np.dtype | None = None) -> Tensor:
    """Return what the constructors of PyTorch's early days make: of sizes, or from data.

    Raises:
        TypeError: neither sizes nor data, or a tensor of another dtype.
    """
    target = dtypes.get_default_dtype().numpy if numpy_dtype is None else numpy_dtype
    if device is not None:
        check_device(device)
    whole = builtins.all(isinstance(each, int) and not isinstance(each, bool) for each in data)
    if not data:
        return bind(FILL, 0, size=(0,), dtype=target)
    if whole or isinstance(data[0], Size):
        return bind(FILL, 0, size=sizes_of(name, data), dtype=target)
    if len(data) != 1 or not hasattr(data[0], "__len__"):
        kinds = ", ".join(type(each).__name__ for each in data)
        raise TypeError(
            f"{name}: new(): data must be a sequence (got {kinds}); "
            "use torch.tensor for a number, or give the sizes as integers"
        )
    if isinstance(data[0], TensorCore):
        if numpy_dtype is not None and data[0]._array.dtype != target:
            raise TypeError(
                describe(
                    name,
                    f"a tensor of {dtypes.FROM_NUMPY[data[0]._array.dtype].name}",
                    f"expected one of {dtypes.FROM_NUMPY[target].name}",
                    "convert it with .to(dtype)",
                )
            )
        same: Any = data[0]
        return same.detach()
    return tensor(data[0], dtype=dtypes.FROM_NUMPY[target])


class TypedConstructor:
    """A constructor of PyTorch's early days: `FloatTensor(2, 3)`, `LongTensor([1, 2])`."""

    def __init__(self, name: str, dtype: DType) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, *data: Any, device: Device | str | None = None) -> Tensor:
        return legacy(self.name, data, device, self.dtype.numpy)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, TensorCore) and instance._array.dtype == self.dtype.numpy

    def __repr__(self) -> str:
        return f"<class 'torch.{self.name}'>"


FloatTensor = TypedConstructor("FloatTensor", dtypes.float32)
DoubleTensor = TypedConstructor("DoubleTensor", dtypes.float64)
HalfTensor = TypedConstructor("HalfTensor", dtypes.float16)
ByteTensor = TypedConstructor("ByteTensor", dtypes.uint8)
CharTensor = TypedConstructor("CharTensor", dtypes.int8)
ShortTensor = TypedConstructor("ShortTensor", dtypes.int16)
IntTensor = TypedConstructor("IntTensor", dtypes.int32)
LongTensor = TypedConstructor("LongTensor", dtypes.int64)
BoolTensor = TypedConstructor("BoolTensor", dtypes.bool_)


def is_tensor(obj: object) -> bool:
    """Say whether `obj` is a tensor."""
    return isinstance(obj, TensorCore)


class _VariableType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TensorCore)


class Variable(metaclass=_VariableType):
    """What tensors were called in PyTorch's early days: `Variable(tensor, requires_grad=True)`.

    Returns a tensor on the same memory without history.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        made = tensor([]) if data is None else as_tensor(data).detach()
        return finished(made, None, requires_grad)


class CreateMethods:
    """The operations of this file as methods of `Tensor`."""

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        """Return a tensor with a copy of `data`, by default of this tensor's dtype."""
        me: Any = self
        return tensor(data, **({"dtype": me.dtype} | options))

    def new_zeros(self, *size: Any, **options: Any) -> Tensor:
        """Return zeros of `size`, by default of this tensor's dtype."""
        return _new(self, "new_zeros", size, 0, options)  # type: ignore[arg-type]

    def new_ones(self, *size: Any, **options: Any) -> Tensor:
        """Return ones of `size`, by default of this tensor's dtype."""
        return _new(self, "new_ones", size, 1, options)  # type: ignore[arg-type]

    def new_empty(self, *size: Any, **options: Any) -> Tensor:
        """Return a tensor of `size`, by default of this tensor's dtype."""
        return _new(self, "new_empty", size, 0, options)  # type: ignore[arg-type]

    def new_full(self, size: Sequence[int], fill_value: Any, **options: Any) -> Tensor:
        """Return `fill_value` everywhere in `size`, by default of this tensor's dtype."""
        return _new(self, "new_full", (size,), fill_value, options)  # type: ignore[arg-type]
