"""The table of operators: how each is called, on what, and what it must give.

An `Op` names a public function; its samples are calls, with NumPy arrays in place of tensors.
Arrays of float64 take the dtype that is tested, integers and booleans (indices, masks) keep
theirs. `tests/test_ops_generated.py` makes the tests: values, dtypes, layouts, derivatives,
in-place forms, errors; other tools may run the same samples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

DTYPES = {
    "f": ("float16", "float32", "float64"),
    "i": ("uint8", "int8", "int16", "int32", "int64"),
    "b": ("bool",),
    "w": ("float32", "float64"),
    "d": ("float64",),
}


@dataclass(frozen=True)
class Sample:
    """One call.

    Attributes:
        smooth: False where the function has a kink or the derivative is a convention: gradients
            are compared with torch's then, not with finite differences.
        values: False where only shape and dtype can be compared (random numbers, empty memory).
        kinds: the dtypes that this call takes, of those that the operator takes, and s for
            integers with a sign.
        torch_gradients: False where torch's derivative is wrong or absent.
    """

    args: tuple
    kwargs: dict
    smooth: bool = True
    values: bool = True
    kinds: str = "fibwd"
    torch_gradients: bool = True

    def takes(self, dtype: str, kind: str) -> bool:
        if "w" in self.kinds and "f" not in self.kinds and dtype == "float16":
            return False
        kind = "w" if kind == "f" else kind
        return kind in self.kinds or ("s" in self.kinds and kind == "i" and dtype != "uint8")

    def __repr__(self) -> str:
        return f"({_text(self.args)}, {_text(self.kwargs)})"


def S(*args: Any, **kwargs: Any) -> Sample:
    """Return a sample call."""
    return Sample(args, kwargs)


def kink(*args: Any, **kwargs: Any) -> Sample:
    """Return a sample call where the function is not smooth."""
    return Sample(args, kwargs, smooth=False)


def floats(sample: Sample) -> Sample:
    """Return `sample` for floating-point dtypes only."""
    return replace(sample, kinds="fwd")


def wide(sample: Sample) -> Sample:
    """Return `sample` for float32 and float64 only."""
    return replace(sample, kinds="wd")


def signed(sample: Sample) -> Sample:
    """Return `sample` for dtypes that hold negative numbers only."""
    return replace(sample, kinds="fswd")


def unseen(*args: Any, **kwargs: Any) -> Sample:
    """Return a sample call of which only shape and dtype are compared."""
    return Sample(args, kwargs, values=False, smooth=False)


def ours(sample: Sample) -> Sample:
    """Return `sample` without comparing its gradients with torch's."""
    return replace(sample, torch_gradients=False)


@dataclass(frozen=True)
class Wrong:
    """A call that must raise `error`, naming the operation."""

    error: type[Exception]
    args: tuple
    kwargs: dict
    match: str = ""


def wrong(error: type[Exception], *args: Any, match: str = "", **kwargs: Any) -> Wrong:
    """Return a call that must raise."""
    return Wrong(error, args, kwargs, match)


@dataclass(frozen=True)
class Op:
    """A public function and how to test it.

    Attributes:
        path: where it is found under `jitgrad` and under `torch`: "exp", "Tensor.view".
        samples: calls.
        reference: the same in NumPy, on float64 arrays; None: torch alone says what is right.
        kinds: the dtypes that samples take: f(loating), i(nteger), b(ool), or w(ide floats) or
            d(ouble) alone.
        reference_kinds: where the reference holds too; all kinds unless given.
        order: how often it can be differentiated (checked up to 2); 0: not at all.
        inplace: the name of the in-place method, if there is one.
        errors: calls that must raise.
        rounding: what float tolerances are multiplied with.
        layouts: False where the result depends on strides.
        expandable: False where equal rows, as `expand` makes them, are no fair input.
        named: what errors call it; the end of `path` unless given.
        variant: tells lines of one path apart.
        through: makes the function that is called from that at `path`, for what returns nothing.
    """

    path: str
    samples: tuple[Sample, ...]
    reference: Callable | None = None
    kinds: str = "f"
    reference_kinds: str | None = None
    order: int = 2
    inplace: str | None = None
    errors: tuple[Wrong, ...] = ()
    rounding: float = 1.0
    layouts: bool = True
    expandable: bool = True
    named: str | None = None
    variant: str = ""
    through: Callable | None = None

    @property
    def id(self) -> str:
        return f"{self.path}-{self.variant}" if self.variant else self.path

    @property
    def name(self) -> str:
        return self.path.split(".")[-1] if self.named is None else self.named

    def of(self, torch: Any) -> Callable:
        """Return the function in `torch`, which is jitgrad or torch itself."""
        found = torch
        for part in self.path.split("."):
            found = getattr(found, part)
        return self.through(found) if self.through is not None else found  # type: ignore[return-value]

    def usual(self) -> str:
        """Return the widest dtype of its kinds."""
        return next(DTYPES[kind][-1] for kind in "fwdib" if kind in self.kinds)

    def calls(self) -> Iterator["Call"]:
        """Yield every sample in every dtype that it takes."""
        for kind in self.kinds:
            for dtype in DTYPES[kind]:
                for sample in self.samples:
                    if sample.takes(dtype, kind):
                        yield Call(self, sample, dtype)

    def has_reference(self, dtype: str) -> bool:
        kinds = self.kinds if self.reference_kinds is None else self.reference_kinds
        return self.reference is not None and any(dtype in DTYPES[kind] for kind in kinds)


def op(path: str, *samples: Sample, **settings: Any) -> Op:
    """Return a line of the table."""
    return Op(path, samples, **settings)


