"""Facts about hundreds of objects, such as the parameters of a model, told by what has not changed.

A model of three hundred parameters takes some six thousand facts: what each module's dictionaries
hold, that it has no hooks, that each parameter is such a tensor. Most of them cannot change unless
a dictionary does, or a tensor's own words, and these are compared by one native call (see
`kernels.watches`). Only if they are not as before the facts are looked at themselves; if they hold
all the same, the new state is watched.
"""

from __future__ import annotations

import operator
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from operator import itemgetter
from types import NoneType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.facts import Fact, IsNumber, IsObject, IsTensor, SameKeys, SameObject, SameValue
from jitgrad.graph.guards import Guards, Watched, compile_guards
from jitgrad.graph.lookups import ABSENT, Argument, Place, RootKey
from jitgrad.graph.run import Run
from jitgrad.kernels.watches import (
    Word,
    class_word,
    dictionary_of,
    dictionary_word,
    gatherer,
    has_versions,
    list_words,
    read,
    slot_word,
    version_word,
    watch,
)
from jitgrad.node import AccumulateGrad, Node
from jitgrad.storage import Storage

FAMILIAR = 4
"""How often facts are looked at one by one before a function is made of them."""

LEAST = 32
"""How many facts there must be to watch."""

STEADY = 8
"""How often the facts must hold before what they rest on is watched."""

RESTLESS = 3
"""How often an object may be seen to have changed before it is no longer watched."""

MOST_PLANS = 6
"""How often it may be decided anew what is watched."""

_READS = {
    **dict.fromkeys(
        (dict, defaultdict),
        (lookups.read_item, lookups.read_presence, lookups.read_length, lookups.read_keys),
    ),
    **dict.fromkeys((list, tuple), (lookups.read_item, lookups.read_length)),
}
"""What may be read of containers that can be watched."""
_TENSOR_SLOTS = (
    (TensorCore, ("_array", "_storage", "_node", "_base")),
    (Storage, ("array", "_owner", "borrowed", "lent")),
)


class Watch:
    """One state of what is watched; it never changes.

    Attributes:
        plan: which of the facts are watched.
        nodes, storages: the histories and the storages of the roots that are tensors.
        bases: the identities of the objects through which all others were found.
        words: what is compared, each with the number of the root that it belongs to; or with the
            identity of a class, inverted. Those of classes come first.
        unchanged: compares the words.
        roots, slots: what the facts take.
        numbers: the numbers of the roots, as in a run.
        held: objects that are to live as long as this does.
        ends: tells when one of the bases ends, which others are not kept from doing.
    """

    ends: list[weakref.ref]

    def __init__(
        self,
        plan: Plan,
        bases: tuple[int, ...],
        words: list[tuple[Word, int]],
        unchanged: Callable[[], int],
        roots: list[Any],
        slots: list[Any],
        numbers: dict[int, int],
        held: list[Any],
    ) -> None:
        self._held = held
        self.plan = plan
        self.bases = bases
        self.words = words
        self.unchanged = unchanged
        self.roots = roots
        self.slots = slots
        self.numbers = numbers
        tensors = [(at, each) for at, each in enumerate(roots) if isinstance(each, TensorCore)]
        self._storages = [(at, each._storage) for at, each in tensors]
        self.nodes: list[Node | None] = [None] * len(roots)
        self.storages: list[Storage | None] = [None] * len(roots)
        self._picked: dict[itemgetter, tuple] = {}
        self._gatherers: dict[itemgetter, Callable[[], tuple]] = {}
        for at, each in tensors:
            self.nodes[at], self.storages[at] = each._node, each._storage

    def has_same_classes(self) -> bool:
        """Do the classes that are watched have the attributes that they had?"""
        classes = self.words[: len(self.plan.classes)]
        return all(read(word.address) == word.expected for word, _ in classes)

    def picked(self, pick: itemgetter, among: list) -> tuple:
        """Return what `pick` takes of the nodes or the storages; it is the same at each call."""
        found = self._picked.get(pick)
        if found is None:
            found = self._picked[pick] = pick(among)
        return found

    def picked_versions(self, pick: itemgetter) -> tuple:
        """Return how often the storages that `pick` takes have been written to."""
        found = self._gatherers.get(pick)
        if found is None:
            storages = self.picked(pick, self.storages)
            found = self._gatherers[pick] = gatherer(storages, Storage, "version")
        return found()

    def versions(self) -> list[int | None]:
        """Return how often the memory of each root has been written to."""
        versions: list[int | None] = [None] * len(self.roots)
        for at, storage in self._storages:
            versions[at] = storage.version
        return versions


