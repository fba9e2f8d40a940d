"""Loops of kernels for elements at positions that tensors hold: read, written, added up.

A tensor is seen as (lines, rows, columns), the positions being those of rows. They are either the
same for all lines and columns, as in square brackets, or each element has one, as in `gather`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.primitive import Loops


class Places(NamedTuple):
    """Positions of rows.

    Attributes:
        tensor: what is indexed, or comes out of putting elements into it.
        dims: neighbouring dimensions that are indexed.
        tensors: the positions, one tensor for each dimension.
        first: the number of the operand that is the first of these.
        each: has each element a position of its own?
        wraps: do negative positions count from the end?
        ignore: a position that is left out.
    """

    tensor: Any
    dims: Sequence[int]
    tensors: Sequence[Any]
    first: int
    each: bool = False
    wraps: bool = False
    ignore: int | None = None

    @property
    def lines(self) -> int:
        return _count(self.tensor.shape[: self.dims[0]])

    @property
    def columns(self) -> int:
        return _count(self.tensor.shape[self.dims[-1] + 1 :])

    @property
    def number(self) -> int:
        """How many rows are named, in a line."""
        whole = self.tensors[0].size
        return whole // (self.lines * self.columns) if self.each else whole

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the elements that are named."""
        shape, found = self.tensor.shape, self.tensors[0].shape
        return found if self.each else (*shape[: self.dims[0]], *found, *shape[self.dims[-1] + 1 :])

    @property
    def fit(self) -> bool:
        """Are the positions such that loops know them?"""
        shape = self.tensor.shape
        alike = all(each.shape == self.tensors[0].shape for each in self.tensors)
        if not shape or not alike or 0 in shape or self.tensors[0].dtype.kind != "i":
            return False
        if self.each:
            (dim,) = self.dims
            others = (*shape[:dim], *shape[dim + 1 :])
            held = self.tensors[0].shape
            return bool(held) and others in (held, (*held[:dim], *held[dim + 1 :]))
        return all(b - a == 1 for a, b in zip(self.dims, self.dims[1:]))

    def sizes(self) -> dict[str, int]:
        named = {f"size{k}": self.tensor.shape[dim] for k, dim in enumerate(self.dims)}
        named |= {"lines": self.lines, "rows": _count(list(named.values()))}
        return named | {"columns": self.columns, "count": self.number}


def _count(sizes: Sequence[int]) -> int:
    total = 1
    for each in sizes:
        total *= each
    return total


def _find_row(places: Places) -> list[str]:
    """Return statements that find the row of element `here`, or of place `j`."""
    found = ["row = 0"]
    for k in range(len(places.tensors)):
        found.append(f"place = int64(a{places.first + k}[{'here' if places.each else 'j'}])")
        if places.ignore is not None:
            found += [f"ignored = place == {places.ignore}", "if ignored:", "    place = 0"]
        if places.wraps:
            found += ["if place < 0:", f"    place += size{k}"]
        found += [f"if place < 0 or place >= size{k}:", "    declined[0] = 1", "    place = 0"]
        found.append(f"row = row * size{k} + place")
    return found


def _nest(places: Places, split: str, body: list[str]) -> list[str]:
    """Return `body` for each element `here`, which lies in `row`, at `there` in the tensor."""
    bounds = {"line": "lines", "j": "count", "k": "columns"}
    ranges = {each: "first, last" if each == split else size for each, size in bounds.items()}
    row = _find_row(places)
    here = "here = (line * count + j) * columns + k"
    there = "there = (line * rows + row) * columns + k"
    deep = [here, *row, there, *body] if places.each else [here, there, *body]
    return [
        f"for line in range({ranges['line']}):",
        f"    for j in range({ranges['j']}):",
        *("        " + each for each in ([] if places.each else row)),
        f"        for k in range({ranges['k']}):",
        *("            " + each for each in deep),
    ]


def _loops(places: Places, split: str, lines: list[str], rounds: int, touched: int) -> Loops:
    work = 0.5 * touched + 1.0 * places.number * places.lines
    return Loops("\n".join(lines), rounds, work, places.sizes(), declines=True)


def take_loops(places: Places) -> Loops | None:
    """Return the loops that read the elements of operand 0 at `places`."""
    if not places.fit:
        return None
    split, rounds = ("line", places.lines) if places.lines > 1 else ("j", places.number)
    body = ["out[here] = a0[there]"]
    if places.ignore is not None:
        body = ["out[here] = where(ignored, {kind}(0), a0[there])"]
    touched = places.lines * places.number * places.columns
    return _loops(places, split, _nest(places, split, body), rounds, touched)


def put_loops(
    places: Places, values: Any, source: int, *, adds: bool, held: bool = False
) -> Loops | None:
    """Return the loops that write or add operand number `source` at `places`.

    Args:
        places: where.
        values: the operand: a number, or a tensor with an element for each that is written.
        source: its number.
        adds: is it added?
        held: are there the elements of operand 0 before, or zeros?
    """
    if not places.fit or (adds and places.tensor.dtype == np.bool_):
        return None
    value = f"a{source}"
    touched = places.lines * places.number * places.columns
    if hasattr(values, "shape"):
        if values.shape != places.shape:
            return None
        value += "[here]"
    elif places.tensor.dtype.kind not in "fb":
        return None  # NumPy has rules of its own for numbers that are no elements
    split, rounds = ("line", places.lines) if places.lines > 1 else ("k", places.columns)
    begin = f"out[there] = {'a0[there]' if held else '{kind}(0)'}"
    if split == "line":
        lines = ["for there in range(first * rows * columns, last * rows * columns):"]
        lines.append(f"    {begin}")
    else:
        lines = ["for row in range(rows):"]
        lines.append("    for there in range(row * columns + first, row * columns + last):")
        lines.append(f"        {begin}")
    put = f"out[there] = {{kind}}(out[there] + {value})" if adds else f"out[there] = {value}"
    body = [put] if places.ignore is None else ["if not ignored:", f"    {put}"]
    lines += _nest(places, split, body)
    return _loops(places, split, lines, rounds, touched + places.tensor.size)