# -- numbers for samples ----------------------------------------------------------------------

_noise = np.random.default_rng(20240)


def A(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Return random numbers between `low` and `high`, well apart from each other.

    No two are nearer than the range divided by twice their number: no ties, no kinks in sight.
    """
    count = int(np.prod(shape))
    steps = (_noise.permutation(count) + 0.25 + 0.5 * _noise.random(count)) / max(count, 1)
    return (low + (high - low) * steps).reshape(shape)


def I(*shape: int, below: int = 2) -> np.ndarray:  # noqa: E743
    """Return random integers from 0 to `below` - 1, for indices."""
    return np.asarray(_noise.integers(0, below, shape))


def M(*shape: int) -> np.ndarray:
    """Return a random mask."""
    return np.asarray(_noise.random(shape) < 0.5)


SHAPES = ((), (3,), (2, 3), (2, 1, 3), (0,), (2, 0))

BROADCAST = (
    ((), ()), ((3,), ()), ((), (3,)), ((2, 3), (3,)), ((2, 1), (3,)), ((2, 1, 3), (4, 1)),
    ((1,), (0,)), ((2, 3), (2, 3)), ((0, 3), (1, 3)),
)  # fmt: skip


# -- making calls -----------------------------------------------------------------------------


def as_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    """Return a float64 sample array in `dtype`: fewer, small values for integers and booleans."""
    if array.dtype != np.float64:
        return array
    if dtype == "bool":
        return np.asarray(array > 0)
    if "int" in dtype:
        array = np.round(np.clip(np.nan_to_num(array), -20, 20) * 2)
        return np.asarray(np.abs(array) if dtype == "uint8" else array).astype(dtype)
    return array.astype(dtype)


def map_arrays(value: Any, function: Callable) -> Any:
    """Return `value` (arguments, nested) with `function` applied to its arrays."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, dict):
        return {key: map_arrays(each, function) for key, each in value.items()}
    if type(value) in (tuple, list):
        return type(value)(map_arrays(each, function) for each in value)
    return value


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays among arguments."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from arrays_in(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from arrays_in(each)


@dataclass
class Call:
    """A sample in a dtype and a layout, for jitgrad, for torch, or for the reference."""

    op: Op
    sample: Sample
    dtype: str = "float64"
    layout: str = "contiguous"
    leaves: list = field(default_factory=list)

    def arrays(self) -> tuple[tuple, dict]:
        def make(array: np.ndarray) -> np.ndarray:
            return LAYOUTS[self.layout](np.array(as_dtype(array, self.dtype)))

        return map_arrays(self.sample.args, make), map_arrays(self.sample.kwargs, make)

    def reference(self) -> Any:
        """Return what NumPy makes of it in float64."""

        def exact(array: np.ndarray) -> np.ndarray:
            return as_dtype(array, self.dtype).astype(array.dtype)

        assert self.op.reference is not None
        args, kwargs = map_arrays(self.sample.args, exact), map_arrays(self.sample.kwargs, exact)
        with np.errstate(all="ignore"):
            return self.op.reference(*args, **kwargs)

    def run(self, torch: Any, requires_grad: bool = False) -> Any:
        """Return what `torch` makes of it; with `requires_grad` the leaves are in `leaves`."""
        args, kwargs = self.tensors(torch, requires_grad)
        return self.op.of(torch)(*args, **kwargs)

    def tensors(self, torch: Any, requires_grad: bool = False) -> tuple[tuple, dict]:
        self.leaves = []

        def make(array: np.ndarray) -> Any:
            tensor = torch.from_numpy(array) if array.ndim else torch.tensor(array[()])
            if requires_grad and array.dtype.kind == "f":
                tensor.requires_grad_()
                self.leaves.append(tensor)
            return tensor

        args, kwargs = self.arrays()
        args, kwargs = map_arrays(args, make), map_arrays(kwargs, make)
        dtype = kwargs.get("dtype")
        if isinstance(dtype, str):
            kwargs["dtype"] = getattr(torch, dtype)
        return tuple(_dtypes(each, torch) for each in args), kwargs

    def __repr__(self) -> str:
        return f"{self.op.id}{self.sample!r} in {self.dtype}, {self.layout}"


class Dtype(str):
    """The name of a dtype among the arguments of a sample."""


def _dtypes(value: Any, torch: Any) -> Any:
    return getattr(torch, value) if isinstance(value, Dtype) else value


def _stepped(array: np.ndarray) -> np.ndarray:
    if not array.ndim:
        return array
    wide = np.zeros([2 * size for size in array.shape], array.dtype)
    part = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    part[...] = array
    return part


def _offset(array: np.ndarray) -> np.ndarray:
    if not array.ndim:
        return array
    wide = np.zeros([size + 1 for size in array.shape], array.dtype)
    part = wide[tuple(slice(1, None) for _ in array.shape)]
    part[...] = array
    return part


def _expanded(array: np.ndarray) -> np.ndarray:
    if not array.ndim or array.dtype != np.float64 or not array.size:
        return array
    return np.lib.stride_tricks.as_strided(array, array.shape, (0, *array.strides[1:]))


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda array: array,
    "transposed": lambda array: np.array(array, order="F"),
    "stepped": _stepped,
    "offset": _offset,
    "expanded": _expanded,
}


def outputs_of(result: Any) -> list:
    """Return the tensors (and numbers) of a result as a flat list."""
    if isinstance(result, (tuple, list)):
        return [each for part in result for each in outputs_of(part)]
    return [result]


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(each)}" for key, each in value.items())
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_text, value))})"
    return repr(value)