class Plan:
    """Which of the facts of a segment are watched.

    Args:
        facts: all of them.
        run: in which they have just been found to hold.
        first_root, first_slot: how many roots and slots it had before.
        restless: the roots that are not to be watched, and classes, by their identities, inverted.
        own: the attributes of classes at which guards look, see `Guards`.

    Attributes:
        facts: those that are watched.
        roots: by the numbers of the roots that they take, their places among these.
        slots: by fact, the place of what it puts into a slot among these.
        bases: the numbers of the roots through which all others were found.
        classes: the dictionaries of those that are watched, too, by their identities, inverted.
    """

    def __init__(
        self,
        facts: list[Fact],
        run: Run,
        first_root: int,
        first_slot: int,
        restless: set[int],
        own: Mapping[tuple[int, str], type],
    ) -> None:
        self.facts: set[Fact] = set()
        self.roots: dict[int, int] = {}
        self.slots: dict[Fact, int] = {}
        self.bases: list[int] = []
        self._restless = restless
        # objects whose attributes may be watched, and dictionaries, by the numbers of their roots
        self._objects: set[int] = set()
        self._looked_at: dict[int, None] = {}
        self._places: list[int] = []
        root, slot = first_root, first_slot
        for fact in facts:
            takes_root = isinstance(fact, (IsObject, IsTensor))
            takes_slot = isinstance(fact, (IsNumber, IsTensor))
            if self._may_watch(fact, root, run):
                self.facts.add(fact)
                if takes_root:
                    self.roots[root] = len(self.roots)
                if takes_slot:
                    self.slots[fact] = len(self._places)
                    self._places.append(slot)
            elif isinstance(fact, IsObject) and self._is_base(fact, root, run):
                self.bases.append(root)
                self._objects.add(root)
            root += takes_root
            slot += takes_slot
        # what nothing was found through is no base
        self.bases = [each for each in self.bases if each in self._looked_at]
        # not by the classes themselves: a metaclass may say that they are equal
        self.classes: dict[int, dict] = {}
        for each in own.values():
            dictionary = None if ~id(each) in restless else dictionary_of(each)
            if dictionary is not None:
                self.classes[~id(each)] = dictionary
        attributes = {key for key in own if ~key[0] in self.classes}
        self.watched = Watched(self.facts, self.roots, self.slots, self.bases, attributes)

    def _is_base(self, fact: IsObject, root: int, run: Run) -> bool:
        found = run.roots[root]
        return fact.number == root and root not in self._restless and _has_attributes(found)

    def _may_watch(self, fact: Fact, root: int, run: Run) -> bool:
        """Can a fact not change unless what it looks into does? `root` is the next to be taken."""
        if not isinstance(fact, (SameObject, SameValue, SameKeys, IsNumber, IsObject, IsTensor)):
            return False
        place: Place = fact.place
        base = place.base
        if isinstance(place, Argument) or not place.is_root or base in self._restless:
            return False
        if base not in self.roots and base not in self.bases:
            return False
        holder = run.roots[base]
        if place.read is lookups.static_lookup:
            known = base in self._objects and _rests_on_dictionary(type(holder), place.key)
        else:
            known = place.read in _READS.get(type(holder), ())
        if isinstance(place.key, RootKey) and place.key.number not in self.roots:
            return False
        if not known:
            return False
        if isinstance(fact, IsObject):
            if fact.number != root and fact.number not in self.roots:
                return False
            if _has_attributes(run.roots[root]):
                self._objects.add(root)
        elif isinstance(fact, IsTensor) and not self._is_steady(fact, root, run):
            return False
        self._looked_at[base] = None
        return True

    def _is_steady(self, fact: IsTensor, root: int, run: Run) -> bool:
        """Is all that a trace takes for granted of a tensor told by a few words?"""
        spec = fact.spec
        known = (
            each == root or each in self.roots for each in (spec.number, spec.storage, spec.memory)
        )
        return all(known) and _tensor_words(run.roots[root]) is not None

    def watch(self, run: Run) -> Watch | None:
        """Return the state in a run in which all facts hold; None where it cannot be watched."""
        words = [(version_word(own), each) for each, own in self.classes.items()]
        numbers: dict[int, int] = {}
        held: list[Any] = list(self.classes.values())
        # by identity, since one object may be several roots
        looked_at = {id(run.roots[number]) for number in self._looked_at}
        for number in (*self.bases, *self.roots):
            found = run.roots[number]
            if id(found) in numbers:
                continue
            if isinstance(found, TensorCore):
                mine = _tensor_words(found)
                storage = found._storage
                # so that no other object gets the address of one that was compared
                held += (storage, storage.array, storage.owner, found._node)
                numbers.setdefault(~id(storage), number)
                numbers.setdefault(-id(storage.owner), number)
            elif id(found) not in looked_at:
                mine = [class_word(found)]
            elif type(found) is list:
                mine = list_words(found)
                held += found
            elif type(found) is tuple:
                mine = []
            else:
                is_dictionary = type(found) in (dict, defaultdict)
                mine = [version_word(found)] if is_dictionary else _object_words(found)
            if mine is None:
                return None
            words += [(each, number) for each in mine]
            if number in self.roots:
                numbers.setdefault(id(found), number)
        unchanged = watch([word for word, _ in words])
        if unchanged is None:
            return None
        return Watch(
            self,
            tuple(id(run.roots[number]) for number in self.bases),
            words,
            unchanged,
            *self.taken(run),
            numbers,
            held,
        )

    def taken(self, run: Run) -> tuple[list[Any], list[Any]]:
        """Return what the facts have taken in a run: the roots, and what is in slots."""
        roots = [run.roots[number] for number in self.roots]
        return roots, [run.slots[at] for at in self._places]


