"""Who shares memory with whom from turn to turn: what loops cannot follow is declined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Step, Value, Write
from jitgrad.kernels.conventions import DTYPES
from jitgrad.kernels.geometry import span
from jitgrad.kernels.loops import NotNative, Path
from jitgrad.kernels.records import packed, same_places

Input = Value | Scalar


def check_aliases(
    steps: Sequence[Step],
    inputs: Sequence[Input],
    carried: Sequence[tuple[Input, Input]],
    written: set[Memory],
) -> None:
    """Check that who shares memory with whom, and who writes to it, is the same in every turn.

    Args:
        steps: of a path.
        inputs: what it reads.
        carried: what becomes what for the next turn.
        written: the memories that a path of the loop writes to.

    Raises:
        NotNative: it is not.
    """
    pairs = [(a, b) for a, b in carried if isinstance(a, Value) and isinstance(b, Value)]
    states = {target.memory for target, _ in pairs}
    fixed = {
        each.memory
        for each in inputs
        if isinstance(each, Value) and not any(each is target for target, _ in pairs)
    }
    if states & fixed:
        raise NotNative("a carried value shares memory with an input that is not carried")
    for target, source in carried:
        _check_pair(target, source)
    for target, source in pairs:
        for other, next_source in pairs:
            together = target.memory is other.memory
            if together and (
                source.memory is not next_source.memory
                or source.offset - target.offset != next_source.offset - other.offset
            ):
                raise NotNative("values that share memory are carried apart")
            shared = source.memory is next_source.memory and not together
            if shared and {target.memory, other.memory} & written:
                raise NotNative("two carried values come to share memory, and one is written")
        if {target.memory, source.memory} & written and source.memory in fixed:
            raise NotNative("a carried value becomes one that stays, and one of them is written")
    check_reach(steps, [target for target, _ in pairs])


def _check_pair(target: Input, source: Input) -> None:
    if isinstance(target, Scalar) or isinstance(source, Scalar):
        if not (isinstance(target, Scalar) and isinstance(source, Scalar)):
            raise NotNative("a carried number becomes a tensor")
        if target.type is not source.type or target.type not in (int, float, bool):
            raise NotNative("a carried number changes its type")
        return
    if target.shape != source.shape or target.dtype != source.dtype:
        raise NotNative("a carried value changes its shape or dtype")
    if not same_places(target, source.strides):
        raise NotNative("a carried value changes its strides")
    if target.dtype not in DTYPES:
        raise NotNative(f"a carried value of {target.dtype}")


def check_exchanged(path: Path, inputs: Sequence[Input], carried: Sequence[Input]) -> None:
    """Check that the exchanged inputs of a path stand for each other in all that a turn does.

    Raises:
        NotNative: they do not.
    """
    given = [target for target, _ in path.exchanged]
    if {source for _, source in path.exchanged} != set(given):
        raise NotNative("values do not change places in a circle")
    if not set(given) <= set(inputs) - set(carried):
        raise NotNative("a value is carried, and changes places with others")
    if any(
        (a.shape, a.strides, a.dtype) != (b.shape, b.strides, b.dtype) for a, b in path.exchanged
    ):
        raise NotNative("values change places that do not lie alike")
    memories = [each.memory for each in inputs if isinstance(each, Value)]
    if any(memories.count(each.memory) > 1 for each in given):
        raise NotNative("a value changes places that shares its memory with another input")
    for each in given:
        check_reach(path.steps, [each])


def check_reach(steps: Sequence[Step], shown: Sequence[Value]) -> None:
    """Check that steps touch no element of the memory of `shown` but those that these show."""
    targets: dict[Memory, list[Value]] = {}
    for target in shown:
        targets.setdefault(target.memory, []).append(target)
    for step in steps:
        value = step.target if isinstance(step, Write) else getattr(step, "output", None)
        if isinstance(value, Value) and not _is_covered(value, targets.get(value.memory)):
            raise NotNative("a view reaches beyond the value that it shows")


def _is_covered(value: Value, targets: Sequence[Value] | None) -> bool:
    if targets is None or not value.size:
        return True
    low, high = span(value)
    for each in targets:
        first, last = span(each)
        if first <= low and high <= last and same_places(each, packed(each)):
            return True
    known = {place for each in targets for place in _elements(each)}
    return known.issuperset(_elements(value))


def _elements(value: Value) -> list[int]:
    """Return where the elements lie."""
    places = np.array(value.offset)
    for size, stride in zip(value.shape, value.strides):
        places = np.add.outer(places, np.arange(size) * stride)
    return places.reshape(-1).tolist()
