"""What the call writes to the memory of tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jitgrad.graph.changes import Changes
from jitgrad.graph.ir import Compute, Memory, Scalar, Value, Write
from jitgrad.graph.origins import Excerpt, SavedValue, TensorEntry
from jitgrad.ops.slicing import PLACED


class Writes(Changes):
    """Takes notes of in-place operations.

    Where an excerpt is written, so are its copy, with which the trace computes, and the part of the
    tensor that it stands for. The copies of all others from there are out of date then, until they
    are read.
    """

    def unknown(self, reason: str) -> None:
        """End the recording before the instruction at hand."""
        raise NotImplementedError

    def where(self) -> tuple[str, int]:
        """Return the file and line of the instruction at hand."""
        raise NotImplementedError

    def available(self, held: Value | Scalar) -> bool:
        """Can the current segment read this?"""
        raise NotImplementedError

    def compute_number(
        self, symbol: str, function: Callable, operands: tuple, result: Any
    ) -> Scalar:
        """Add a step that computes a number."""
        raise NotImplementedError

    def why_not_rebased(self, target: Any, known: TensorEntry) -> str:
        """Return why it cannot be followed what a write does to histories, or nothing."""
        raise NotImplementedError

    def readable(self, held: Value | Scalar) -> bool:
        """Can the current segment read this? A copy that is out of date is made anew for that."""
        if isinstance(held, Value) and self.path.excerpts.get(held.memory):
            memory = held.memory
            assert isinstance(memory, Excerpt)
            whole = memory.shown if self.available(memory.shown) else held
            if not self.available(held) or not self._is_placed(memory):
                return False
            self.segment.steps.append(Write(whole, self._placed(whole), self.where()))
            self.path.excerpts[memory] = whole is not memory.shown
        return self.available(held)

    def write(self, target: Any, source: Any) -> None:
        """Note that the elements of `target` are about to be overwritten."""
        if not self.active:
            return None
        computed = self.segment.steps[-1]
        assert isinstance(computed, Compute)
        known, new = self.entry(target), self.entry(source)
        if known is None or new is None or not self.readable(known.value):
            return self.unknown("a write to a tensor that does not come from this call or a guard")
        memory = known.value.memory
        whole = memory.whole if isinstance(memory, Excerpt) else memory
        if isinstance(memory, Excerpt) and not self._is_placed(memory):
            return self.unknown("a write at a position of run time that is gone")
        writes = self.path.writes
        count = writes.get(known.storage, 0) + 1
        if computed.variable is not None:
            why_not = self.why_not_rebased(target, known)
            if why_not:
                return self.unknown(why_not)
            history = computed.variable.history
            if history.out is not None:
                history.out = SavedValue(known.value, known.storage, count)
        if whole in self.foreign and len(self.foreign) > 1:
            return self.unknown(
                "a write to borrowed memory, of which another argument may show a part"
            )
        steps, line = self.segment.steps, self.where()
        steps.append(Write(known.value, new.value, line))
        if isinstance(memory, Excerpt):
            steps.append(Write(self._placed(known.value), new.value, line))
        writes[known.storage] = count
        for each in self.path.excerpts:
            if isinstance(each, Excerpt) and each.whole is whole and each is not memory:
                self.path.excerpts[each] = True
        if self.made_in.get(known.storage.memory) is not self.segment:
            self.visible = True
        return None

    def _is_kept(self, known: TensorEntry) -> bool:
        """Is a tensor that was stored outside to get its history in the end?"""
        return any(known in entries for entries in self.path.kept.values())

    def _is_placed(self, memory: Memory) -> bool:
        """Is known where the part lies that an excerpt stands for?"""
        source: Value | None = None
        while isinstance(memory, Excerpt):
            if not self.available(memory.number):
                return False
            source = memory.source.value
            memory = source.memory
        return source is not None and self.available(source)

    def _placed(self, value: Value) -> Value:
        """Return the region for which a part of an excerpt stands, in the memory of its tensor."""
        memory = value.memory
        number, distance, offset = self.place_of(value)
        source = value
        while isinstance(memory, Excerpt):
            source = memory.source.value
            memory = source.memory
        region = Value(value.shape, value.strides, value.dtype, memory, offset, (number, distance))
        params = {
            "distance": distance,
            "size": value.shape,
            "stride": value.strides,
            "offset": offset - source.offset,
        }
        step = Compute(PLACED, (source, number), params, region, None, self.where())
        self.segment.steps.append(step)
        self.produced.add(region)
        return region

    def is_place_known(self, memory: Memory) -> bool:
        """Is there a number that says where an excerpt lies?"""
        assert isinstance(memory, Excerpt)
        number = self.placing.get(memory, memory.number)
        is_one = memory in self.placing or not isinstance(memory.source.value.memory, Excerpt)
        return is_one and self.available(number)

    def place_of(self, value: Value) -> tuple[Scalar, int, int]:
        """Return where a part of an excerpt lies: a number of run time, its distance, the rest."""
        offset, memory = value.offset, value.memory
        numbers = []
        while isinstance(memory, Excerpt):
            numbers.append((memory.number, memory.distance))
            offset += memory.source.value.offset
            memory = memory.source.value.memory
        if len(numbers) == 1:
            return *numbers[0], offset
        if not self.is_place_known(value.memory):
            self.placing[value.memory] = self._added_up(numbers)
        return self.placing[value.memory], 1, offset

    def _added_up(self, numbers: list[tuple[Scalar, int]]) -> Scalar:
        """Add steps that add up numbers times distances; return their result."""
        total: Scalar | None = None
        for number, distance in numbers:
            part = self.compute_number("{0} * {1}", operator.mul, (number, distance), 0)
            if total is None:
                total = part
            else:
                total = self.compute_number("{0} + {1}", operator.add, (total, part), 0)
        assert total is not None
        return total
