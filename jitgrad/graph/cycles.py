"""Loops run natively: paths that lead back to where they began are turned by one native call.

A loop that has turned often begins anew at its head, with what is live there as the arguments of
an entrance. Where paths from that entrance end by beginning anew at the same place, with values
of the same kinds, they are the ways through a turn of a loop, and native code decides between them
as the graph does. The first turn that would take an unknown way is left to the graph.
"""

from __future__ import annotations

from typing import Any

from jitgrad import config
from jitgrad.dispatch import wrap
from jitgrad.graph.appending import Appended, NothingAppended, elements_of
from jitgrad.graph.derivative import root_nodes
from jitgrad.graph.entrance import Going
from jitgrad.graph.exchanging import Exchange
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.joins import (
    Again,
    Carried,
    Exchanged,
    Made,
    Moved,
    Rebuilt,
    Stays,
    Unsuitable,
    changes,
    shown,
)
from jitgrad.graph.loop_facts import check_facts
from jitgrad.graph.loop_layout import Held, LoopLayout, Way
from jitgrad.graph.loop_tape import Past
from jitgrad.graph.loop_writes import announce, check_writes, raise_versions
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Continue, Segment
from jitgrad.graph.verify_loops import make_loop
from jitgrad.graph.ways import WayBack
from jitgrad.kernels.loops import NotNative, Path, Stop, Test, Turns
from jitgrad.locks import SHARED

WARM = 128
"""How often a path is seen to lead back to its beginning before it is made a native loop; where
there is one already, an eighth of it."""

PATIENCE = 4
"""How many times as often it is seen to do so if each call turns seldom."""

MOST_WAYS = 32
"""How many ways a loop may have."""

SOON = 16
"""How many runs in a row have done one turn at most where the first turns are left to Python."""

SLICE = 1 << 16
"""Turns after which the world outside is looked at again."""


