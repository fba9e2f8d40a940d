"""How tensors print: as in PyTorch, with the same columns, notations and abbreviations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, node_of
from jitgrad.errors import describe
from jitgrad.modes import run_quietly, state
from jitgrad.node import AccumulateGrad


@dataclass
class Options:
    """What `set_printoptions` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=float("inf")),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print.

    Args:
        precision: digits after the point (4).
        threshold: number of elements above which only the edges are shown (1000).
        edgeitems: how many of them at each edge (3).
        linewidth: characters in a line (80).
        profile: "default", "short" or "full", from which the others depart.
        sci_mode: scientific notation always (True), never (False), or where it is shorter (None).

    Raises:
        ValueError: there is no such profile.

    Example:
        >>> import jitgrad as torch
        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.0, 0.333])
        tensor([1.00, 0.33])
        >>> torch.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in PROFILES:
            rule = f"profile is one of {', '.join(PROFILES)}"
            raise ValueError(describe("set_printoptions", repr(profile), rule))
        _adopt(asdict(PROFILES[profile]))
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _adopt({name: value for name, value in given.items() if value is not None})
    OPTIONS.sci_mode = sci_mode


def _adopt(values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(OPTIONS, name, value)


def get_printoptions() -> dict[str, Any]:
    """Return what `set_printoptions` has set."""
    return asdict(OPTIONS)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a `with` block; they are those of `set_printoptions`."""
    before = get_printoptions()
    try:
        set_printoptions(**options)
        yield
    finally:
        _adopt(before)


class _Formatter:
    """Formats the elements of one tensor in columns of one width."""

    def __init__(self, array: np.ndarray) -> None:
        self.floating = array.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        if not self.floating:
            self.width = max((len(str(each)) for each in array.reshape(-1).tolist()), default=1)
            return
        values = array[np.isfinite(array) & (array != 0)].astype(np.float64)
        if not values.size:
            return
        sizes = np.abs(values)
        low, high = sizes.min(), sizes.max()
        self.whole = bool((values == np.ceil(values)).all())
        if OPTIONS.sci_mode is None:
            self.scientific = bool(high / low > 1000.0 or high > 1e8 or low < 1e-4)
        else:
            self.scientific = OPTIONS.sci_mode
        self.width = max(len(self._text(each)) for each in values.tolist())

    def _text(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{OPTIONS.precision}e}"
        if self.whole:
            point = "." if np.isfinite(value) else ""
            return f"{value:.0f}{point}"
        return f"{value:.{OPTIONS.precision}f}"

    def format(self, value: Any) -> str:
        return self._text(value).rjust(self.width)


class _ComplexFormatter:
    """Formats complex elements: real and imaginary parts in columns of their own."""

    def __init__(self, array: Any) -> None:
        self.real, self.imaginary = _Formatter(array.real), _Formatter(array.imag)
        self.width = self.real.width + self.imaginary.width + 1

    def format(self, value: complex) -> str:
        imaginary = (self.imaginary.format(value.imag) + "j").lstrip()
        sign = "" if imaginary[0] in "+-" else "+"
        return self.real.format(value.real) + sign + imaginary


def _edges(array: np.ndarray) -> np.ndarray:
    """Return the elements that a summary shows."""
    edge = OPTIONS.edgeitems
    for dim, size in enumerate(array.shape):
        if size > 2 * edge:
            shown = [*range(edge), *range(size - edge, size)]
            array = np.take(array, shown, axis=dim)
    return array


def _elements(array: np.ndarray, indent: int, summarize: bool, formatter: Any) -> str:
    if array.ndim == 0:
        return formatter.format(array.item())
    edge = OPTIONS.edgeitems
    cut = summarize and array.shape[0] > 2 * edge
    if array.ndim == 1:
        if summarize and not edge:
            texts = ["..."]
        else:
            first, last = (array[:edge], array[-edge:]) if cut else (array, array[:0])
            texts = [formatter.format(each) for each in first.tolist()]
            texts += [" ..."] * cut + [formatter.format(each) for each in last.tolist()]
        fit = max(1, (OPTIONS.linewidth - indent) // (formatter.width + 2))
        lines = [", ".join(texts[i : i + fit]) for i in range(0, len(texts), fit)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [*array[:edge], None, *array[len(array) - edge :]] if cut else list(array)
    texts = [
        "..." if each is None else _elements(each, indent + 1, summarize, formatter)
        for each in rows
    ]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _text(array: np.ndarray, indent: int) -> str:
    if not array.size:
        return "[]"
    summarize = array.size > OPTIONS.threshold
    shown = _edges(array) if summarize else array
    formatter = (_ComplexFormatter if array.dtype.kind == "c" else _Formatter)(shown)
    return _elements(array, indent, summarize, formatter)


def _suffixes(tensor: Any) -> list[str]:
    array, dtype = tensor._array, dtypes.FROM_NUMPY[tensor._array.dtype]
    default = dtypes.get_default_dtype()
    usual = {default}
    suffixes = []
    if not array.size:
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
    else:
        if not OPTIONS.edgeitems:
            suffixes.append(f"size={tuple(array.shape)}")
        double = default is dtypes.float64
        usual |= {dtypes.int64, dtypes.bool_, dtypes.complex128 if double else dtypes.complex64}
    if dtype not in usual:
        suffixes.append(f"dtype={dtype}")
    node = node_of(tensor)
    if isinstance(node, AccumulateGrad):
        suffixes.append("requires_grad=True")
    elif node is not None:
        suffixes.append(f"grad_fn=<{node.name()}>")
    return suffixes


def text_of(tensor: TensorCore, prefix: str = "tensor(") -> str:
    """Return the tensor as PyTorch prints it: elements, then what is not usual about it."""
    if state.recorder is not None:
        state.recorder.unknown("printing a tensor")
    text = prefix + run_quietly(_text, tensor._array, len(prefix))
    width = len(text) - text.rfind("\n") + 1
    for suffix in _suffixes(tensor):
        if width + len(suffix) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * len(prefix) + suffix
            width = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            width += len(suffix) + 2
    return text + ")"
