"""Programs that check themselves: each run natively and through the primitives, compared.

The steps are performed on copies of the inputs, one by one, with the primitives' NumPy
implementations; then the native program runs on the inputs themselves. Where both give the same
bits, that is all. Where they differ, the steps are performed again, with each result disturbed by
more than it may be rounded: a step of n terms (1 if it is elementwise) by 4 n units in the last
place of the sum of its terms' magnitudes; up to `DISTURBED_RUNS` times, until native code lies
within `REACH` times the spread of what came out. So a bound grows with the number of operations,
with the length of sums and with cancellation; it is zero where nothing is rounded. Integers and
booleans must be equal, unless the disturbed runs disagree about them: then a threshold is closer
than the rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.errors import VerificationError
from jitgrad.graph.facts import address
from jitgrad.graph.ir import Compute, Memory, Scalar, Step, Value, Write
from jitgrad.graph.printed_steps import printed_steps
from jitgrad.graph.segment import Branch, Segment
from jitgrad.kernels.interpreter import Held, Interpreter
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.program import Program
from jitgrad.modes import run_quietly
from jitgrad.ops.generator import default_generator
from jitgrad.primitive import Kind

DISTURBED_RUNS = 24
REACH = 2

COPIED = ("copy", "fill")
"""Primitives whose implementation returns its input, since in-place operations write it at once."""


class Rounding:
    """Disturbs the results of steps by as much as they may be rounded, each time another way."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def _signs(self, array: np.ndarray) -> np.ndarray:
        return self.random.choice((-1.0, 1.0), array.shape).astype(np.real(array).dtype)

    def used(self, array: np.ndarray) -> np.ndarray:
        """Return an operand as a kernel may see it that has kept more digits of it."""
        error = self._signs(array) * np.abs(array) * 4 * np.finfo(array.dtype).eps
        # laid out in memory as it was, since results are laid out like operands
        return np.add(array, error, out=np.empty_like(array), casting="same_kind")

    def result(self, step: Compute, made: np.ndarray, inputs: list) -> np.ndarray:
        """Return the result of a step as another order of its operations may round it."""
        size, terms = np.abs(made), 1.0
        arrays = [each for each in inputs if isinstance(each, np.ndarray)]
        if step.primitive.kind not in (Kind.ELEMENTWISE, Kind.CREATION):
            terms = _terms(step, made, arrays)
            magnitudes = [
                np.abs(each) if isinstance(each, np.ndarray) and each.dtype.kind in "fc" else each
                for each in inputs
            ]
            try:
                size = size + np.abs(step.primitive.numpy(*magnitudes, **step.params))
            except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError):
                # not every function takes magnitudes: an inverse matrix, say
                size = size * 2
        error = self._signs(made) * size * (4 * terms * np.finfo(made.dtype).eps)
        return np.where(np.isfinite(error), made + error, made).astype(made.dtype)


def _terms(step: Compute, made: np.ndarray, arrays: list[np.ndarray]) -> float:
    """Return about how many terms each element is summed up from."""
    sizes = [max(each.size, 1) for each in arrays] or [1]
    if step.primitive.kind is Kind.CONTRACTION:
        return 4 * math.sqrt(math.prod(sizes[:2]) / max(made.size, 1)) + 1
    return max(sizes) / max(made.size, 1) + 1


def interpret(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
    given: Sequence[Any],
) -> tuple:
    """Perform `steps` one by one; return the outputs.

    Args:
        steps, inputs, outputs: as for `kernels.program.lower`.
        given: the inputs; what steps write to is written in place.
    """
    return _Primitives(steps, inputs, outputs, None).run(*given)


