"""Element types: PyTorch's names over NumPy's dtypes, and the default floating-point type."""

import numpy as np

from jitgrad.errors import describe

BOOL, INTEGER, FLOATING, COMPLEX = range(4)
"""The categories of type promotion, lowest first."""


class dtype:
    """The type of a tensor's elements, such as `jitgrad.float32`.

    Attributes:
        itemsize: bytes of one element.
        is_floating_point, is_complex, is_signed: as in PyTorch.
        numpy: the NumPy dtype behind it.

    Example:
        >>> import jitgrad
        >>> jitgrad.float32, jitgrad.float32.itemsize, jitgrad.int64.is_floating_point
        (torch.float32, 4, False)
    """

    __slots__ = (
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
        "numpy",
    )

    def __init__(self, name: str, numpy_type: type, category: int) -> None:
        self.name = name
        self.numpy = np.dtype(numpy_type)
        self.category = category
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.is_signed = self.numpy.kind not in "bu"

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name if self.name != "bool" else "bool_"


float16 = half = dtype("float16", np.float16, FLOATING)
float32 = dtype("float32", np.float32, FLOATING)
float64 = double = dtype("float64", np.float64, FLOATING)
complex64 = cfloat = dtype("complex64", np.complex64, COMPLEX)
complex128 = cdouble = dtype("complex128", np.complex128, COMPLEX)
uint8 = dtype("uint8", np.uint8, INTEGER)
int8 = dtype("int8", np.int8, INTEGER)
int16 = short = dtype("int16", np.int16, INTEGER)
int32 = dtype("int32", np.int32, INTEGER)
int64 = long = dtype("int64", np.int64, INTEGER)
bool_ = dtype("bool", np.bool_, BOOL)

ALL = (float16, float32, float64, complex64, complex128, uint8, int8, int16, int32, int64, bool_)
FROM_NUMPY = {each.numpy: each for each in ALL}
CATEGORY = {each.numpy: each.category for each in ALL}

_default = float32


def get_default_dtype() -> dtype:
    """Return the dtype of new floating-point tensors; float32 unless set.

    >>> import jitgrad
    >>> jitgrad.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Make `d`, a floating-point dtype, the type of new floating-point tensors.

    Raises:
        TypeError: `d` is no floating-point dtype.

    >>> import jitgrad
    >>> jitgrad.set_default_dtype(jitgrad.float64)
    >>> jitgrad.tensor(1.5).dtype
    torch.float64
    >>> jitgrad.set_default_dtype(jitgrad.float32)
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            describe("set_default_dtype", repr(d), "only floating-point types can be the default")
        )
    _default = d


class finfo:
    """The limits of a floating-point dtype.

    Attributes:
        bits, eps, max, min, tiny, smallest_normal, resolution: as in PyTorch.

    >>> import jitgrad
    >>> jitgrad.finfo(jitgrad.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        chosen = _default if type is None else type
        if not isinstance(chosen, dtype) or chosen.category < FLOATING:
            raise TypeError(
                describe("finfo", repr(type), "it takes a floating-point dtype", "use iinfo")
            )
        limits = np.finfo(chosen.numpy)
        self.dtype = chosen.name
        self.bits = int(limits.bits)
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = 10.0 ** -int(limits.precision)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype.

    Attributes:
        bits, max, min: as in PyTorch.

    >>> import jitgrad
    >>> jitgrad.iinfo(jitgrad.uint8).max
    255
    """

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype) or type.category != INTEGER:
            raise TypeError(describe("iinfo", repr(type), "it takes an integer dtype", "use finfo"))
        limits = np.iinfo(type.numpy)  # type: ignore[call-overload]
        self.dtype = type.name
        self.bits, self.max, self.min = int(limits.bits), int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def from_numpy_dtype(numpy_dtype: np.dtype, operation: str) -> dtype:
    """Return the dtype for NumPy's; TypeError, naming `operation`, if there is none."""
    found = FROM_NUMPY.get(numpy_dtype) or FROM_NUMPY.get(numpy_dtype.newbyteorder("="))
    if found is None:
        raise TypeError(
            describe(
                operation,
                f"NumPy dtype {numpy_dtype}",
                f"tensors hold {', '.join(each.name for each in ALL)}",
                "convert with array.astype first",
            )
        )
    return found
