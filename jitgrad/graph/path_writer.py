"""What a path does as straight Python code: its facts, its program, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from types import MethodType
from typing import Any

from jitgrad import config, dtypes
from jitgrad.dispatch import node_of
from jitgrad.errors import VerificationError, is_interrupt
from jitgrad.graph import fresh
from jitgrad.graph.entrance import Going
from jitgrad.graph.facts import SameOutcome
from jitgrad.graph.hot import HotPath
from jitgrad.graph.ir import Value
from jitgrad.graph.origins import StorageEntry
from jitgrad.graph.recipes import Constant, Container, Fresh, Method, Number, Recipe, Root
from jitgrad.graph.replay import give_back
from jitgrad.graph.run import Run, new_storage
from jitgrad.graph.segment import Continue, Exit, Result, Segment
from jitgrad.graph.shortcut_facts import Made, PathFacts
from jitgrad.graph.tape import CompiledBackward, Tape
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.graph.text_recipes import Written
from jitgrad.graph.watching import Watch, WatchedGuards
from jitgrad.kernels.records import strides_in_bytes
from jitgrad.modes import WATCHED, state

SAMPLED = 7
"""The bits that are all zero in the numbers of calls that are timed: to look at the clock at each
call would take 5 % of the shortest ones."""

SAMPLED_OF_DIRECT = 63
"""The same for calls that are done by one function, which has no clock: another way is taken."""

MISSED: Any = object()
"""What a shortcut returns that does not apply."""

WRONG: Any = object()
"""What it returns where the path turned out to be another one."""

STALE: Any = object()
"""What it returns where other facts than it knows of are watched by now."""


class Unfit(Exception):
    """A path that no shortcut can be written for; unless it is `early`, and one will be."""

    def __init__(self, early: bool = False) -> None:
        self.early = early


class PathWriter:
    """Writes what a path does: its facts, its program, and what it makes.

    Attributes:
        slots: the names of arrays and numbers.
        watch: what is watched of the facts, None if nothing is.
        block, offsets: the name of the block in which outputs are, and where they begin in it.
    """

    watch: Watch | None = None
    guards: WatchedGuards | None = None
    block = ""

    def __init__(self, first: Segment, hot: HotPath, facts: PathFacts) -> None:
        assert isinstance(hot.last.end, Result)
        self.hot = hot
        self.end: Result = hot.last.end
        self.first = first
        self.facts = facts
        self.constant = facts.constant
        self.lines = facts.lines
        self.slots: dict[int, str] = {}
        self.tensors: dict[Any, str] = {}
        self.storages: dict[StorageEntry, str] = {}
        self.objects: dict[Any, str] = {}

    def new(self, kind: str, expression: str) -> str:
        """Give a name to what an expression makes."""
        name = f"{kind}{len(self.lines)}"
        self.lines.append(Made(name, f"{name} = {expression}"))
        return name

    # -- what must hold ---------------------------------------------------------------------

    def entry(self, key: tuple) -> None:
        """Check what decides which segments are tried."""
        enabled, dtype, names, *parts = key
        self.begun = enabled
        fail_if, constant = self.facts.fail_if, self.constant
        self.names = names
        fail_if(
            f"len(values) != {len(parts)} or state.grad_enabled is not {enabled} "
            f"or default_dtype() is not {constant(dtype)}"
        )
        if parts:
            arguments = "".join(f"a{number}, " for number in range(len(parts)))
            self.lines.append(f"{arguments}= values")
        self.facts.kinds = [part if isinstance(part, type) else part[0] for part in parts]
        for number, part in enumerate(parts):
            if isinstance(part, type):
                fail_if(f"type(a{number}) is not {constant(part)}")
            elif len(part) == 2:
                kind, value = part
                self.facts.is_value(f"a{number}", kind, value)
            else:
                fail_if(f"type(a{number}) is not {constant(part[0])}")
                self.facts.has_key(f"a{number}", part)

    def take(self, path: list[Segment]) -> None:
        """Check the facts of a path, all before it begins: nothing on the way changes them."""
        facts = self.facts
        if self.watch is not None:
            self.lines += [
                f"watched = {self.constant(self.guards)}.watched",
                "if watched is None: return MISSED",
                "watch = watched[1]",
                f"if watch.plan is not {self.constant(self.watch.plan)}: return STALE",
                "known_roots, known_slots = watch.roots, watch.slots",
            ]
        for segment in path:
            before = len(facts.slots)
            own = [each for each in segment.facts if not isinstance(each, SameOutcome)]
            if segment.parent is None:
                facts.write(own)
            else:
                for fact in own:
                    facts.fact(fact)
            for number, taken in enumerate(facts.slots[before:], segment.first_slot):
                self.slots[number] = f"known_slots[{taken}]" if isinstance(taken, int) else taken
        facts.end()

    def compute(self) -> None:
        hot = self.hot
        arguments = row([self.slots[at] for at in hot.arguments])
        names = [f"m{self.facts.mark}{number}" for number in range(len(hot.places))]
        run, self.offsets = self.program()
        if self.offsets:
            self.block = f"block{self.facts.mark}"
            names = self._parts(names)
        made = ["flag", *names] if hot.is_guess else names
        made = [each for each in made if each.isidentifier()] + [self.block] * bool(self.offsets)
        target = "".join(f"{each}, " for each in made)
        call = f"{self.constant(run)}({arguments})"
        call = f"{target}= {call}" if made else call
        if hot.is_guess or hot.can_raise:
            self.lines += [
                "try:",
                f"    {call}",
                "except VerificationError:",
                "    raise",
                "except Exception as error:",
                "    if is_interrupt(error): raise",
                "    return WRONG",
            ]
        elif made:
            self.lines.append(call)
        if hot.is_guess:
            self.lines.append("if not flag: return WRONG")
        self.slots.update(zip(hot.places, names))
        self.count()

    def program(self) -> tuple[Callable, dict[Value, int]]:
        """Return what computes the path, and of outputs in one block where they begin."""
        return self.hot.program.at_once(), {}

    def _parts(self, names: list[str]) -> list[str]:
        """Return the expressions of outputs, of those that are in a block as parts of it."""
        outputs = self.hot.trace[-1][int(self.hot.is_guess) :]
        found = []
        for name, value in zip(names, outputs):
            offset = self.offsets.get(value)
            if offset is not None:
                layout = value.shape, value.dtype, strides_in_bytes(value), offset
                name = f"part({self.block}, {self.constant(layout)})"
            found.append(name)
        return found

    def count(self) -> None:
        """Count that the path was taken."""
        self.lines.append(f"{self.constant(self.hot.last)}.hits += 1")

    # -- what is made -----------------------------------------------------------------------

    def _storage(self, entry: StorageEntry, array: str, version: int) -> str:
        if entry.root is not None:
            return self.facts.storage(entry.root)
        if entry.sibling is not None or version < 0:
            raise Unfit
        name = self.storages.get(entry)
        if name is None:
            made = f"Storage({array})"
            if not self._is_whole(entry):
                made = f"new_storage({array}, {self.constant(entry)})"
            name = self.storages[entry] = self.new("storage", made)
            if version:
                self.lines.append(Made(name, f"{name}.version = {version}"))
        return name

    def _is_whole(self, entry: StorageEntry) -> bool:
        """Do all tensors show all of a storage that the trace has made?"""
        first = entry.first
        values = [each for each in self.end.state.slot_of if isinstance(each, Value)]
        own = [each for each in values if each.memory is entry.memory]
        return first is not None and all(each.same_region(first) for each in own)

    def histories(self) -> None:
        """Make the node of all results over a tape, as `replay.make_histories` does."""
        end = self.end
        if end.kept:
            raise Unfit
        self.layout: TapeLayout | None = end.tape_layout
        layout = self.layout
        if layout is None:
            return
        if layout.dependent:
            raise Unfit
        number_of = {each: number for number, each in end.state.variables.items()}
        edges, indices = self._edges([number_of[each] for each in layout.roots])
        self.values = {each: self.value(self.slots[at]) for each, at in layout.slots.items()}
        self.kept = self.given_storages(layout)
        for entry, (slot, writes) in layout.seen_storages.items():
            self.kept[entry] = self._storage(entry, self.slots[slot], writes), "0"
        values, storages = self.facts.dict(self.values), self.facts.dict(self.kept)
        tape = self.new("tape", f"Tape({self.constant(layout)}, {values}, {storages})")
        self.watch_arguments(tape, layout)
        self.node = self.new("node", f"CompiledBackward({tape}, {edges}, {indices})")

    def value(self, slot: str) -> str:
        """Return the expression of what a tape has of a slot."""
        return slot

    def given_storages(self, layout: TapeLayout) -> dict[StorageEntry, tuple[str, str]]:
        """Return the expressions of what is saved that came in: the storages, and versions."""
        return {entry: self.facts.version(root) for entry, root in layout.given_storages.items()}

    def watch_arguments(self, tape: str, layout: TapeLayout) -> None:
        """Have a tape know of writes to what it needs, though eager would not have saved it."""
        watched = "".join(
            f"({self.constant(value)}, {self.facts.storage(root)}), "
            for value, root in layout.arguments
        )
        if watched:
            self.lines.append(Made(tape, f"{tape}.watch(({watched}))"))

    def _edges(self, roots: list[int]) -> tuple[str, str]:
        """Return the nodes of root tensors, and which of their outputs they are."""
        found = [self.facts.found[each][0] for each in roots]
        if len(roots) > 1 and all(each.startswith("known_roots[") for each in found):
            # leaves, as all tensors that are watched
            assert self.watch is not None
            pick = itemgetter(*(self.watch.plan.roots[each] for each in roots))
            return f"watch.picked({self.constant(pick)}, watch.nodes)", self.constant(
                (0,) * len(roots)
            )
        edges = [self.facts.node(each) for each in roots]
        nodes, indices = zip(*edges) if edges else ((), ())
        return tuple_of(nodes), tuple_of(indices)

    def _expression(self, recipe: Recipe) -> str:
        """Return the expression of what a recipe makes."""
        if isinstance(recipe, Constant):
            return self.constant(recipe.value)
        if isinstance(recipe, Number):
            return self.slots[recipe.slot]
        if isinstance(recipe, Root):
            return self.facts.root(recipe.index)
        if type(recipe) is Fresh:
            return self._tensor(recipe)
        if isinstance(recipe, Container) and recipe.kind in (tuple, list, dict):
            return self._container(recipe)
        if isinstance(recipe, Method) and recipe.function is not None:
            owner = self._expression(recipe.owner)
            return f"MethodType({self.constant(recipe.function)}, {owner})"
        if isinstance(recipe, Written):
            given = "".join(f"{self._expression(each)}, " for each in recipe.given)
            return f"{self.constant(recipe.write)}(({given}))"
        raise Unfit

    def _tensor(self, recipe: Fresh) -> str:
        name = self.tensors.get(recipe.entry)
        if name is not None:
            return name
        if recipe.base is not None or recipe.unfollowed:
            raise Unfit
        array = self.slots[recipe.slot]
        node, index = "None", 0
        if recipe.variable is not None:
            layout = self.layout
            if layout is None or recipe.variable not in layout.variables:
                raise Unfit
            node, index = self.node, layout.variables.index(recipe.variable)
        entry = recipe.entry.storage
        is_alone = entry.root is entry.sibling is None and entry not in self.storages
        if is_alone and recipe.version == 0 and self._is_whole(entry):
            name = self.new("tensor", f"fresh({array}, {node}, {index})")
            self.storages[entry] = f"{name}._storage"
        else:
            storage = self._storage(entry, array, recipe.version)
            name = self.new("tensor", f"rebuild({array}, {storage}, {node}, {index})")
        self.tensors[recipe.entry] = name
        return name

    def _container(self, recipe: Container) -> str:
        items = [self._expression(each) for each in recipe.items]
        if recipe.kind is tuple:
            return tuple_of(items)
        name = self.objects.get(recipe.key)
        if name is None:
            if recipe.kind is list:
                made = f"[{', '.join(items)}]"
            else:
                pairs = zip(items[::2], items[1::2])
                made = f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
            name = self.objects[recipe.key] = self.new("object", made)
        return name

    def result(self, key: tuple, kept: str = "0") -> None:
        """Return the result of the call, or the call that goes on.

        Args:
            key: that of the entrance of the call.
            kept: what has been kept before the path, in bytes.
        """
        end = self.end
        made = [self._expression(each) for each in end.recipes()]
        result = made[0]
        if isinstance(end, Continue):
            layout, values = self.constant(end.layout), ", ".join(made)
            result = self.new("going", f"Going({layout}, [{values}], {type(end) is Exit})")
            self.lines.append(f"{result}.kept_bytes = {end.kept_bytes} + {kept}")
            self.lines.append(f"{result}.came = {self.constant((self.first, self.hot.last))}")
        if end.grad_enabled is not key[0]:
            self.lines.append(f"state.grad_enabled = {end.grad_enabled}")
        self.lines.append(f"return {result}")

    def compiled(self, head: str, begin: list[str], ends: dict[str, Any]) -> Callable:
        """Return the function.

        Args:
            head: its name and parameters.
            begin: the lines before all others.
            ends: further names that it knows.
        """
        space = {**self.facts.space(), **names(), **ends}
        if not self.facts.compares:
            begin = [*begin, "numbers = {}", "setdefault = numbers.setdefault"]
        body = "".join(f"    {line}\n" for line in (*begin, *self.lines))
        exec(compile(f"def {head}:\n{body}", "<jitgrad shortcut>", "exec"), space)
        return space.pop(head.partition("(")[0])  # which is part of no cycle then

    def compiled_directly(
        self, names: tuple[str, ...], ends: dict[str, Any], begin: Sequence[str] = ()
    ) -> Callable[[Any, tuple, dict], Any]:
        """Return the function of the graph and the arguments; it returns MISSED where it fails.

        It looks at what a graph looks at before it tries a shortcut.

        Args:
            names: those of the last values.
        """
        named = f"tuple(kwargs) != {self.constant(names)}" if names else "kwargs"
        first = [
            "modes = state.__dict__",
            f"if {named} or not (graph.calls + 1) & {SAMPLED_OF_DIRECT} or {WATCHED} "
            "or config.eager or graph.resting.left "
            "or graph.lowered is not graph.function.__code__: return MISSED",
            f"values = {'(*args, *kwargs.values())' if names else 'args'}",
        ]
        ends = {**ends, "WRONG": MISSED, "STALE": MISSED}
        return self.compiled("direct(graph, args, kwargs)", [*first, *begin], ends)


_NAMES = {
    "CompiledBackward": CompiledBackward,
    "Going": Going,
    "MISSED": MISSED,
    "MethodType": MethodType,
    "Run": Run,
    "STALE": STALE,
    "Tape": Tape,
    "VerificationError": VerificationError,
    "WRONG": WRONG,
    "default_dtype": dtypes.get_default_dtype,
    "give_back": give_back,
    "is_interrupt": is_interrupt,
    "new_storage": new_storage,
    "node_of": node_of,
    "config": config,
    "state": state,
}


def names() -> dict[str, Any]:
    """Return what these functions know besides constants."""
    return {**_NAMES, **fresh.names()}


def tuple_of(expressions: Iterable[str]) -> str:
    """Return the expression of a tuple."""
    return f"({''.join(f'{each}, ' for each in expressions)})"


def row(names: list[str]) -> str:
    """Return names in a row; what follows one another in what is watched as one slice of it."""
    known = {f"known_slots[{number}]": number for number in range(len(names))}
    parts: list[str] = []
    begin = at = 0
    while begin < len(names):
        at, first = begin, known.get(names[begin])
        while first is not None and at < len(names) and known.get(names[at]) == first + at - begin:
            at += 1
        if first is None or at - begin < 2:
            parts.append(names[begin])
            begin += 1
        else:
            parts.append(f"*known_slots[{first}:{first + at - begin}]")
            begin = at
    return ", ".join(parts)
