"""Groups of operations that share one nest of loops.

A group visits a common iteration space, the product of its `dims`. Elementwise operations run
in it; a reduction combines elements along some of the dims, and what follows from its result for
each remaining place runs between the loops. Everything in a group happens at a *time*:

    -2       once, before any loop: operations on numbers
    -1       for each kept place (row), before its loops
    0, 2, .. for each element, in the first, second, .. loop over the reduced dims
    1, 3, .. for each row after that loop: results of reductions and what follows from them

Without a reduction there is one loop over all dims, at time 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from jitgrad.graph.ir import Value
from jitgrad.kernels.geometry import (
    broadcast_strides,
    count,
    overlap,
    parts,
    refined,
    split_strides,
)
from jitgrad.kernels.operations import Map, Reduce

MOST_OPERATIONS = 48
"""Operations in one kernel; compile time grows faster than their number."""

MOST_REGIONS = 24
"""Pointers in the loops of one kernel; more do not fit the registers."""

SINGLE_PASS = 1 << 14
"""Full reductions over more elements end their kernel, so that it can be split over threads."""


class Level(Enum):
    """Which places an operation visits."""

    ONCE = "before all loops"
    ROW = "the kept dims"
    ELEMENT = "all dims"


class Access:
    """How a member of a group reads or writes a region.

    Attributes:
        value: the region.
        strides: by how many elements each dim of the group moves.
    """

    __slots__ = ("strides", "value")

    def __init__(self, value: Value, strides: tuple[int, ...]) -> None:
        self.value = value
        self.strides = strides

    def key(self) -> tuple:
        """Return what two accesses to the same elements at the same places have in common."""
        value = self.value
        return (value.memory, value.offset, value.shift, value.dtype, self.strides)


class Member:
    """An operation in a group.

    Attributes:
        reads: an access for each of `operation.reads`.
        write: the access to the target.
    """

    __slots__ = ("level", "operation", "reads", "time", "write")

    def __init__(
        self,
        operation: Map | Reduce,
        level: Level,
        reads: list[Access],
        write: Access,
        time: int = 0,
    ) -> None:
        self.operation = operation
        self.level = level
        self.reads = reads
        self.write = write
        self.time = time

    @property
    def accesses(self) -> Iterator[Access]:
        yield from self.reads
        yield self.write

    @property
    def ready(self) -> int:
        """The time from which the result exists."""
        return self.time + 1 if isinstance(self.operation, Reduce) else self.time


class _Draft:
    """An operation on its way into a group, over dims of its own (those of size 1 left out)."""

    def __init__(self, operation: Map | Reduce) -> None:
        target = operation.target
        assert target is not None
        self.operation = operation
        shape = operation.source.shape if isinstance(operation, Reduce) else target.shape
        places = [dim for dim, size in enumerate(shape) if size != 1]
        self.sizes = tuple(shape[dim] for dim in places)
        self.reads = [
            [broadcast_strides(each, shape)[dim] for dim in places] for each in operation.reads
        ]
        self.reduced: tuple[bool, ...] = tuple(
            isinstance(operation, Reduce) and dim in operation.dims for dim in places
        )
        self.write = _target_strides(operation, shape, places)

    def split(self, fine: tuple[int, ...]) -> None:
        pieces = parts(self.sizes, fine)
        self.reads = [list(split_strides(each, pieces)) for each in self.reads]
        self.write = list(split_strides(self.write, pieces))
        self.reduced = tuple(flag for flag, sizes in zip(self.reduced, pieces) for _ in sizes)
        self.sizes = fine


def _target_strides(
    operation: Map | Reduce, shape: Sequence[int], places: Sequence[int]
) -> list[int]:
    target = operation.target
    assert target is not None
    strides = list(target.strides)
    if isinstance(operation, Reduce):
        if len(target.shape) != len(shape):
            for dim in sorted(operation.dims):
                strides.insert(dim, 0)
            strides = _with_lost_ones(operation, shape, target)
        else:
            strides = [0 if dim in operation.dims else each for dim, each in enumerate(strides)]
    return [strides[dim] for dim in places]


def _with_lost_ones(operation: Reduce, shape: Sequence[int], target: Value) -> list[int]:
    """Return the target's strides along the source's dims, where keepdim was not asked for."""
    own = [stride for size, stride in zip(target.shape, target.strides) if size != 1]
    strides = [0] * len(shape)
    kept = [dim for dim, size in enumerate(shape) if size != 1 and dim not in operation.dims]
    for dim, stride in zip(kept, own, strict=True):
        strides[dim] = stride
    return strides


class Group:
    """Operations that become one kernel.

    Attributes:
        dims: the sizes of the iteration space.
        kept: which dims a reduction leaves; None while there is no reduction.
        columns: is the innermost dim kept, so that the loop over it is inside the reducing loops?
        members: in program order.
    """

    def __init__(self, operation: Map | Reduce) -> None:
        draft = _Draft(operation)
        self.dims = draft.sizes
        self.kept: frozenset[int] | None = None
        self.columns = False
        self.members: list[Member] = []
        joined = self._admit(draft, Level.ELEMENT, tuple(range(len(self.dims))))
        assert joined

    def join(self, operation: Map | Reduce) -> bool:
        """Take `operation`, which touches the same memory, in after what is there.

        Returns:
            Whether that is possible and pays.
        """
        if len(self.members) >= MOST_OPERATIONS:
            return False
        # what is done once is done when the loops begin
        looped = [each for each in self.members if self.dims and each.level is not Level.ONCE]
        regions = {each.key() for member in looped for each in member.accesses}
        if len(regions) + len(operation.reads) + 1 > MOST_REGIONS:
            return False
        draft = _Draft(operation)
        if self.dims == () != draft.sizes and self.kept is None:
            return self._join_numbers(draft)
        return any(self._admit(draft, level, axes) for level, axes in self._placements(draft))

    def _join_numbers(self, draft: _Draft) -> bool:
        """Take in a loop after operations on numbers, which then come before it."""
        # many are a kernel of their own, or the loops would be cut where it has no more room
        if 2 * len(self.members) > MOST_OPERATIONS:
            return False
        if any(isinstance(each.operation, Reduce) for each in self.members):
            return False
        before = [(each, each.level, each.time) for each in self.members]
        self.dims = draft.sizes
        nowhere = (0,) * len(self.dims)
        for member in self.members:
            member.level, member.time = Level.ONCE, -2
            for access in member.accesses:
                access.strides = nowhere
        everywhere = tuple(range(len(self.dims)))
        if self._may_repeat(self.members) and self._admit(draft, Level.ELEMENT, everywhere):
            return True
        self.dims = ()
        for member, level, time in before:
            member.level, member.time = level, time
            for access in member.accesses:
                access.strides = ()
        return False

    def _placements(self, draft: _Draft) -> Iterator[tuple[Level, tuple[int, ...]]]:
        """Yield the ways in which the dims of `draft` may lie on those of the group."""
        if draft.sizes == () != self.dims:
            yield Level.ONCE, ()
            if self.kept == frozenset():
                yield Level.ROW, ()
            return
        if self.kept is not None:
            rows = tuple(sorted(self.kept))
            if draft.sizes == tuple(self.dims[dim] for dim in rows):
                yield Level.ROW, rows
        if count(draft.sizes) != count(self.dims):
            return
        if draft.sizes != self.dims:
            fine = refined(draft.sizes, self.dims)
            if fine is not None:
                draft.split(fine)
                self._split(fine)
        if draft.sizes == self.dims:
            yield Level.ELEMENT, tuple(range(len(self.dims)))
        if sorted(draft.sizes) == sorted(self.dims):
            yield from self._matching(draft)

    def _matching(self, draft: _Draft) -> Iterator[tuple[Level, tuple[int, ...]]]:
        """Yield placements that follow from the strides of regions that both touch."""
        seen = {tuple(range(len(self.dims)))}
        known = [each for member in self.members for each in member.accesses]
        for value, strides in zip(draft.operation.reads, draft.reads):
            for access in reversed(known):
                if access.value.memory is not value.memory:
                    continue
                axes = self._axes_by_strides(draft.sizes, strides, access.strides)
                if axes is not None and axes not in seen:
                    seen.add(axes)
                    yield Level.ELEMENT, axes

    def _axes_by_strides(
        self, sizes: Sequence[int], strides: Sequence[int], held: Sequence[int]
    ) -> tuple[int, ...] | None:
        free = list(range(len(self.dims)))
        axes: list[int] = []
        for size, stride in zip(sizes, strides):
            for dim in free:
                if self.dims[dim] == size and held[dim] == stride:
                    axes.append(dim)
                    free.remove(dim)
                    break
            else:
                return None
        return tuple(axes)

    def _split(self, fine: tuple[int, ...]) -> None:
        if fine == self.dims:
            return
        pieces = parts(self.dims, fine)
        for member in self.members:
            for access in member.accesses:
                access.strides = split_strides(access.strides, pieces)
        if self.kept is not None:
            flags = [dim in self.kept for dim in range(len(self.dims))]
            spread = [flag for flag, sizes in zip(flags, pieces) for _ in sizes]
            self.kept = frozenset(dim for dim, flag in enumerate(spread) if flag)
        self.dims = fine

    def _admit(self, draft: _Draft, level: Level, axes: tuple[int, ...]) -> bool:
        """Add the operation at this placement unless a hazard forbids it."""
        operation = draft.operation

        def place(strides: Sequence[int]) -> tuple[int, ...]:
            placed = [0] * len(self.dims)
            for axis, stride in zip(axes, strides):
                placed[axis] = stride
            return tuple(placed)

        assert operation.target is not None
        reads = [
            Access(value, place(strides)) for value, strides in zip(operation.reads, draft.reads)
        ]
        write = Access(operation.target, place(draft.write))
        member = Member(operation, level, reads, write)
        kept = self.kept
        if isinstance(operation, Reduce):
            if level is not Level.ELEMENT:
                return False
            kept = frozenset(axis for axis, flag in zip(axes, draft.reduced) if not flag)
            if self.kept is not None and kept != self.kept:
                return False
        time = self._time(member)
        if time is None:
            return False
        columns = self.columns
        if isinstance(operation, Reduce) and self.kept is None:
            columns = self._innermost_is_kept(reads[0], kept or frozenset())
        if columns and (time > 1 or (level is Level.ROW and time != 1)):
            return False
        member.time = time
        self.kept, self.columns = kept, columns
        self.members.append(member)
        return True

    def _innermost_is_kept(self, read: Access, kept: frozenset[int]) -> bool:
        if not kept:
            return False
        candidates = [
            (abs(stride), -dim)
            for access in [read, *(each for member in self.members for each in member.accesses)]
            for dim, stride in enumerate(access.strides)
            if stride
        ]
        return bool(candidates) and -min(candidates)[1] in kept

    def _time(self, member: Member) -> int | None:
        """Return the earliest time at which `member` may run, None if there is none."""
        level = member.level
        # rows without dims come after the loop: in a kernel that is split, it would be done often
        time = {Level.ONCE: -2, Level.ROW: -1 if self.kept else 1, Level.ELEMENT: 0}[level]
        for access in member.reads:
            writer = self.last_writer(access.value, len(self.members))
            if writer is None:
                continue
            if writer.write.key() != access.key():
                return None
            if level is Level.ROW and writer.level is Level.ELEMENT and not _is_reduce(writer):
                return None
            time = max(time, _next_time(level, writer.ready))
        for other in self.members:
            for access in (*other.reads, other.write):
                if not overlap(access.value, member.write.value):
                    continue
                if access.key() != member.write.key():
                    return None
                done = other.ready if access is other.write else other.time
                time = max(time, _next_time(level, done))
        if level is Level.ONCE and (time > -2 or not self._may_repeat([*self.members, member])):
            return None
        if level is Level.ELEMENT and time > 1:
            assert self.kept is not None
            if not self.kept and count(self.dims) > SINGLE_PASS:
                return None
        return time

    def _may_repeat(self, members: Sequence[Member]) -> bool:
        """May each of several threads do what is done once, with the same result?

        Not if it changes memory that it has read.
        """
        numbers = [each for each in members if each.level is Level.ONCE]
        for member in numbers:
            for access in member.reads:
                before = members.index(member)
                if self.last_writer(access.value, before) is None and any(
                    overlap(access.value, each.write.value) for each in numbers
                ):
                    return False
        return True

    def last_writer(self, value: Value, before: int) -> Member | None:
        """Return the last of the first `before` members that writes to a part of `value`."""
        for member in reversed(self.members[:before]):
            if overlap(member.write.value, value):
                return member
        return None


def _is_reduce(member: Member) -> bool:
    return isinstance(member.operation, Reduce)


def _next_time(level: Level, ready: int) -> int:
    """Return the earliest time of this level that is not before `ready`."""
    if level is Level.ONCE:
        return ready
    odd = level is Level.ROW
    return ready if ready % 2 == odd else ready + 1


def is_forwarded(writer: Member, reader: Member) -> bool:
    """Is what `writer` made still in a register when `reader`, in its group, needs it?"""
    return writer.level is not Level.ELEMENT or _is_reduce(writer) or writer.time == reader.time