class Cycle:
    """Paths that lead back to their common beginning, as a native loop.

    Args:
        ways: these paths.

    Attributes:
        loop: the native loop.
        carried: for the arguments that change in some turn, by their place, what they are.
        exchange: the tensors that change places.
        elements: what the turns append to lists, by way; `nothing` stands for it if that is so.
        writes: turns write to tensors that are there in all of them.
        changes: these arguments, see `changes`; `shown`: the tensors among them, by way.
        layout: what autograd has to know of it, None where nothing has a history.
        dependent: one of its results may depend on another one.
        left_soon: how many runs in a row have done one turn at most.
        followed_by: the last segment of the path that a call took behind it, the last time.

    Raises:
        Unsuitable: they are no ways through one native loop.
    """

    def __init__(self, ways: list[WayBack]) -> None:
        self.ways = ways
        self.line = ways[0].end.line
        self.carried = self._carried()
        self.number = {position: at for at, position in enumerate(self.carried)}
        check_facts(ways)
        self.exchange = Exchange(ways)
        self.writes = any(way.written or way.announced or way.rewrites for way in ways)
        self.changes = list(changes(ways))
        self.shown = [shown(way) for way in ways]
        begun = list(self.carried.values())
        self.layout: LoopLayout | None = None
        self.dependent = False
        self.left_soon = 0
        self.followed_by: Segment | None = None
        kept: list[list[Value | Scalar]] = [[] for _ in ways]
        self.elements = elements_of(ways, begun)
        moves = any(isinstance(join, Moved) for way in ways for join in way.joins)
        appends = any(way.appends for way in ways)
        self.nothing = None if moves or appends else NothingAppended(len(ways))
        if any(way.entering or each.seen for way, each in zip(ways, self.elements)):
            for way, records in zip(ways, kept):
                records += [each for each in way.layout.slots if each in way.made or each in begun]
            self.layout = LoopLayout(
                [
                    Way(way.layout, way.entering, records, way.storages(), [*each.seen.values()])
                    for way, records, each in zip(ways, kept, self.elements)
                ]
            )
            self.dependent = self.layout.is_dependent()
        check_writes(ways, begun, self.layout)
        self.exchange.check(ways, self.layout)
        self.recorded = [
            list(dict.fromkeys([*records, *each.kept]))
            for records, each in zip(kept, self.elements)
        ]
        # where the value of an input is found, by way
        self.sources: dict[Value | Scalar, list[tuple[int, int]]] = {each: [] for each in begun}
        for number, way in enumerate(ways):
            for each in [*begun, *self.exchange.values, *way.reads]:
                found = self.sources.setdefault(each, [])
                if each in way.state.slot_of:
                    found.append((number, way.state.slot_of[each]))
        try:
            self.loop = make_loop(
                [*self.sources, *self.exchange.numbers],
                [*begun, *self.exchange.numbers],
                [self._path(number) for number in range(len(ways))],
                [way.last for way in ways],
                "a native loop",
                marks=self.layout is not None or appends,
            )
        except NotNative as why:
            raise Unsuitable(str(why)) from None

    def _carried(self) -> dict[int, Value | Scalar]:
        """Find what changes from turn to turn."""
        found: dict[int, Value | Scalar] = {}
        if any(way.parts != self.ways[0].parts for way in self.ways):
            raise Unsuitable("a tuple is read on one way, and not on another")
        for position, joins in enumerate(zip(*(way.joins for way in self.ways), strict=True)):
            changing = {type(each) for each in joins} - {Stays}
            if len(changing) > 1 or (changing == {Made} and Stays in map(type, joins)):
                raise Unsuitable("an argument is this on one way and that on another")
            if Moved in changing and len(self.ways) > 1:
                raise Unsuitable("tensors change places on one of several ways")
            made = [each.recipe for each in joins if isinstance(each, Made)]
            if any((each.kind, each.state) != (made[0].kind, made[0].state) for each in made):
                raise Unsuitable("an object is made in this way on one way, and in that on another")
            rebuilt = [each for each in joins if isinstance(each, Rebuilt)]
            if any(each.constants != rebuilt[0].constants for each in rebuilt):
                raise Unsuitable("a tuple is made in this way on one way, and in that on another")
            for each in joins:
                if isinstance(each, (Carried, Moved)):
                    found[position] = each.given
        return found

    def _path(self, number: int) -> Path:
        """Return what a turn does on a way, and what becomes of what is carried."""
        way = self.ways[number]
        found = []
        for position, given in self.carried.items():
            join = way.joins[position]
            found.append(join.output if isinstance(join, (Carried, Moved)) else given)
        more, outputs, exchanged = self.exchange.of(way)
        return Path(
            [*way.steps, *more],
            self._tests(number),
            [*found, *outputs],
            self.recorded[number],
            exchanged=exchanged,
        )

    def _tests(self, number: int) -> list[Test]:
        """Return the tests on a way, each with the way that is tried where it fails.

        This is the next one that departs from the path where the test decides.
        """
        way = self.ways[number]
        tests = []
        for each in way.decisions:
            instead = None
            if each.behind is not None:
                own = _following(way, each.behind)
                others = [*range(number + 1, len(self.ways)), *range(number)]
                for other in others:
                    following = _following(self.ways[other], each.behind)
                    if following is not None and following is not own:
                        instead = other
                        break
            tests.append(Test(each.position, each.operand, each.expected, instead))
        return tests

    # -- running ----------------------------------------------------------------------------

    def pays(self, going: Going) -> bool:
        """Is it likely that more than one turn is done from here on?

        Where that was not so again and again the paths are followed as any others, which takes half
        as long, until the call has come back here twice.
        """
        return going.turned is not self and (self.left_soon < SOON or going.turns > 1)

    def run(self, run: Run, going: Going) -> Going | None:
        """Turn as long as the ways are known; None where not a single turn is done."""
        runs = [way.prepared(run) for way in self.ways]
        closed = [number for number, each in enumerate(runs) if each is None]
        if len(closed) == len(runs):
            return None
        first = 0
        while runs[first] is None:
            first += 1
        values = [_found(places, runs) for places in self.sources.values()] + self.exchange.first
        if self.writes:
            announce(self.ways, runs, self.exchange.announced)
        turns = self.loop.run(
            values, (), SLICE, config.max_tape or 1 << 62, closed=closed, first=first
        )
        if not self.writes:
            return self._behind(turns, run, runs, going)
        try:
            return self._behind(turns, run, runs, going)
        except BaseException as why:
            # what has begun to be appended is not appended again
            was_torn, run.is_torn = run.is_torn, turns.finished > 0
            if was_torn or not turns.finished or any(way.state.rebased for way in self.ways):
                raise
            turns = turns._replace(error=why)
        # what has been written is written, and the call stands behind that
        return self._behind(turns, run, runs, going)

    def _behind(self, turns: Turns, run: Run, runs: list[Run | None], going: Going) -> Going | None:
        """Return the call that goes on behind turns; None where there are none."""
        if self.writes:
            raise_versions(self.ways, runs, turns.counts, self.exchange.roots)
            self.exchange.raise_versions(turns, run)
        self.left_soon = self.left_soon + 1 if turns.finished < 2 else 0
        error = self._too_large(turns) if turns.stop is Stop.MEMORY else turns.error
        # what has been written has its history, whatever is raised then
        is_seen = turns.finished and any(way.written for way in self.ways)
        if error is not None and not is_seen:
            raise error
        if not turns.finished:
            return None
        for way, count in zip(self.ways, turns.counts):
            way.last.hits += count
        appended: Appended | NothingAppended | None = self.nothing
        if appended is None:
            records = [dict(zip(each, tape)) for each, tape in zip(self.recorded, turns.tape)]
            appended = Appended(self.elements, turns, runs, records)
        taken = sum(1 << number for number, count in enumerate(turns.counts) if count)
        values = self._values(turns, run, runs, going, appended, taken)
        given = values[: len(going.values)]
        gone = Going(going.layout, given, turned=None if turns.stop is Stop.LIMIT else self)
        gone.turns, gone.taken = turns.finished, taken
        gone.trail = self._trail(turns)
        if self.layout is not None:
            self._remember(turns, runs, values, appended)
            for way, tape in zip(self.layout.ways, turns.tape):
                for record in tape[: len(way.kept)]:
                    gone.kept_bytes += record.nbytes
        run.is_torn = True
        appended.perform()
        gone.error, run.going = error, gone
        return gone

    def _too_large(self, turns: Turns) -> MemoryError:
        file, line = self.line
        return MemoryError(
            f"the loop at {file}:{line}: what its turns leave for the backward pass and append "
            f"to lists takes more than {config.max_tape} bytes after {turns.finished} turns "
            "(jitgrad.config.max_tape). Raise the limit, or cut the history with detach(), or "
            "compute under no_grad()."
        )

    def _trail(self, turns: Turns) -> tuple:
        """Return which ways were taken, turn by turn if that is known."""
        taken = [id(way.last) for way, count in zip(self.ways, turns.counts) if count]
        if len(taken) < 2 or turns.order is None or turns.finished > config.unroll:
            return tuple(taken)
        return tuple(id(self.ways[way].last) for way in turns.order)

    def _values(
        self,
        turns: Turns,
        run: Run,
        runs: list[Run | None],
        going: Going,
        appended: Appended | NothingAppended,
        taken: int,
    ) -> list[Any]:
        """Return the arguments behind the last turn, and the parts of those that have some."""
        values = list(going.values)
        for holder, key, _ in self.ways[0].parts:
            values.append(values[holder][key])
        rebuilt = []
        moved = self.exchange.tensors(turns, run)
        for position, join, changing in self.changes:
            if not changing & taken:
                continue
            if isinstance(join, (Carried, Moved)):
                made = turns.carried[self.number[position]]
                if join.root is not None:
                    seen = appended.tensor(join.root, turns.finished)
                    if seen is None:
                        seen = wrap(made)
                        seen._storage.version = join.writes if isinstance(join, Carried) else 0
                    made = seen
                values[position] = made
            elif isinstance(join, Again):
                values[position] = values[join.position]
            elif isinstance(join, Exchanged):
                values[position] = moved[join.root]
            elif isinstance(join, Made):
                values[position] = join.recipe.build(next(each for each in runs if each))
            else:
                rebuilt.append((position, join))
        for position, join in reversed(rebuilt):
            values[position] = join.build(values)
        return values

    def _remember(
        self, turns: Turns, runs: list[Run | None], values: list[Any], appended: Any
    ) -> None:
        """Give what comes out of the last turn its history, and what was appended in all turns."""
        assert self.layout is not None
        nodes: dict = {}
        held: list[Held | None] = [None] * len(runs)
        for number, (way, run, count) in enumerate(zip(self.ways, runs, turns.counts)):
            if count and run is not None:
                nodes.update(root_nodes(run, way.state.variables))
                held[number] = self.layout.ways[number].held(run)
        numbers = {
            root: position
            for pairs, count in zip(self.shown, turns.counts)
            for position, root in pairs
            if count
        }
        storages = {root: values[position]._storage for root, position in numbers.items()}
        past = Past(self.layout, turns, held, storages, appended.storages())
        node = past.histories(nodes, self.dependent)
        if node is not None and node.is_chain:
            appended.give_histories(node)
        for variable in self.layout.leading:
            position = numbers.get(variable.root)  # type: ignore[arg-type]
            if position is not None:
                values[position]._node, values[position]._index = nodes[variable]
        for way, run, count in zip(self.ways, runs, turns.counts):
            if count and run is not None:
                for root in way.state.rebased:
                    tensor, before = run.roots[root], way.state.variables[root]
                    tensor._node, tensor._index = nodes[before]