def _has_attributes(obj: Any) -> bool:
    """Are its attributes in a dictionary whose place is known, and does it tell when it ends?"""
    kind = type(obj)
    if isinstance(obj, type) or not kind.__dictoffset__ or not kind.__weakrefoffset__:
        return False
    if type(getattr(obj, "__dict__", None)) is not dict or isinstance(obj, TensorCore):
        return False
    return dictionary_word(obj) is not None


def _rests_on_dictionary(kind: type, name: str) -> bool:
    """Is an attribute what the object's dictionary or else the class has, and no descriptor?"""
    found = lookups.type_lookup(kind, name)
    if found is ABSENT:
        return True
    return type(found) not in (int, float) and not hasattr(type(found), "__set__")


def _object_words(obj: Any) -> list[Word] | None:
    """Return the words on which the attributes of an object rest, None if they are not known."""
    where = dictionary_word(obj)
    return None if where is None else [class_word(obj), where, version_word(obj.__dict__)]


def _tensor_words(tensor: Any) -> list[Word] | None:
    """Return the words on which the spec of a tensor rests, None where they do not say it all."""
    storage, node = tensor._storage, tensor._node
    if tensor._base is not None or storage.lent or type(node) not in (NoneType, AccumulateGrad):
        return None
    if node is not None and node.hooks is not None:
        return None
    assert storage.owner is not None  # which is found at the first question
    words: list[Word | None] = [class_word(tensor)]
    for obj, (owner, names) in zip((tensor, storage), _TENSOR_SLOTS):
        words += [slot_word(obj, owner, name) for name in names]
    if node is not None:
        words.append(slot_word(node, Node, "hooks"))
    known = [each for each in words if each is not None]
    return known if len(known) == len(words) else None