class _Primitives(Interpreter):
    """Performs steps, disturbs them, and sees that they give what was recorded of them.

    Args:
        steps, inputs, outputs: as for `kernels.program.lower`.
        rounding: disturbs what steps compute, if it is given.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
        rounding: Rounding | None,
    ) -> None:
        super().__init__(steps, inputs, outputs)
        self._rounding = rounding
        self._rounded: set[Value] = set()

    def operand(self, operand: Any, held: Held) -> Any:
        found = super().operand(operand, held)
        rounding = self._rounding
        if rounding is None or type(operand) is not Value or operand not in self._rounded:
            return found
        return run_quietly(rounding.used, found)

    def compute(self, step: Compute, held: Held) -> np.ndarray:
        # a view shows memory, with what it holds
        operand = super().operand if step.primitive.is_view else self.operand
        given = [operand(each, held) for each in step.inputs]
        made = _compute(step, given)
        rounding, kind = self._rounding, step.primitive.kind
        is_rounded = made.dtype.kind in "fc" and kind not in (Kind.VIEW, Kind.RANDOM)
        if rounding is not None and is_rounded:
            made[...] = run_quietly(rounding.result, step, made, given)
            self._rounded.add(step.output)
        return made


def _compute(step: Compute, inputs: list) -> np.ndarray:
    """Perform one step, and see that it gives what was recorded of it."""
    made = np.asarray(run_quietly(step.primitive.numpy, *inputs, **step.params))
    wrong = _form(step.output, made)
    if wrong:
        raise VerificationError(f"{step.primitive.name} gave another {wrong} than when recorded")
    if step.primitive.name in COPIED:
        return made.copy("K")
    if step.primitive.takes is not None:
        return laid_out(step.output, made)
    if step.primitive.kind is not Kind.VIEW and any(
        isinstance(each, np.ndarray) and np.may_share_memory(made, each) for each in inputs
    ):
        raise VerificationError(f"{step.primitive.name} returned the memory of an input")
    return made


def _form(value: Value, found: np.ndarray) -> str:
    """Return in what `found` is not as `value` says; an empty text if it is."""
    if found.dtype != value.dtype:
        return f"dtype, {found.dtype} for {value.dtype}"
    if found.shape != tuple(value.shape):
        return f"shape, {found.shape} for {tuple(value.shape)}"
    strides = [
        (step // found.itemsize, wanted)
        for size, step, wanted in zip(found.shape, found.strides, value.strides)
        if size > 1
    ]
    if found.size and any(one != other for one, other in strides):
        return f"strides, {[each for each, _ in strides]} for {[each for _, each in strides]}"
    return ""


def copies(inputs: Sequence[Value | Scalar], given: Sequence[Any]) -> list[Any]:
    """Return the inputs in memory of their own, overlapping as they do."""
    places: dict[Memory, list[int]] = {}
    for at, each in enumerate(inputs):
        if isinstance(each, Value):
            places.setdefault(each.memory, []).append(at)
    made = list(given)
    for group in places.values():
        bounds = [np.lib.array_utils.byte_bounds(given[at]) for at in group]
        begin = min(low for low, _ in bounds) // 64 * 64
        buffer = np.zeros(max(high for _, high in bounds) - begin + 64, np.uint8)
        start = -address(buffer) % 64
        for at in group:
            array = given[at]
            offset = start + address(array) - begin
            made[at] = np.ndarray(array.shape, array.dtype, buffer, offset, array.strides)
            made[at][...] = array
    return made


class Checks:
    """What the checked programs of one function have seen.

    Attributes:
        runs: how often a program was compared.
        close_calls: how often an integer, a boolean or a decision came out differently because a
            threshold was closer than the rounding.
    """

    def __init__(self) -> None:
        self.runs = 0
        self.close_calls = 0

    def __call__(
        self,
        program: Program,
        steps: Sequence[Step],
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
        segment: Segment,
        what: str,
    ) -> CheckedProgram:
        """Return `program` with a check around it; `segment` and `what` say what it belongs to."""
        return CheckedProgram(self, program, steps, inputs, outputs, segment, what)


class CheckedProgram:
    """Stands for a program, whose runs it checks."""

    def __init__(
        self,
        checks: Checks,
        program: Program,
        steps: Sequence[Step],
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
        segment: Segment,
        what: str,
    ) -> None:
        self.checks = checks
        self.program = program
        self.steps = list(steps)
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.segment = segment
        self.what = what
        self.kernels = program.kernels
        self.native_calls = program.native_calls
        self.compile_seconds = program.compile_seconds
        self.source = program.source
        self.instructions = program.instructions
        self.footprint = program.footprint
        self.why_not = program.why_not
        self._primitives = _Primitives(self.steps, self.inputs, self.outputs, None)
        self._generators = {
            id(each): each
            for each in (
                step.params.get("generator") or default_generator
                for step in self.steps
                if isinstance(step, Compute) and step.primitive.kind is Kind.RANDOM
            )
        }

    def at_once(self) -> Callable[..., tuple]:
        """Return `run`, which checks from now on what is done as one native call."""
        self.program.at_once()
        return self.run

    def run(self, *given: Any) -> tuple:
        """Run natively; raise `VerificationError` if the primitives give something else.

        Effects happen once: in memory, and in the streams of random numbers.
        """
        before = copies(self.inputs, given)
        streams = [each.numpy.bit_generator for each in self._generators.values()]
        stream_states: list[Any] = [each.state for each in streams]

        def reference(rounding: Rounding | None = None) -> list[Any]:
            """Return the outputs, and the inputs as they are then."""
            for stream, known in zip(streams, stream_states):
                stream.state = known
            used = copies(self.inputs, before)
            primitives = self._primitives
            if rounding is not None:
                primitives = _Primitives(self.steps, self.inputs, self.outputs, rounding)
            return [*primitives.run(*used), *used]

        expected, refused = _attempt(reference)
        for stream, known in zip(streams, stream_states):
            stream.state = known
        made, raised = _attempt(lambda: self.program.run(*given))
        if type(raised) is not type(refused):
            raise self.error("it", f"{raised or 'no error'!r}", f"{refused or 'no error'!r}", "")
        if raised is not None:
            raise raised
        after = [each.state for each in streams]
        try:
            self.compare([*made, *given], expected, reference)
        finally:
            for stream, known in zip(streams, after):
                stream.state = known
        self._look_where_outputs_are(made, given)
        self.checks.runs += 1
        return made

    def compare(self, found: list[Any], expected: list[Any], reference: Callable) -> None:
        """Compare all results; `reference` computes them again with disturbances."""
        disturbed: list[list[Any]] = []
        seeds = list(range(DISTURBED_RUNS))
        order = {
            step.output: at for at, step in enumerate(self.steps) if not isinstance(step, Write)
        }
        names = [*self.outputs, *self.inputs]
        for at in sorted(range(len(names)), key=lambda i: order.get(names[i], len(order) + i)):
            one, other, name = found[at], expected[at], names[at]
            self._compare_form(name, one, other)
            left, right = np.asarray(one), np.asarray(other)
            if np.array_equal(left, right, equal_nan=left.dtype.kind in "fc"):
                continue
            while True:
                bad = np.asarray(unexplained(left, right, [np.asarray(e[at]) for e in disturbed]))
                if not bad.any():
                    break
                if not seeds:
                    raise self._difference(name, left, right, bad, at < len(self.outputs))
                again, error = _attempt(lambda: reference(Rounding(seeds.pop())))
                if error is None:
                    disturbed.append(again)
            if left.dtype.kind not in "fc" or self._decides_otherwise(name, one, other):
                self.checks.close_calls += 1

    def _decides_otherwise(self, name: Value | Scalar, one: Any, other: Any) -> bool:
        """Does the segment's site come out differently with the one and the other value?"""
        end = self.segment.end
        if self.segment.program is not self or not isinstance(end, Branch) or end.slot is None:
            return False
        return end.snapshot.state.slot_of.get(name) == end.slot and (
            end.exact or bool(one) != bool(other)
        )

    def _compare_form(self, name: Value | Scalar, one: Any, other: Any) -> None:
        if isinstance(name, Scalar):
            wrong = "" if type(one) is type(other) else "type"
        else:
            wrong = _form(name, one)
        if wrong:
            raise self.error(self._maker(name), repr(one), repr(other), f"they differ in {wrong}")

    def _look_where_outputs_are(self, made: tuple, given: Sequence[Any]) -> None:
        """See that views lie in their input's memory at their place, all others outside."""
        bases = {
            value.memory: (value, array)
            for value, array in zip(self.inputs, given)
            if isinstance(value, Value)
        }
        for name, array in zip(self.outputs, made):
            if not isinstance(name, Value) or not array.size:
                continue
            base = bases.get(name.memory)
            if base is None:
                right = not any(
                    np.may_share_memory(array, each) for _, each in bases.values() if each.size
                )
            else:
                away = (name.offset - base[0].offset) * array.itemsize
                right = not base[1].size or address(array) == address(base[1]) + away
            if not right:
                raise self.error(self._maker(name), "another place in memory", "its own", "")

    def _maker(self, name: Value | Scalar, is_output: bool = True) -> str:
        """Return the step that made a value or wrote last to its memory, as traces print it."""
        found = "an input"
        for step, text in zip(self.steps, printed_steps(self.steps)):
            if isinstance(step, Write):
                mine = isinstance(name, Value) and step.target.memory is name.memory
            else:
                mine = is_output and step.output is name
            if mine:
                found = f"{text}  # {_place(step.line)}" if step.line else text
        return found

    def _difference(
        self, name: Any, one: np.ndarray, other: np.ndarray, bad: np.ndarray, is_output: bool
    ) -> VerificationError:
        with np.errstate(all="ignore"):
            away = one.astype(np.complex128) - other.astype(np.complex128)
            size = np.asarray(np.abs(away))
        size[~bad] = -1
        size[np.isnan(size)] = np.inf
        at = np.unravel_index(int(size.argmax()), size.shape)
        index = f"[{', '.join(map(str, at))}]" if at else ""
        count = f"{int(bad.sum())} of {bad.size} elements differ; this one by {size[at]:.3g}"
        note = (
            f"{count}, more than rounding of {one.dtype} explains"
            if one.dtype.kind in "fc"
            else count
        )
        return self.error(
            self._maker(name, is_output),
            str(one[at]),
            str(other[at]),
            f"at {index or 'it'}: {note}",
        )

    def error(self, step: str, one: str, other: str, note: str) -> VerificationError:
        """Return what is raised where native code gives `one`, the primitives `other`."""
        lines = [each.line for each in self.segment.steps if each.line]
        start = self.segment.start
        line = lines[0] if lines else start.line if start is not None else self.segment.end.line
        text = (
            f"{self.what} of the segment at {line[0]}:{line[1]}: native code and primitives differ"
        )
        parts = [text, f"  step: {step}", f"  native code: {one}", f"  primitives:  {other}"]
        return VerificationError("\n".join([*parts, *([f"  {note}"] if note else [])]))


def _place(line: tuple[str, int]) -> str:
    return f"{line[0].rsplit('/', 1)[-1]}:{line[1]}"


def _attempt(function: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return function(), None
    except VerificationError:
        raise
    except Exception as error:
        return None, error


def unexplained(found: np.ndarray, expected: np.ndarray, disturbed: list[np.ndarray]) -> np.ndarray:
    """Return where `found` differs from `expected` by more than the disturbances explain."""
    if found.dtype.kind == "c":
        real, imaginary = (
            unexplained(part(found), part(expected), [part(each) for each in disturbed])
            for part in (np.real, np.imag)
        )
        return real | imaginary
    runs = np.stack([expected, *disturbed])
    if found.dtype.kind != "f":
        return (found < runs.min(0)) | (found > runs.max(0))
    wide = runs.astype(np.float64)
    value = found.astype(np.float64)
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(wide), np.fmax.reduce(wide)
        reach = REACH * (high - low)
        reach = np.where(np.isfinite(reach), reach, 0)
        inside = (low - reach <= value) & (value <= high + reach)
    same = np.isnan(value) & np.isnan(wide).any(0)
    return ~(inside | same)
