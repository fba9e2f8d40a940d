"""Tables in text files: comma-separated values and their kin."""

from __future__ import annotations

import csv
import gzip
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import wrap
from jitgrad.dtypes import dtype as DType

Column = int | str

BOOLS = {"0": False, "1": True, "false": False, "true": True}


def read_csv(
    file: str | os.PathLike[str],
    columns: Sequence[Column] | None = None,
    *,
    dtype: DType | Mapping[Column, DType] | None = None,
    header: bool = True,
    delimiter: str = ",",
    missing: float | None = None,
    converters: Mapping[Column, Callable[[str], float]] | None = None,
    comments: str | None = None,
    skip_lines: int = 0,
    encoding: str = "utf-8-sig",
) -> Any:
    """Return the numbers of a table in a text file (which may be compressed, `.gz`).

    Args:
        file: the path.
        columns: which columns, by name or position, in this order; all unless given.
        dtype: of all elements, by default the default floating-point dtype; or that of each
            column, by name or position: then a dictionary of columns is returned.
        header: does the first line hold names?
        delimiter: what stands between fields. Fields may be quoted with `"`.
        missing: what empty fields count as, such as `float("nan")`; unless given, they are errors.
        converters: for a column, a function from its text to a number, such as
            `["cat", "dog"].index`.
        comments: what begins a comment.
        skip_lines: lines before the table.
        encoding: of the text.

    Returns:
        A tensor of shape (rows, columns); with a mapping as `dtype`, a dictionary of tensors of
        shape (rows,), by the mapping's keys.

    Raises:
        ValueError: a field is missing or no number, or a row has another number of fields; the
            error says in which line and column.

    Example:
        >>> import jitgrad as torch, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "a.csv")
        ...     with open(path, "w") as stream:
        ...         _ = stream.write("x,y,kind\\n1,2.5,a\\n3,4.5,b\\n")
        ...     numbers = torch.datasets.read_csv(path, ["y", "x"])
        ...     labels = torch.datasets.read_csv(
        ...         path, dtype={"kind": torch.int64}, converters={"kind": ["a", "b"].index}
        ...     )
        >>> numbers
        tensor([[2.5000, 1.0000],
                [4.5000, 3.0000]])
        >>> labels
        {'kind': tensor([0, 1])}
    """
    table = _Table(file, delimiter, comments, skip_lines, encoding, header)
    if isinstance(dtype, Mapping):
        wanted = list(dtype) if columns is None else list(columns)
        types: list[Any] = [dtype[each].numpy for each in wanted]
    else:
        wanted = list(range(table.width)) if columns is None else list(columns)
        types = [(dtypes.get_default_dtype() if dtype is None else dtype).numpy] * len(wanted)
    places = [table.place(each) for each in wanted]
    given = {table.place(column): function for column, function in (converters or {}).items()}
    used = {
        place: given.get(place) or _reader(kind, missing)
        for place, kind in zip(places, types)
        if place in given or missing is not None or kind.kind == "b"
    }
    arrays = table.read(places, types, used)
    if isinstance(dtype, Mapping):
        return {column: wrap(array) for column, array in zip(wanted, arrays)}
    return wrap(np.stack(arrays, 1))


def _reader(kind: np.dtype, missing: float | None) -> Callable[[str], Any]:
    """Return a function from the text of a field to what an array of dtype `kind` holds."""

    def read(text: str) -> Any:
        text = text.strip()
        if not text:
            if missing is None:
                raise ValueError("the field is empty")
            return missing
        if kind.kind == "b":
            if text.lower() not in BOOLS:
                raise ValueError(f"{text!r} is none of {', '.join(BOOLS)}")
            return BOOLS[text.lower()]
        return int(text) if kind.kind in "iu" else float(text)

    return read


