"""What an operation is: a record of its rules, of one of a few kinds."""

import weakref
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np


class Kind(Enum):
    """How an operation relates positions of its output to positions of its inputs.

    Passes ask for the kind, never for the name.
    """

    ELEMENTWISE = "each element from the elements at its place, inputs broadcast"
    REDUCTION = "elements combined along dimensions"
    VIEW = "the same memory, seen in another shape"
    CONTRACTION = "products summed: matrix multiplication"
    INDEX = "elements chosen by position"
    CREATION = "elements from nothing but parameters"
    RANDOM = "elements from the generator"
    OPAQUE = "anything else"


class Result(Enum):
    """Which dtype comes out."""

    PROMOTE = "the promoted dtype of the inputs"
    FLOAT = "the promoted dtype, integers becoming the default floating-point type"
    BOOL = "bool; the inputs are promoted"
    KEEP = "what the implementation returns; inputs are taken as they are"


NOT_READ, READ, SPEC_READ = range(3)
"""What a derivative does with an input: nothing, reads it, reads its shape and dtype."""


class Loops(NamedTuple):
    """How a kernel computes an operation whose operands lie in dense memory, in row-major order.

    Attributes:
        body: statements of Python that perform the rounds from `first` up to `last`, which other
            threads may do apart from the rest. `out` and the inputs `a0`, `a1`, .. are indexed by
            one integer; {kind} is the type of the output's elements. Where the NumPy
            implementation is to be asked, as it raises or knows better, the body stores 1 in
            `declined[0]`, and what it has written does not matter.
        rounds: how many there are.
        nanoseconds: roughly what all of them take.
        sizes: the integers that the body names.
        tables: the arrays that it names.
        declines: may the body decline?
    """

    body: str
    rounds: int
    nanoseconds: float
    sizes: Mapping[str, int] = {}
    tables: Mapping[str, np.ndarray] = {}
    declines: bool = False


