"""The functions of shortcuts: a whole path as straight Python code.

Such a function checks what decides about the entry and its facts, calls one program, and makes the
results and their history. It returns MISSED, WRONG or STALE where it does not apply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from jitgrad import config, dtypes
from jitgrad.dispatch import node_of, wrap
from jitgrad.errors import VerificationError, is_interrupt
from jitgrad.graph.entrance import Going
from jitgrad.graph.facts import IsObject, IsTensor, SameOutcome
from jitgrad.graph.guards import FactWriter, Unknown, Watched
from jitgrad.graph.hot import HotPath
from jitgrad.graph.lookups import Argument, Place
from jitgrad.graph.origins import StorageEntry
from jitgrad.graph.recipes import Constant, Container, Fresh, Number, Recipe, Root
from jitgrad.graph.replay import give_back
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Continue, Exit, Result, Segment
from jitgrad.graph.tape import CompiledBackward, Tape
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.graph.text_recipes import Written
from jitgrad.graph.watching import Watch, WatchedGuards
from jitgrad.modes import state
from jitgrad.storage import Storage

MISSED: Any = object()
"""What a shortcut returns that does not apply."""

WRONG: Any = object()
"""What it returns where the path turned out to be another one."""

STALE: Any = object()
"""What it returns where other facts than it knows of are watched by now."""

SAMPLED = 7
"""The bits that are all zero in the numbers of calls that are timed: to look at the clock at each
call would take 5 % of the shortest ones."""

MOST_ROOTS = 16
"""How many tensors and objects from outside a shortcut may name one by one."""

MOST_PAIRS = 15
"""How many of them, two by two, are compared rather than looked up among all."""


class Unfit(Exception):
    """A path that no shortcut can be written for; unless it is `early`, and one will be."""

    def __init__(self, early: bool = False) -> None:
        self.early = early


class _Facts(FactWriter):
    """Writes the facts of a path, and gives names to what they take.

    Args:
        compares: roots are few, and are told apart two by two.
        watched: the facts that are watched.

    Attributes:
        kinds: the classes of the arguments, which the entry's key says.
    """

    failure = "return MISSED"
    others_are_known = "not numbers.keys().isdisjoint(watch.numbers.keys())"

    def __init__(self, compares: bool, watched: Watched | None = None) -> None:
        super().__init__(0, watched)
        self.compares = compares
        self.kinds: list[type] = []
        self._firsts: dict[Any, dict[int, str]] = {}

    def flush(self) -> None:
        """Nothing is put into a run: there is none."""

    def take(self, place: Place, kind: type, name: str) -> str:
        if isinstance(place, Argument) and self.kinds[place.key] is kind:
            return self.argument(place.key)
        return super().take(place, kind, name)

    def first_with(self, held: str, what: Any, number: int, expected: int) -> None:
        if not self.compares:
            return super().first_with(held, what, number, expected)
        # only what is of one class can be the same
        firsts = self._firsts.setdefault(what, {})
        others = firsts if number == expected else {expected: firsts[expected]}
        for other, expression in others.items():
            if not expression.isidentifier():
                # what is compared again has a name
                others[other] = firsts[other] = f"o{other}"
                self.lines.append(f"o{other} = {expression}")
        if number != expected:
            self.fail_if(f"{held} is not {others[expected]}")
            return
        if others and not held.isidentifier():
            self.lines.append(f"o{number} = {held}")
            held = f"o{number}"
        if others:
            self.fail_if(" or ".join(f"{held} is {each}" for each in others.values()))
        firsts[number] = held

    def by_itself(self, fact: Any) -> None:
        raise Unknown

    def argument(self, number: int) -> str:
        return f"a{number}"


class Writer:
    """Writes the function of one path."""

    def __init__(self, first: Segment, hot: HotPath, key: tuple) -> None:
        self.hot = hot
        assert isinstance(hot.last.end, Result)
        self.end: Result = hot.last.end
        self.first = first
        path = hot.last.path()
        taken = [fact for segment in path for fact in segment.facts]
        kinds = Counter(
            each.kind if isinstance(each, IsObject) else each.spec.key[0]
            for each in taken
            if isinstance(each, (IsObject, IsTensor))
        )
        takes = kinds.total()
        self.guards = first.guards if isinstance(first.guards, WatchedGuards) else None
        self.watch: Watch | None = None
        if self.guards is not None:
            known = self.guards.watched
            if known is None:
                raise Unfit(early=True)
            self.watch = known[1]
            takes -= len(self.watch.roots)
        if takes > MOST_ROOTS:
            raise Unfit
        watched = None if self.watch is None else self.watch.plan.watched
        pairs = sum(each * (each - 1) // 2 for each in kinds.values())
        self.facts = _Facts(pairs <= MOST_PAIRS and watched is None, watched)
        self.constant = self.facts.constant
        self.lines = self.facts.lines
        self.slots: dict[int, str] = {}
        self.tensors: dict[Any, str] = {}
        self.storages: dict[StorageEntry, str] = {}
        self.objects: dict[Any, str] = {}
        self._entry(key)
        self._take(path)
        self._compute()
        self._give_back(key)

    def _new(self, kind: str, expression: str) -> str:
        """Give a name to what an expression makes."""
        name = f"{kind}{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    # -- what must hold ---------------------------------------------------------------------

    def _entry(self, key: tuple) -> None:
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

    def _take(self, path: list[Segment]) -> None:
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

    def _compute(self) -> None:
        hot = self.hot
        arguments = _row([self.slots[at] for at in hot.arguments])
        names = [f"m{number}" for number in range(len(hot.places))]
        made = ["flag", *names] if hot.is_guess else names
        target = "".join(f"{each}, " for each in made)
        call = f"{self.constant(hot.program.run)}({arguments})"
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
        else:
            self.lines.append(call)
        if hot.is_guess:
            self.lines.append("if not flag: return WRONG")
        self.slots.update(zip(hot.places, names))
        self.lines.append(f"{self.constant(hot.last)}.hits += 1")

    # -- what is made -----------------------------------------------------------------------

    def _give_back(self, key: tuple) -> None:
        """Make the results and their histories; in the general way, where there is no shorter."""
        written = len(self.lines)
        try:
            self._histories()
            self._result(key)
        except Unfit:
            del self.lines[written:]
            names = [self.constant(each) for each in (self.end, self.first, self.hot.last)]
            slots = ", ".join(self.slots.get(at, "None") for at in range(self.end.state.slots))
            if self.watch is not None:
                self.lines.append("known_versions = watch.versions()")
            self.facts.slots.clear()
            self.lines.append("run = Run(values)")
            FactWriter.flush(self.facts)
            self.lines.append(f"run.slots = [{slots}]")
            self.lines.append(f"return give_back(run, {', '.join(names)})")

    def _storage(self, entry: StorageEntry, array: str, version: int) -> str:
        if entry.root is not None:
            return f"{self.facts.root(entry.root)}._storage"
        if entry.sibling is not None or version < 0:
            raise Unfit
        name = self.storages.get(entry)
        if name is None:
            name = self.storages[entry] = self._new("storage", f"Storage({array})")
            if version:
                self.lines.append(f"{name}.version = {version}")
        return name

    def _histories(self) -> None:
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
        values = ", ".join(
            f"{self.constant(each)}: {self.slots[at]}" for each, at in layout.slots.items()
        )
        kept: dict[StorageEntry, str] = {}
        for entry in layout.given_storages:
            storage = self._storage(entry, "", 0)
            kept[entry] = f"({storage}, {storage}.version)"
        for entry, (slot, writes) in layout.seen_storages.items():
            kept[entry] = f"({self._storage(entry, self.slots[slot], writes)}, 0)"
        storages = ", ".join(f"{self.constant(each)}: {text}" for each, text in kept.items())
        watched = "".join(
            f"({self.constant(value)}, {self.facts.root(root)}._storage), "
            for value, root in layout.arguments
        )
        tape = self._new("tape", f"Tape({self.constant(layout)}, {{{values}}}, {{{storages}}})")
        if watched:
            self.lines.append(f"{tape}.watch(({watched}))")
        self.node = self._new("node", f"CompiledBackward({tape}, {edges}, {indices})")

    def _edges(self, roots: list[int]) -> tuple[str, str]:
        """Return the nodes of root tensors, and which of their outputs they are."""
        found = [self.facts.found[each][0] for each in roots]
        if len(roots) > 1 and all(each.startswith("known_roots[") for each in found):
            # leaves, as all tensors that are watched
            assert self.watch is not None
            pick = itemgetter(*(self.watch.plan.roots[each] for each in roots))
            return f"{self.constant(pick)}(watch.nodes)", self.constant((0,) * len(roots))
        edges = "".join(
            f"{each}._node if {each}._base is None else node_of({each}), " for each in found
        )
        return f"({edges})", f"({''.join(f'{each}._index, ' for each in found)})"

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
        storage = self._storage(recipe.entry.storage, array, recipe.version)
        name = self.tensors[recipe.entry] = self._new("tensor", f"wrap({array}, {storage})")
        if recipe.variable is not None:
            layout = self.layout
            if layout is None or recipe.variable not in layout.variables:
                raise Unfit
            self.lines.append(f"{name}._node = {self.node}")
            self.lines.append(f"{name}._index = {layout.variables.index(recipe.variable)}")
        return name

    def _container(self, recipe: Container) -> str:
        items = [self._expression(each) for each in recipe.items]
        if recipe.kind is tuple:
            return f"({''.join(f'{each}, ' for each in items)})"
        name = self.objects.get(recipe.key)
        if name is None:
            if recipe.kind is list:
                made = f"[{', '.join(items)}]"
            else:
                pairs = zip(items[::2], items[1::2])
                made = f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
            name = self.objects[recipe.key] = self._new("object", made)
        return name

    def _result(self, key: tuple) -> None:
        end = self.end
        made = [self._expression(each) for each in end.recipes()]
        result = made[0]
        if isinstance(end, Continue):
            layout, values = self.constant(end.layout), ", ".join(made)
            result = self._new("going", f"Going({layout}, [{values}], {type(end) is Exit})")
            self.lines.append(f"{result}.kept_bytes = {end.kept_bytes}")
            self.lines.append(f"{result}.came = {self.constant((self.first, self.hot.last))}")
        if end.grad_enabled is not key[0]:
            self.lines.append(f"state.grad_enabled = {end.grad_enabled}")
        self.lines.append(f"return {result}")

    def function(self) -> Callable[[Sequence[Any], tuple], Any]:
        """Return the function of the values of a call, and the names of the last of them."""
        begin = f"if names != {self.constant(self.names)}: return MISSED"
        return self._compiled("shortcut(values, names)", [begin], {})

    def direct(self) -> Callable[[Any, tuple, dict], Any] | None:
        """Return the same as a function of the graph and the arguments, MISSED where it fails.

        It looks at what a graph looks at before it tries a shortcut. None where calls go on
        elsewhere, or with another mode.
        """
        end = self.end
        if isinstance(end, Continue) or end.grad_enabled is not self.begun:
            return None
        named = f"tuple(kwargs) != {self.constant(self.names)}" if self.names else "kwargs"
        begin = [
            f"if {named} or not (graph.calls + 1) & {SAMPLED} or state.is_watched() "
            "or config.eager or graph.resting.left "
            "or graph.lowered is not graph.function.__code__: return MISSED",
            f"values = {'(*args, *kwargs.values())' if self.names else 'args'}",
        ]
        ends = {"WRONG": MISSED, "STALE": MISSED}
        return self._compiled("direct(graph, args, kwargs)", begin, ends)

    def _compiled(self, head: str, begin: list[str], ends: dict[str, Any]) -> Callable:
        space = self.facts.space()
        space |= {
            "CompiledBackward": CompiledBackward,
            "Going": Going,
            "MISSED": MISSED,
            "Run": Run,
            "STALE": STALE,
            "Storage": Storage,
            "Tape": Tape,
            "VerificationError": VerificationError,
            "WRONG": WRONG,
            "default_dtype": dtypes.get_default_dtype,
            "give_back": give_back,
            "is_interrupt": is_interrupt,
            "node_of": node_of,
            "config": config,
            "state": state,
            "wrap": wrap,
            **ends,
        }
        if not self.facts.compares:
            begin = [*begin, "numbers = {}", "setdefault = numbers.setdefault"]
        body = "".join(f"    {line}\n" for line in (*begin, *self.lines))
        exec(compile(f"def {head}:\n{body}", "<jitgrad shortcut>", "exec"), space)
        return space.pop(head.partition("(")[0])  # which is part of no cycle then


def _row(names: list[str]) -> str:
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
