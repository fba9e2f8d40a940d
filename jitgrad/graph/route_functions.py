"""The functions of routes: several paths, and the native loops between them, as one.

A path gives the next one, or a loop, what is live: a row of values, tensors with histories among
them. Nobody else sees these where a call usually takes the same route. So a route is written as one
function, in which they are arrays and numbers: it makes only what comes out at its end.

Nothing on a route can be seen before it has come to its end. Where a stage turns out to be another
one, the function returns WRONG, and the call begins as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jitgrad.graph import cycles
from jitgrad.graph.entrance import Going
from jitgrad.graph.facts import SameOutcome
from jitgrad.graph.hot import HotPath
from jitgrad.graph.ir import Scalar
from jitgrad.graph.joins import Again, Carried
from jitgrad.graph.origins import Variable
from jitgrad.graph.path_writer import PathWriter, Unfit
from jitgrad.graph.route_facts import (
    Given,
    Known,
    RouteFacts,
    Row,
    StageFacts,
    Thing,
    Values,
    key_of,
)
from jitgrad.graph.route_gradients import GradientStage, GradientWriter
from jitgrad.graph.route_history import NAMES, KeptLoop, KeptPath, leave_for_later
from jitgrad.graph.route_inlining import inline
from jitgrad.graph.route_paths import StageWriter
from jitgrad.graph.segment import Continue, Result, Segment
from jitgrad.graph.shortcut_facts import Made
from jitgrad.graph.watching import WatchedGuards
from jitgrad.kernels.records import entry


class PathStage(NamedTuple):
    """A path: the key of the entrance where it begins, its first segment, and its program."""

    key: tuple
    first: Segment
    hot: HotPath


class LoopStage(NamedTuple):
    """Turns of a native loop: the key of its entrance, the first segment, and the ways taken.

    Attributes:
        taken: as bits.
    """

    key: tuple
    first: Segment
    cycle: cycles.Cycle
    taken: int


Stage = PathStage | LoopStage | GradientStage


class RouteWriter:
    """Writes the function of a route.

    Args:
        stages: of which the first and the last are paths.
        start: does the first one alone.
        route: is told what calls keep that end with it.

    Raises:
        Unfit: there can be none.
        Unknown: a fact has no faster way to be looked at.
    """

    def __init__(self, stages: Sequence[Stage], start: Callable, route: Any) -> None:
        self.stages = stages
        self.start = start
        self.route = route
        self.facts = RouteFacts()
        self.lines, self.constant = self.facts.lines, self.facts.constant
        self.early: list[str] = []
        self.counts: list[str] = []
        self.kept: list[str] = []
        self.passed: dict[str, KeptPath | KeptLoop] = {}
        self.watched: dict[str, tuple[str, ...]] = {}
        first = stages[0]
        assert isinstance(first, PathStage)
        self.begun, self.dtype, self.names, *_ = first.key
        values: Values = []
        for number, stage in enumerate(stages):
            if isinstance(stage, GradientStage):
                values = self._gradient(stage, number, values)
                continue
            if isinstance(stage.first.guards, WatchedGuards):
                raise Unfit
            if isinstance(stage, LoopStage):
                values = self._loop(stage, f"_{number}_", values)
            else:
                values = self._path(stage, number, values)
        self.lines[self.computes : self.computes] = self.early
        self.inlined: dict[str, Any] = {}
        is_alone = leave_for_later(self.facts, self.passed, self.watched)
        if not is_alone and any(isinstance(each, GradientStage) for each in stages):
            # more nodes are seen than the one that a gradient goes through
            raise Unfit

    def _path(self, stage: PathStage, number: int, values: Values) -> Values:
        facts = self.facts
        if number:
            facts = StageFacts(self.facts, f"_{number}_", values, self.early)
            self._check_key(facts, stage.key, values)
        writer = StageWriter(stage.first, stage.hot, facts)
        writer.lines = self.lines
        if not number:
            writer.entry(stage.key)
        writer.take(stage.hot.last.path())
        if not number:
            writer.things()
            self.computes = len(self.lines)
        writer.compute()
        writer.histories()
        if writer.layout is not None:
            self.passed[writer.node] = KeptPath(writer.layout, writer.values, writer.kept)
            arguments = (facts.storage(root) for _, root in writer.layout.arguments)
            self.watched[writer.node] = tuple(dict.fromkeys(arguments))
        self.counts.append(f"{self.constant(stage.hot.last)}.hits += 1")
        end = writer.end
        if number < len(self.stages) - 1:
            self.kept.append(str(end.kept_bytes))
            return writer.results()
        kept = self._end(not isinstance(end, Continue))
        writer.result(stage.key, kept)
        return []

    def _end(self, is_whole: bool) -> str:
        """Write what is counted where the route ends, and the call if `is_whole`.

        Returns:
            The expression of the bytes that have been kept.
        """
        self.is_whole = is_whole
        self.lines += self.counts
        kept = " + ".join(self.kept)
        if is_whole:
            route = self.constant(self.route)
            self.lines.append(f"{route}.kept_bytes = {kept}")
            note = f"call[0].notes.keep(call[0].calls + 1, {route}.kept_bytes)"
            self.lines.append(f"if call: {note}")
        return kept

    # -- gradients --------------------------------------------------------------------------

    def _gradient(self, stage: GradientStage, number: int, values: Values) -> Values:
        writer = GradientWriter(self.facts, stage, values, number)
        writer.write()
        if number < len(self.stages) - 1:
            following = self.stages[number + 1]
            if not isinstance(following, PathStage):
                raise Unfit
            return writer.following(following.key)
        before = self.stages[number - 1]
        end = before.hot.last.end if isinstance(before, PathStage) else None
        if not isinstance(end, Result) or end.grad_enabled is not self.begun:
            raise Unfit
        result = writer.result()
        self._end(True)
        self.lines.append(f"return {result}")
        return []

    def _check_key(self, facts: StageFacts, key: tuple, values: Values) -> None:
        """Make sure that an entrance would try the segments that have this key."""
        enabled, dtype, names, *parts = key
        if (enabled, dtype, names) != (self.begun, self.dtype, ()) or len(parts) != len(values):
            raise Unfit
        if any(isinstance(each, Row) for each in values):
            raise Unfit
        for part, given in zip(parts, values):
            kind = type(given.value) if isinstance(given, Known) else given.kind
            if isinstance(part, type):
                holds = kind is part
            elif len(part) == 2:
                holds = kind is part[0]
                if isinstance(given, Known):
                    holds = holds and given.value == part[1]
                elif isinstance(given, Given):
                    facts.wrong_if(f"{given.name} != {self.constant(part[1])}")
                else:
                    raise Unfit
            else:
                holds = isinstance(given, Thing) and given.key == part
            if not holds:
                raise Unfit

    # -- loops ------------------------------------------------------------------------------

    def _loop(self, stage: LoopStage, mark: str, values: Values) -> Values:
        cycle = stage.cycle
        if (
            cycle.writes
            or cycle.nothing is None
            or cycle.dependent
            or cycle.exchange.roots
            or cycle.ways[0].parts
        ):
            raise Unfit
        facts = StageFacts(self.facts, mark, values, self.early)
        self._check_key(facts, stage.key, values)
        facts.write([each for each in stage.first.facts if not isinstance(each, SameOutcome)])
        first: dict[int, Any] = dict(enumerate(facts.slots))
        ways = []
        slots: list[dict[int, Any]] = []
        for number, way in enumerate(cycle.ways):
            own, held = facts.fork(f"{mark}{number}_"), dict(first)
            for segment in way.segments[1:]:
                before = len(own.slots)
                for fact in segment.facts:
                    if not isinstance(fact, SameOutcome):
                        own.fact(fact)
                held.update(enumerate(own.slots[before:], segment.first_slot))
            ways.append(own)
            slots.append(held)
        inputs = []
        for places in cycle.sources.values():
            number, slot = places[0] if places else (0, -1)
            if places and slot not in slots[number]:
                raise Unfit
            inputs.append(slots[number][slot] if places else "None")
        if cycle.layout is not None:
            self._hold(stage, mark, ways, slots)
        self._turn(stage, mark, inputs)
        return self._behind(stage, mark, values, ways)

    def _hold(
        self, stage: LoopStage, mark: str, ways: list[StageFacts], slots: list[dict[int, Any]]
    ) -> None:
        """Write what the turns have of what came in."""
        assert stage.cycle.layout is not None
        held: list[tuple[dict, dict] | None] = []
        for number, known in enumerate(stage.cycle.layout.ways):
            if not stage.taken >> number & 1:
                held.append(None)
                continue
            invariant = {each: slots[number].get(slot) for each, slot in known.invariant}
            if None in invariant.values():
                raise Unfit
            for value, _ in known.layout.arguments:
                if value in invariant:
                    # eager saved nothing of it, so that the caller may write to it
                    copy = f"laid_out({self.constant(value)}, {invariant[value]})"
                    invariant[value] = self.facts.hold(copy)
            given = known.layout.given_storages
            storages = {each: ways[number].version(root) for each, root in given.items()}
            held.append((invariant, storages))
            likes = map(entry, known.kept)
            turn_bytes = sum(like.size * like.dtype.itemsize for like in likes)
            self.kept.append(f"turns{mark}.counts[{number}] * {turn_bytes}")
        self.held = held

    def _turn(self, stage: LoopStage, mark: str, inputs: list[str]) -> None:
        """Write the turns of a loop.

        Why they end is not asked: what follows them asks whether it does.
        """
        cycle, turns = stage.cycle, f"turns{mark}"
        wrong = []
        for number, way in enumerate(cycle.ways):
            taken = stage.taken >> number & 1
            wrong.append(f"{'not ' if taken else ''}{turns}.counts[{number}]")
            if taken:
                self.counts.append(f"{self.constant(way.last)}.hits += {turns}.counts[{number}]")
        self.lines += [
            "try:",
            f"    {turns} = {self.constant(cycle.loop)}.run("
            f"[{', '.join(inputs)}], (), {cycles.SLICE}, config.max_tape or {1 << 62})",
            "except BaseException as error:",
            "    return interrupted(error, values, *call)",
            f"if {' or '.join(wrong)}: return WRONG",
            f"carried{mark} = {turns}.carried",
        ]

    def _behind(
        self, stage: LoopStage, mark: str, values: Values, ways: list[StageFacts]
    ) -> Values:
        """Write what comes out of a loop, and return it."""
        cycle = stage.cycle
        found = list(values)
        leading = [] if cycle.layout is None else [each.root for each in cycle.layout.leading]
        shown: dict[int, str] = {}
        for position, join, changing in cycle.changes:
            if not changing & stage.taken:
                continue
            if isinstance(join, Again):
                found[position] = found[join.position]
                continue
            if not isinstance(join, Carried):
                raise Unfit
            name, like = f"carried{mark}[{cycle.number[position]}]", cycle.carried[position]
            if isinstance(like, Scalar):
                found[position] = Given(like.type, name)
                continue
            storage = f"storage{mark}{position}"
            self.lines.append(Made(storage, f"{storage} = Storage({name})"))
            if join.writes:
                self.lines.append(Made(storage, f"{storage}.version = {join.writes}"))
            if join.root is not None:
                shown[join.root] = storage
            node, index = "", 0
            if join.root in leading:
                node, index = f"node{mark}", leading.index(join.root)
            key = key_of(like, bool(node))
            found[position] = Thing.made(key, name, storage, join.writes, node, index)
        if cycle.layout is not None:
            self._remember(stage, mark, ways, shown)
        return found

    def _remember(
        self, stage: LoopStage, mark: str, ways: list[StageFacts], shown: dict[int, str]
    ) -> None:
        """Write the history of the turns; `shown` are the storages of what comes out."""
        cycle, constant = stage.cycle, self.constant
        nodes: dict[Variable, tuple[str, str]] = {}
        for number, (way, facts) in enumerate(zip(cycle.ways, ways)):
            if stage.taken >> number & 1:
                for root, variable in way.state.variables.items():
                    nodes[variable] = facts.node(root)
        nothing = constant(cycle.nothing.storages())  # type: ignore[union-attr]
        text = self.facts.dict
        held = "".join(
            "None, " if each is None else f"Held({text(each[0])}, {text(each[1])}), "
            for each in self.held
        )
        past, node = f"past{mark}", f"node{mark}"
        made = f"Past({constant(cycle.layout)}, turns{mark}, [{held}], {text(shown)}, {nothing})"
        self.lines += [
            Made(past, f"{past} = {made}"),
            Made(node, f"{node} = {past}.histories({text(nodes)}, False)"),
        ]
        assert cycle.layout is not None
        self.passed[node] = KeptLoop(
            cycle.layout, f"turns{mark}", f"carried{mark}", self.held, [*shown.values()]
        )

    # -- the function -----------------------------------------------------------------------

    def function(self, general: Any = None) -> Callable[[Sequence[Any], tuple], Any]:
        """Return the function of the values of a call, and the names of the last of them.

        Args:
            general: the function in which no gradient is inlined, for one in which there is one.
        """
        names = self.names
        begin = [f"if names != {self.constant(names)}: return MISSED", "call = ()"]
        return self._writer().compiled("shortcut(values, names)", begin, self._own(general))

    def direct(self, general: Any = None) -> Callable[[Any, tuple, dict], Any] | None:
        """Return the same as a function of the graph and the arguments, see `Writer.direct`."""
        if not self.is_whole:
            return None
        begin = ["call = graph, args, kwargs"]
        return self._writer().compiled_directly(self.names, self._own(general), begin)

    def inline(self) -> None:
        """Let a gradient of which the way back is known be part of the functions."""
        self.lines[:], self.inlined = inline(self.lines)

    def _writer(self) -> PathWriter:
        first = self.stages[0]
        assert isinstance(first, PathStage)
        return PathWriter(first.first, first.hot, self.facts)

    def _own(self, general: Any) -> dict[str, Any]:
        start, names = self.start, self.names

        def interrupted(error: BaseException, values: Sequence[Any], *call: Any) -> Any:
            """Return the call in front of the first loop, where the exception is to be raised.

            Args:
                call: of a whole call the graph and the arguments; it goes on from there.
            """
            going = start(values, names)
            if type(going) is not Going:
                raise error
            going.error = error
            if not call:
                return going
            graph, args, kwargs = call
            result = graph.call(args, kwargs, going)
            # who has called this counts it, too
            graph.calls -= 1
            return result

        return {**NAMES, **self.inlined, "general": general, "interrupted": interrupted}