class Primitive:
    """An operation with one tensor output, and all the rules that passes need.

    Attributes:
        name: PyTorch's name.
        kind: see `Kind`.
        numpy: the implementation, `(*arrays, **params) -> array`. Scalars arrive as Python numbers.
        vjp: derivatives, one for each tensor input: `(cotangent, out, *inputs, **params) ->
            cotangent of this input`, written with tensor operations so that it differentiates
            again; or a single such function returning them all, for any number of inputs. An
            input spelled with `_spec` at its end is not saved for the backward pass and arrives
            as its `Spec`; one spelled with a leading underscore is not read at all, and arrives
            as None. None in place of a rule: not differentiable.
            Cotangents of broadcast elementwise inputs are summed to their shape afterwards.
        scalar: for elementwise operations the expression for one element, such as "exp({0})",
            in Python with the names of `kernels`; the type of the operands is the promoted one.
        combine: for reductions that accumulate element by element, where to begin and the step:
            ("0", "{acc} + {0}"). The beginning is a literal, or one of the names "lowest" and
            "highest" (-inf and inf, or the dtype's limits). float16 accumulates in float32, and
            sums and products of integers and booleans in int64.
        loops: for operations that kernels compute by loops of their own, these:
            `(out, *inputs, **params) -> Loops`, of which `out` and the tensors among the inputs
            tell their `shape` and `dtype`; None where NumPy is to do it.
        places: for operations that put their inputs side by side, where: `(out, *inputs, **params)
            -> (what is elsewhere, or None; for each input its index in the output)`, an index
            being an integer or (start, stop, step) for each of the first dimensions, or a window.
            Numbers among the inputs come behind the tensors; an index may have one for an integer.
            Those that come later lie over those before.
        takes: for operations that show a part of their input whose place is another input, a
            number: `(*inputs, **params) -> index`, or a window. In a trace its elements are copied.
        shows: the result of such an operation is a view eagerly.
        correlation: for convolutions and their transposes, which of "input", "weight" and
            "output" comes out of the other two, and a bias: in this order.
        result: see `Result`.
        check: `(name, inputs, promoted dtype)`, raises for inputs that the operation does not take;
            not asked where all are floating-point tensors of one dtype, and numbers.
        shape_depends_on_data: the output's shape follows from values, not from shapes.
        raises_on_data: values can make it raise (an index out of range, a singular matrix).
        selects: a view of some elements, each once, however they lie in memory; so to add a
            cotangent to that of the input is to add it to the same view of it.
        compares: its rule asks which values that it reads are equal, as they are if one has been
            selected from others; so that none of them may be computed again, in other bits.
    """

    __slots__ = (
        "__weakref__",
        "check",
        "combine",
        "compares",
        "correlation",
        "differentiable",
        "fixed",
        "is_elementwise",
        "is_view",
        "keeps",
        "kind",
        "loops",
        "name",
        "numpy",
        "places",
        "raises_on_data",
        "result",
        "saves",
        "saves_out",
        "saving",
        "scalar",
        "selects",
        "shape_depends_on_data",
        "specs",
        "takes",
        "variadic",
        "vjp",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        numpy: Callable[..., Any],
        vjp: tuple[Callable | None, ...] | Callable | None = None,
        *,
        scalar: str | None = None,
        combine: tuple[str, str] | None = None,
        loops: Callable[..., Loops | None] | None = None,
        places: Callable[..., tuple[float | None, list[tuple]]] | None = None,
        takes: Callable[..., tuple] | None = None,
        shows: bool = True,
        correlation: str | None = None,
        result: Result = Result.KEEP,
        check: Callable[[str, tuple, Any], None] | None = None,
        shape_depends_on_data: bool = False,
        raises_on_data: bool = False,
        selects: bool = False,
        compares: bool = False,
    ) -> None:
        _primitives.add(self)
        self.name = name
        self.kind = kind
        self.numpy = numpy
        self.vjp = vjp
        self.scalar = scalar
        self.combine = combine
        self.loops = loops
        self.places = places
        self.takes = takes
        self.correlation = correlation
        self.result = result
        self.check = check
        self.shape_depends_on_data = shape_depends_on_data
        self.raises_on_data = raises_on_data
        self.selects = selects
        self.compares = compares
        self.is_elementwise = kind is Kind.ELEMENTWISE
        self.is_view = kind is Kind.VIEW or (takes is not None and shows)
        self.keeps = result is Result.KEEP
        self.variadic = callable(vjp)
        self.differentiable = vjp is not None
        rules: tuple = (vjp,) if callable(vjp) else (vjp or ())
        self.saves = tuple(_positions(rule, _is_saved) for rule in rules)
        """For each rule, the positions of the inputs that it reads (~n: all from n on)."""
        self.specs = tuple(_positions(rule, _is_spec) for rule in rules)
        """The same for the inputs of which it reads the shape and dtype only."""
        self.saves_out = tuple(rule is not None and _reads_out(rule) for rule in rules)
        self.fixed = sum(1 << position for position, rule in enumerate(rules) if rule is None)
        """A bit for each input that has no rule."""
        self.saving: dict[int, tuple[tuple[int, ...] | None, bool]] = {}

    def what_is_saved(self, count: int, wanted: int) -> tuple[tuple[int, ...] | None, bool]:
        """Return what the rules of the wanted inputs read.

        Args:
            count: how many inputs there are.
            wanted: a bit for each input whose rule is used.

        Returns:
            For each input NOT_READ, READ or SPEC_READ, None where none is read; is the output?
        """
        found = self.saving.get(wanted | 1 << count)
        if found is None:
            rules = [0] if self.variadic else [i for i in range(count) if wanted >> i & 1]
            read = _spread(self.saves, rules, count)
            specs = _spread(self.specs, rules, count)
            ways = tuple(
                READ if i in read else SPEC_READ if i in specs else NOT_READ for i in range(count)
            )
            found = self.saving[wanted | 1 << count] = (
                ways if any(ways) else None,
                any(self.saves_out[rule] for rule in rules),
            )
        return found

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


_primitives: weakref.WeakSet[Primitive] = weakref.WeakSet()


def primitives() -> list[Primitive]:
    """Return all that there are, sorted by their names."""
    return sorted(_primitives, key=lambda each: each.name)


def _reads_out(rule: Callable) -> bool:
    return not rule.__code__.co_varnames[1].startswith("_")


def _spread(positions: tuple, rules: list[int], count: int) -> frozenset[int]:
    found: set[int] = set()
    for rule in rules:
        for position in positions[rule]:
            found.update(range(~position, count) if position < 0 else (position,))
    return frozenset(found)


def _positions(rule: Callable | None, matches: Callable[[str], bool]) -> tuple[int, ...]:
    if rule is None:
        return ()
    code = rule.__code__
    names = code.co_varnames[2 : code.co_argcount]
    found = tuple(i for i, name in enumerate(names) if matches(name))
    if code.co_flags & 0x04:  # *inputs
        star = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        return (*found, ~len(names)) if matches(star) else found
    return found


def _is_saved(name: str) -> bool:
    return not name.startswith("_") and not name.endswith("_spec")


def _is_spec(name: str) -> bool:
    return not name.startswith("_") and name.endswith("_spec")