class WatchedGuards:
    """The guards of a segment: what is watched first, and all facts where that has changed.

    Args:
        facts: the facts of the segment.
        guards: what checks them.
        first_root, first_slot: how many roots and slots a run has before.

    Attributes:
        watched: what is looked at, together with the function that does so; None if nothing is.
    """

    def __init__(self, facts: list[Fact], guards: Guards, first_root: int, first_slot: int) -> None:
        self._facts = facts
        self._guards, self._own = guards
        self._first = first_root, first_slot
        self.watched: tuple[Callable[[Run, Watch], bool], Watch] | None = None
        self._held = 0
        self._plans = 0
        self._changes: dict[int, int] = {}

    def __call__(self, run: Run) -> bool:
        """Do the facts hold? If so, what they take is in the run."""
        watched = self.watched
        if watched is not None:
            holds, state = watched
            if holds(run, state):
                return True
            run.forget(*self._first)
        if not self._guards(run):
            return False
        return self._plans > MOST_PLANS or self._learn(run)

    def _learn(self, run: Run) -> bool:
        """Watch what is in a run, if it does not change all the time; do the facts still hold?"""
        held = self._held = self._held + 1
        if held < STEADY:
            return True
        self._held = 0
        watched = self.watched
        if watched is not None:
            now = watched[1].plan.watch(run)
            if now is not None and not self._is_restless(watched[1], now):
                return self._keep(run, watched[0], now)
        self._plans += 1
        self.watched = None
        restless = {number for number, count in self._changes.items() if count >= RESTLESS}
        plan = Plan(self._facts, run, *self._first, restless, self._own)
        guards = now = None
        if len(plan.facts) >= LEAST and self._plans <= MOST_PLANS:
            # before the function is written: if a class is another one then, the words say so
            now = plan.watch(run)
            guards = now and compile_guards(self._facts, self._first[0], plan.watched)
        if guards is None or now is None:
            self._plans = MOST_PLANS + 1
            return True
        return self._keep(run, guards.hold, now)

    def _is_restless(self, before: Watch, now: Watch) -> bool:
        """Count what has changed; has something done so too often?"""
        if before.bases != now.bases or len(before.words) != len(now.words):
            return False
        pairs = zip(before.words, now.words)
        changed = {number for (old, number), (new, _) in pairs if old != new}
        for number in changed:
            self._changes[number] = self._changes.get(number, 0) + 1
        return any(self._changes[number] >= RESTLESS for number in changed)

    def _keep(self, run: Run, holds: Callable[[Run, Watch], bool], state: Watch) -> bool:
        """Watch a state, if it is the one in which the facts hold; do they?"""
        # objects that nobody else has are not kept alive
        forget = _forgetting(weakref.ref(self))
        state.ends = [weakref.ref(run.roots[each], forget) for each in state.plan.bases]
        # another thread may have changed something since they were looked at
        run.forget(*self._first)
        if not self._guards(run):
            return False
        roots, state.slots = state.plan.taken(run)
        # what has changed since the words were read does not fit to them
        if all(map(operator.is_, roots, state.roots)):
            self.watched = holds, state
        return True


def _forgetting(guards: weakref.ref[WatchedGuards]) -> Callable[[Any], None]:
    """Return what is called when an object ends; it does not keep the guards themselves alive."""

    def forget(_: Any) -> None:
        held = guards()
        if held is not None:
            held.watched = None

    return forget


def is_familiar(facts: list[Fact], checked: int) -> bool:
    """Have facts been checked often enough to make a function of them?"""
    return checked == FAMILIAR and len(facts) > 1


def guards_for(facts: list[Fact], first_root: int, first_slot: int) -> Callable[[Run], bool] | None:
    """Return a function that checks facts which hold now, as `compile_guards` does."""
    guards = compile_guards(facts, first_root)
    if guards is None or len(facts) < LEAST or not has_versions():
        return guards and guards.hold
    return WatchedGuards(facts, guards, first_root, first_slot)