def turn(first: Segment, run: Run, going: Going) -> Going | None:
    """Turn in the first of the native loops at a segment that does a turn."""
    for cycle in first.cycles:
        turned = cycle.run(run, going) if cycle.pays(going) else None
        if turned is not None:
            going.came_to(first)
            return turned
    return None


def _found(places: list[tuple[int, int]], runs: list[Run | None]) -> Any:
    """Return what is at one of these places: the number of a way, and a slot of its run."""
    for number, slot in places:
        run = runs[number]
        if run is not None:
            return run.slots[slot]
    return None


def _following(way: WayBack, behind: Segment) -> Segment | None:
    """Return the segment of a way that comes behind another one, None where it does not pass."""
    segments = way.segments
    for at, each in enumerate(segments[:-1]):
        if each is behind:
            return segments[at + 1]
    return None


def count_return(first: Segment, last: Segment, values: list[Any], turns: int) -> str:
    """Count that a path led back to its beginning; make it a native loop when that is usual.

    Args:
        first, last: segments of the path.
        values: with which it begins and ends.
        turns: how often the call has come back here. Where that is seldom, the turns may yet be
            recorded in a row.

    Returns:
        Why it is none, empty if that is not known.
    """
    end = last.end
    assert isinstance(end, Continue)
    returns = end.returns = end.returns + 1
    usual = max(WARM // 8, 2) if first.cycles else WARM
    if end.settled or returns < (usual if turns > config.unroll else PATIENCE * usual):
        return ""
    end.settled = True
    try:
        way = WayBack(last, values)
        while True:
            known, made = first.cycles, _with(first.cycles, way)
            with SHARED:
                # or another thread has found another way meanwhile
                if first.cycles is known:
                    first.cycles = made
                    return ""
    except Unsuitable as why:
        return str(why)


def _with(cycles: list[Any], way: WayBack) -> list[Any]:
    """Return loops of which one, or a further one, knows one more way."""
    for at, cycle in enumerate(cycles):
        joined = _joined(cycle, way)
        if joined is not None:
            return [*cycles[:at], joined, *cycles[at + 1 :]]
    return [*cycles, Cycle([way])]


def _joined(cycle: Cycle, way: WayBack) -> Cycle | None:
    """Return a loop that knows one more way, None where they do not go together."""
    if len(cycle.ways) == MOST_WAYS:
        return None
    try:
        return Cycle([*cycle.ways, way])
    except Unsuitable:
        return None
