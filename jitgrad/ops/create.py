"""Making tensors: from data, and filled by a rule."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device as check_device
from jitgrad.dispatch import FILL, TensorCore, bind, wrap
from jitgrad.errors import describe
from jitgrad.literals import PLAIN, array_of, as_dtype, convert
from jitgrad.modes import TrackedFloat, plain_number, state
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import dtype_of_number
from jitgrad.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "from_numpy",
    "full",
    "full_like",
    "is_complex",
    "is_floating_point",
    "is_tensor",
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


def float_dtype(operation: str, dtype: DType | None) -> np.dtype:
    return dtypes.get_default_dtype().numpy if dtype is None else as_dtype(operation, dtype)


LITERAL = Primitive(
    "tensor",
    Kind.CREATION,
    lambda *, data, dtype: np.array(data, dtype),
)


def _nested(data: Any) -> Any:
    return tuple(_nested(each) for each in data) if isinstance(data, list) else data


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
        if target.kind in "iu" or (target.kind == "b" and type(data) is int):
            if type(data) is TrackedFloat:
                state.recorder.unknown("tensor() needs the exact value of a number")
            # what does not fit raises here, as it does in eager mode
            data = array_of("tensor", plain_number(data), target).item()
        made = bind(FILL, data, size=(), dtype=target)
    elif isinstance(data, TensorCore):
        made = data.detach().clone()  # type: ignore[attr-defined]
        made = made if dtype is None else made.to(dtype)
    else:
        array = array_of("tensor", data, numpy_dtype)
        if not isinstance(data, (list, tuple)):
            state.recorder.unknown(f"tensor() of a {type(data).__name__}")
        made = bind(LITERAL, data=_nested(array.tolist()), dtype=array.dtype)
    return finished(made, device, requires_grad)


def scalar_tensor(
    s: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a 0-d tensor with the number `s`, by default of the default floating-point dtype."""
    made = bind(FILL, s, size=(), dtype=float_dtype("scalar_tensor", dtype))
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
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` with `fill_value` everywhere, by default of the number's dtype.

    Example:
        >>> import jitgrad as torch
        >>> torch.full((2,), 3.5)
        tensor([3.5000, 3.5000])
    """
    return _filled("full", sizes_of("full", (size,)), fill_value, dtype, device, requires_grad)


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
    *sizes: Any,
    size: Any = None,
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
    made = bind(
        FILL,
        0,
        size=sizes_of("zeros", sizes if size is None else (size,)),
        dtype=float_dtype("zeros", dtype),
    )
    return finished(made, device, requires_grad)


def ones(
    *sizes: Any,
    size: Any = None,
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
    made = bind(
        FILL,
        1,
        size=sizes_of("ones", sizes if size is None else (size,)),
        dtype=float_dtype("ones", dtype),
    )
    return finished(made, device, requires_grad)


def empty(
    *sizes: Any,
    size: Any = None,
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
    made = bind(
        FILL,
        0,
        size=sizes_of("empty", sizes if size is None else (size,)),
        dtype=float_dtype("empty", dtype),
    )
    return finished(made, device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return zeros of the shape (and, unless given, the dtype) of `input`."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ones of the shape (and, unless given, the dtype) of `input`."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the shape and dtype of `input`, its elements not to be relied on."""
    return _like("empty_like", input, 0, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the shape and dtype of `input`, with `fill_value` everywhere."""
    return _like("full_like", input, fill_value, dtype, device, requires_grad)


def _like(
    operation: str, input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    target = input._array.dtype if dtype is None else dtype
    return _filled(operation, input._array.shape, value, target, device, requires_grad)


def _new(input: Tensor, operation: str, size: tuple, value: Any, options: dict) -> Tensor:
    dtype = options.pop("dtype", None)
    device, requires_grad = options.pop("device", None), options.pop("requires_grad", False)
    if options:
        raise TypeError(f"{operation}() got an unexpected keyword argument '{min(options)}'")
    target = input._array.dtype if dtype is None else dtype
    return _filled(operation, sizes_of(operation, size), value, target, device, requires_grad)


def is_tensor(obj: object) -> bool:
    """Say whether `obj` is a tensor."""
    return isinstance(obj, TensorCore)


def is_floating_point(input: Tensor) -> bool:
    """Say whether `input` is of a floating-point dtype."""
    return input._array.dtype.kind == "f"


def is_complex(input: Tensor) -> bool:
    """Say whether `input` is of a complex dtype."""
    return input._array.dtype.kind == "c"


class CreateMethods:
    """The operations of this file as methods of `Tensor`."""

    is_complex = is_complex
    is_floating_point = is_floating_point

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