class _Table:
    """One file, and how it is written."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        delimiter: str,
        comments: str | None,
        skip_lines: int,
        encoding: str,
        header: bool,
    ) -> None:
        self.path = os.fspath(path)
        self.delimiter, self.comments, self.encoding = delimiter, comments, encoding
        self.before = skip_lines
        first = next(self._rows(skip_lines), None)
        if first is None:
            raise ValueError(
                f"read_csv: {self.path} has no table: expected a line "
                + ("of names" if header else "of numbers")
                + f" behind {skip_lines} lines, and found the end"
            )
        line, fields = first
        self.width = len(fields)
        self.names = [field.strip() for field in fields] if header else []
        if header:
            self.before = line

    def place(self, column: Column) -> int:
        """Return the position of a column.

        Raises:
            ValueError: there is no such column.
        """
        if isinstance(column, str):
            if column in self.names:
                return self.names.index(column)
        elif -self.width <= column < self.width:
            return column % self.width
        raise ValueError(f"read_csv: {self.path} has no column {column!r}; it has {self._there}")

    @property
    def _there(self) -> str:
        return ", ".join(map(repr, self.names)) or f"{self.width} columns without names"

    def read(self, places: list[int], types: list[np.dtype], readers: Mapping) -> list[np.ndarray]:
        """Return the columns at `places`.

        Raises:
            ValueError: there is none, or a field is no number of its type.
        """
        if not places:
            raise ValueError(f"read_csv: {self.path}: columns names none; it has {self._there}")
        named = [(f"f{number}", kind) for number, kind in enumerate(types)]
        try:
            with self._opened() as stream, warnings.catch_warnings():
                for _ in range(self.before):
                    next(stream)
                # of a table without rows
                warnings.filterwarnings("ignore", "loadtxt: input contained no data")
                rows = np.loadtxt(
                    stream,
                    np.dtype(named),
                    comments=self.comments,
                    delimiter=self.delimiter,
                    converters=dict(readers) or None,
                    usecols=places,
                    quotechar='"',
                    ndmin=1,
                    encoding=None,
                )
        except ValueError as error:
            self._explain(places, types, readers)
            raise ValueError(f"read_csv: {self.path}: {error}") from error
        # NumPy takes rows that have more fields than it needs
        self._check_widths()
        return [np.ascontiguousarray(rows[name]) for name, _ in named]

    def _opened(self) -> TextIO:
        opened: Any = gzip.open if self.path.endswith(".gz") else open
        return opened(self.path, "rt", encoding=self.encoding, newline="")

    def _rows(self, before: int) -> Iterator[tuple[int, list[str]]]:
        """Yield each row behind `before` lines, with the number of its line (from 1)."""
        with self._opened() as stream:
            for _ in range(before):
                next(stream, None)
            reader = csv.reader(self._without_comments(stream), delimiter=self.delimiter)
            try:
                for fields in reader:
                    if any(field.strip() for field in fields) or len(fields) > 1:
                        yield before + reader.line_num, fields
            except (UnicodeDecodeError, EOFError, OSError) as error:
                raise ValueError(
                    f"read_csv: {self.path} is no text of the encoding {self.encoding}, or is "
                    f"damaged, behind line {before + reader.line_num}: {error}"
                ) from error

    def _without_comments(self, stream: TextIO) -> Iterator[str]:
        for line in stream:
            if self.comments is not None and self.comments in line:
                line = line.partition(self.comments)[0] + "\n"
            yield line

    def _check_widths(self) -> None:
        for line, fields in self._rows(self.before):
            if len(fields) != self.width:
                raise ValueError(
                    f"read_csv: {self.path}, line {line}: found {len(fields)} fields, and expected "
                    f"{self.width} as in the first line"
                )

    def _explain(self, places: list[int], types: list[np.dtype], readers: Mapping) -> None:
        """Raise an error for the first field that cannot be read."""
        self._check_widths()
        for line, fields in self._rows(self.before):
            for place, kind in zip(places, types):
                try:
                    (readers.get(place) or _reader(kind, None))(fields[place])
                except ValueError as error:
                    name = repr(self.names[place]) if self.names else str(place)
                    found = repr(fields[place]) if fields[place].strip() else "nothing"
                    raise ValueError(
                        f"read_csv: {self.path}, line {line}, column {name}: found {found}, and "
                        f"expected {dtypes.FROM_NUMPY[kind]} ({error}); give a value for empty "
                        "fields with missing=, or read text with converters="
                    ) from error
