"""Mutants: places where a rule is broken that keeps compiled functions right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        name: the rule that is broken.
        file: the path below the package.
        old, new: a text that the file has once, and what it becomes.
    """

    name: str
    file: str
    old: str
    new: str

    def apply(self, package: Path) -> None:
        """Change the file in a copy of the package."""
        path = package / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.file} has {text.count(self.old)} times {self.old!r}"
            )
        path.write_text(text.replace(self.old, self.new))


# fmt: off
MUTANTS = [
    # -- facts, looked at one by one ------------------------------------------------------------
    Mutant(
        "residuals: what is compared is not computed again", "graph/residuals.py",
        "                if history.primitive.compares:\n", "                if False:\n",
    ),
    Mutant(
        "storages: span all that results show", "graph/run.py",
        "            made.array = owner\n", "            pass\n",
    ),
    Mutant(
        "storages: of results that show parts, in shortcuts", "graph/path_writer.py",
        "        return first is not None and all(each.same_region(first) for each in own)",
        "        return True",
    ),
    Mutant(
        "exceptions: what is being handled outside", "graph/exceptions.py",
        "        if not self.is_handling:\n            self._identical(",
        "        if False:\n            self._identical(",
    ),
    Mutant(
        "exceptions: the context of what is thrown into a generator", "graph/throwing.py",
        " or not self.has_known_context():", ":",
    ),
    Mutant(
        "fact: the same tensor at two places", "graph/facts.py",
        "setdefault(id(tensor), index) != self.number\n            or ",
        "setdefault(id(tensor), index) < 0\n            or ",
    ),
    Mutant(
        "fact: the same storage at two places", "graph/facts.py",
        "or setdefault(~id(storage), index) != self.storage\n", "\n",
    ),
    Mutant(
        "fact: the same memory at two places", "graph/facts.py",
        "or setdefault(-id(storage.owner), index) != self.memory\n", "\n",
    ),
    Mutant(
        "fact: where a view begins", "graph/facts.py",
        "!= self.offset\n        ):\n            return False",
        "!= self.offset\n        ):\n            pass",
    ),
    Mutant(
        "fact: the type of a value", "graph/facts.py",
        "return type(found) is type(self.expected) and found == self.expected",
        "return found == self.expected",
    ),
    Mutant(
        "fact: the same object", "graph/facts.py",
        "return self.place.look(run) is self.expected", "return True",
    ),
    Mutant(
        "fact: the kind of a number", "graph/facts.py",
        "if type(found) is not self.kind:\n            return False\n", "",
    ),
    Mutant(
        "fact: the class of an object", "graph/facts.py",
        "return type(found) is self.kind and run.take_object(found, self.number)",
        "return run.take_object(found, self.number)",
    ),
    Mutant(
        "fact: the identity of an object", "graph/run.py",
        "if self.numbers.setdefault(id(found), index) != number:\n            return False\n", "",
    ),
    Mutant(
        "fact: keys and their order", "graph/facts.py",
        "return found == self.expected and tuple(map(type, found)) == self.types", "return True",
    ),
    Mutant(
        "fact: what library code decided", "graph/facts.py",
        "return self.function(*given) is self.outcome",
        "return True",
    ),
    Mutant(
        "fact: the key of a tensor from outside", "graph/facts.py",
        "return tensor_key(tensor) == self.key and self.take_known(run, tensor)",
        "return self.take_known(run, tensor)",
    ),
    # -- positions of run time -------------------------------------------------------------------
    Mutant(
        "position: a copy that a write makes out of date", "graph/writes.py",
        "self.path.excerpts[each] = True", "self.path.excerpts[each] = False",
    ),
    Mutant(
        "position: a write to a part", "graph/writes.py",
        "            steps.append(Write(self._placed(known.value), new.value, line))\n",
        "            pass\n",
    ),
    Mutant(
        "position: a copy is written with its part", "graph/writes.py",
        "        steps.append(Write(known.value, new.value, line))\n"
        "        if isinstance(memory, Excerpt):\n",
        "        if not isinstance(memory, Excerpt):\n"
        "            steps.append(Write(known.value, new.value, line))\n        else:\n",
    ),
    Mutant(
        "position: a copy is made anew where it is read", "graph/writes.py",
        "if isinstance(held, Value) and self.path.excerpts.get(held.memory):", "if False:",
    ),
    Mutant(
        "position: what was made anew in vain", "graph/cutting.py",
        "        self.path.excerpts = dict(self._marked_excerpts)\n", "",
    ),
    Mutant(
        "position: what is saved has the version of the whole", "graph/recording.py",
        "return value, TensorEntry(value, None, source.storage, base)",
        "return value, TensorEntry(value, None, StorageEntry(memory, None), base)",
    ),
    Mutant(
        "position: where the part lies", "graph/recipes.py",
        "offset = self.number.build(run) * memory.distance + value.offset",
        "offset = self.number.build(run) * memory.distance",
    ),
    Mutant(
        "position: a part that is appended", "graph/appending.py",
        "if isinstance(memory, Excerpt) or memory in", "if memory in",
    ),
    Mutant(
        "position: one that does not exist, in native code", "kernels/scalars.py",
        '"({0} >= {1}) | (({0} < 0)', '"({0} > {1}) | (({0} < 0)',
    ),
    Mutant(
        "position: it may raise", "graph/selecting.py", "(value,), (origin,), True, True)",
        "(value,), (origin,), False, True)",
    ),
    Mutant(
        "position: what is added to a row only", "graph/loop_sums.py",
        "and self._uses[more] == 1:", "and self._uses[more]:",
    ),
    # -- texts of numbers of run time ------------------------------------------------------------
    Mutant(
        "text: an integer may be too large for a float", "graph/texts.py",
        "if type(value) is int and spec.endswith(tuple(FLOATING)):", "if False:",
    ),
    Mutant(
        "text: an integer may be no character", "graph/texts.py",
        'if spec.endswith("c"):', "if False:",
    ),
    Mutant(
        "text: a float may be no number", "graph/texts.py",
        "elif isinstance(origin, Runtime) and type(value) is", "elif False and type(value) is",
    ),
    Mutant(
        "text: a width of run time", "graph/texts.py",
        "if any(self.fixed(each.value, each.origin) is not KNOWN for each in origin.fields):",
        "if False:",
    ),
    Mutant(
        "text: it goes on as it came in", "graph/text_recipes.py",
        "return isinstance(first, Number) and first.scalar is scalar and first.scalar.type is str",
        "return scalar is not None and scalar.type is str",
    ),
    Mutant(
        "text: the string of a method from outside", "graph/models.py",
        "if self.object(method) is None or self._take_bound(method):", "if True:",
    ),
    Mutant(
        "text: the pieces of both", "graph/texts.py",
        "        for each in origin.pieces if isinstance(origin, Text) else (value,):\n",
        "        for each in (value,):\n",
    ),
    # -- order -----------------------------------------------------------------------------------
    Mutant(
        "order: numbers that are none", "graph/ordering.py",
        "(float in kinds and not self._are_comparable(found))", "(float in kinds and False)",
    ),
    Mutant(
        "order: equal numbers stay in theirs", "graph/ordering.py",
        "self._chosen(later, other, one)", "self._chosen(later, one, other)",
    ),
    # -- copies ----------------------------------------------------------------------------------
    Mutant(
        "copy: a class that says how its objects are copied", "graph/copying.py",
        "return self.take(reduction)[0] is ABSENT and all(", "return True or all(",
    ),
    Mutant(
        "copy: what was met again", "graph/copying.py",
        "if id(x) in made:\n            return made[id(x)]", "if False:\n            return x, xo",
    ),
    Mutant(
        "copy: a tuple of what stays", "graph/copying.py",
        "if any(one[0] is not other[0] for one, other in zip(items, found)):", "if False:",
    ),
    # -- the same as a function ------------------------------------------------------------------
    Mutant(
        "guard: storage", "graph/guards.py",
        "self.first_with(storage, STORAGE, index, spec.storage)", "pass",
    ),
    Mutant(
        "guard: memory", "graph/guards.py",
        "self.first_with(owner, MEMORY, index, spec.memory)", "pass",
    ),
    Mutant(
        "guard: where a view begins", "graph/guards.py",
        'self.fail_if(f"address({name}._array) - address({memory}._array) != {spec.offset}")',
        "str(memory)",
    ),
    Mutant(
        "guard: the same root twice", "graph/guards.py",
        'self.fail_if(f"{name} is not {self.root(number)}")', "pass",
    ),
    Mutant(
        "guard: a root that is new", "graph/guards.py",
        "self.first_with(name, id(kind), index, index)", "pass",
    ),
    Mutant(
        "guard: the type of a value", "graph/guards.py",
        'f"type({name}) is not {self.constant(kind)} or {name} != {self.constant(expected)}"',
        'f"{name} != {self.constant(expected)}"',
    ),
    Mutant(
        "guard: the same object", "graph/guards.py",
        'self.fail_if(f"{self.look(place)} is not {self.constant(expected)}")',
        "self.look(place)",
    ),
    Mutant(
        "guard: the class of what is taken", "graph/guards.py",
        'self.fail_if(f"type({name}) is not {self.constant(kind)}")', "pass",
    ),
    Mutant(
        "guard: the key of a tensor from outside", "graph/guards.py",
        "if tensor_key({name}) != {key}: {self.failure}", "if False: {self.failure}",
    ),
    Mutant(
        "guard: attributes of classes", "graph/guards.py",
        'self.fail_if(f"{space}.get({name!r}, ABSENT) is not {self.constant(own)}")', "pass",
    ),
    # -- what a tensor's key says ----------------------------------------------------------------
    Mutant("key: the class of autograd", "graph/facts.py", "        kind,\n", "        0,\n"),
    Mutant("key: strides", "graph/facts.py", "        array.strides,\n", "        (),\n"),
    Mutant(
        "key: hooks", "graph/facts.py",
        "if node is not None and node.hooks is not None:\n        kind += 2\n", "",
    ),
    Mutant("key: grad mode", "graph/entrance.py", "[state.grad_enabled, ", "[None, "),
    Mutant(
        "key: default dtype", "graph/entrance.py", "dtypes.get_default_dtype(), names]",
        "None, names]",
    ),
    Mutant(
        "key: types of arguments", "graph/entrance.py",
        "parts.append((kind, value))", "parts.append(value)",
    ),
    Mutant(
        "run: forget what was taken in vain", "graph/run.py",
        "if number < roots}", "if number >= 0}",
    ),
    # -- replay -----------------------------------------------------------------------------------
    Mutant(
        "replay: announce writes", "graph/run.py",
        "                storage.prepare_write()\n", "                pass\n",
    ),
    Mutant(
        "replay: effects in order", "graph/replay.py",
        "for effect in effects:", "for effect in effects[::-1]:",
    ),
    Mutant(
        "replay: grad mode of a result", "graph/replay.py",
        "    state.grad_enabled = end.grad_enabled\n", "",
    ),
    Mutant(
        "replay: grad mode where a call ends or goes on", "graph/replay.py",
        "    state.grad_enabled = end.grad_enabled\n", "",
    ),
    Mutant(
        "replay: grad mode of frames", "graph/replay.py",
        "    state.grad_enabled = snapshot.grad_enabled\n    return frames", "    return frames",
    ),
    Mutant(
        "replay: a result that depends on another", "graph/replay.py",
        "if layout.dependent:", "if False:",
    ),
    Mutant(
        "hot: no effects on a guessed path", "graph/hot.py",
        "if any(segment.effects or segment.prepares for segment in segments):",
        "if False:",
    ),
    Mutant(
        "hot: what must not have been true", "graph/hot.py",
        "part = operand if outcome else compute(more, LOGICAL_NOT, operand)", "part = operand",
    ),
    Mutant(
        "hot: facts on a guessed path", "graph/hot.py",
        "tests.append(_Test(made, False, fact.outcome, len(steps)))", "pass",
    ),
    Mutant(
        "hot: numbers that are tested", "graph/hot.py",
        'truths.append(_number(steps, bool, "bool({0})", operand))', "pass",
    ),
    Mutant(
        "hot: numbers that must not be true", "graph/hot.py",
        'truths.append(_number(steps, operator.not_, "not {0}", operand))', "pass",
    ),
    Mutant(
        "hot: numbers that are looked up", "graph/hot.py",
        "return lambda found: type(found) is kind and found == value", "return lambda found: True",
    ),
    # -- the tape ---------------------------------------------------------------------------------
    Mutant(
        "tape: versions of a plan", "graph/tape.py",
        "            check_versions(tape, plan.checks)\n", "            pass\n",
    ),
    Mutant(
        "tape: versions of a segment", "graph/tape.py",
        "    check_versions(tape, _checks(owned))\n", "",
    ),
    Mutant(
        "tape: what is written unseen", "graph/tape.py",
        "if tape.moved or not tape.is_as_copied():", "if tape.moved:",
    ),
    Mutant(
        "tape: what is written unseen, bit by bit", "graph/tape.py",
        "held.tobytes() == copy.tobytes()", "np.array_equal(held, copy)",
    ),
    Mutant(
        "tape: watch arguments", "storage.py",
        "            self.watchers = [watcher]\n", "",
    ),
    Mutant(
        "tape: copy what is lent", "storage.py",
        "        if self.lent:\n            return False\n", "",
    ),
    Mutant(
        "tape: copies where they are needed", "graph/tape.py",
        "held = self.copies.get(value) if again else None", "held = None",
    ),
    Mutant(
        "tape: own saved values are not copies", "graph/tape.py",
        "held = self.copies.get(value) if again else None", "held = self.copies.get(value)",
    ),
    Mutant(
        "tape: freed once", "graph/tape.py",
        "if tape.freed and not tape.freed.isdisjoint(", "if False and not tape.freed.isdisjoint(",
    ),
    Mutant(
        "tape: freed in the call", "graph/recording.py",
        "and node.inputs is FREED", "and node.inputs is None",
    ),
    Mutant(
        "tape: eager where arguments have moved", "graph/tape.py",
        "then reads the copies\n        self.moved = True\n", "then reads the copies\n",
    ),
    Mutant(
        "tape: create_graph is eager", "graph/tape.py",
        "if state.grad_enabled or state.detect_anomaly:", "if state.detect_anomaly:",
    ),
    Mutant(
        "tape: overwritten in the call", "graph/derivative.py",
        "stale = tape.layout.state.writes.get(saved.storage, 0) != saved.version",
        "stale = False",
    ),
    # -- residuals --------------------------------------------------------------------------------
    Mutant(
        "residuals: written memory", "graph/residuals.py",
        "if value.memory in self.written or value.memory in self.unstable:",
        "if value.memory in self.unstable:",
    ),
    Mutant(
        "residuals: memory that results show", "graph/residuals.py",
        "if value.memory in self.written or value.memory in self.unstable:",
        "if value.memory in self.written:",
    ),
    Mutant(
        "residuals: keep all in the middle", "graph/residuals.py",
        "    if not last:\n        return [*kept, *wanted]\n", "",
    ),
    Mutant(
        "residuals: shown by effects", "graph/residuals.py",
        "    escaped.update(each.memory for each in recording.path.shown)\n", "",
    ),
    # -- recording --------------------------------------------------------------------------------
    Mutant(
        "cut: before a step that can raise", "graph/recording.py",
        "            self.split()\n        self.segment.can_raise = True",
        "            pass\n        self.segment.can_raise = True",
    ),
    Mutant(
        "cut: a step can raise", "graph/recording.py",
        "        self.segment.can_raise = True\n", "",
    ),
    Mutant(
        "site: the value of a number of run time", "graph/performing.py",
        "            self._decide(origin.scalar, True, (type(value), value), value)\n", "",
    ),
    Mutant(
        "site: an exact value", "graph/performing.py",
        "self._decide(origin.scalar, True, (type(value), value), value)\n", "\n",
    ),
    Mutant(
        "versions: effects of writes", "graph/cutting.py",
        "Rewritten(storage, more)", "Rewritten(storage, 0)",
    ),
    Mutant(
        "versions: announced roots", "graph/cutting.py",
        "                segment.prepares.append(storage.root)\n", "                pass\n",
    ),
    Mutant(
        "versions: .data has its own", "graph/knowledge.py",
        "        if held is not tensor._storage:\n", "        if False:\n",
    ),
    # -- writes to what has a history, or gets one ---------------------------------------------
    Mutant(
        "rewritten: what else shows the memory", "graph/rebasing.py",
        "if len(sharing) > 1:", "if False:",
    ),
    Mutant(
        "rewritten: a view that came in", "graph/rebasing.py",
        'found, origin = self.take(Place(lookups.read_is_whole, root, True, ""))',
        "found, origin = self.run.roots[root]._base is None, True",
    ),
    Mutant(
        "rewritten: what was stored outside", "graph/rebasing.py",
        "if known.storage in self.path.shown and not self._is_kept(whole):", "if False:",
    ),
    Mutant(
        "rewritten: a view that shows an element twice", "graph/rebasing.py",
        "if base is None or source is None or has_overlap(known.value):",
        "if base is None or source is None:",
    ),
    Mutant(
        "rewritten: order of elements", "graph/rebasing.py",
        "if not is_row_major(whole.value):", "if False:",
    ),
    Mutant(
        "rewritten: the number where a part lies", "graph/rebasing.py",
        "held = 0 if number is None else number\n", "held = 0 if number is None else real\n",
    ),
    Mutant(
        "rewritten: the number, on the way back inside", "graph/rebasing.py",
        "0 if number is None else tracked(real, number))", "real)",
    ),
    Mutant(
        "rewritten: histories of what came in", "graph/replay.py",
        "        rebase_roots(run, end.state)\n", "",
    ),
    Mutant(
        "rewritten: histories in a handover", "graph/replay.py",
        "    rebase_roots(run, snapshot.state)\n", "",
    ),
    Mutant(
        "rewritten: histories behind a loop", "graph/cycles.py",
        "tensor._node, tensor._index = nodes[before]", "pass",
    ),
    Mutant(
        "rewritten: what is taken behind it", "graph/taking.py",
        "                # a replay takes it before what it writes to has its new history\n"
        "                return None\n", "                pass\n",
    ),
    Mutant(
        "rewritten: views of which an instruction is the first to ask", "graph/cutting.py",
        "            if made.isdisjoint(each.history.edges):", "            if False:",
    ),
    Mutant(
        "rewritten: order of the histories", "graph/tape_layout.py",
        "position[variable] = index, count - 1, number", "position[variable] = index, 1 << 30",
    ),
    Mutant(
        "rewritten: which turn was the last", "graph/loop_tape.py",
        "            for variable in self.layout.ways[way].entering:\n",
        "            for variable in ():\n",
    ),
    Mutant(
        "rewritten: history of a loop that ends with an error", "graph/cycles.py",
        "if error is not None and not is_seen:", "if error is not None:",
    ),
    Mutant(
        "rewritten: what reads a cotangent comes before its change", "graph/loop_sums.py",
        "            is_needed |= state is not None and item.before in _reads(other)\n", "",
    ),
    Mutant(
        "rewritten: somebody else sees a cotangent", "graph/loop_sums.py",
        "found = None if rewriting.shows(outputs) else rewriting.ordered()",
        "found = rewriting.ordered()",
    ),
    Mutant(
        "rewritten: cotangents whose elements lie on each other", "graph/loop_sums.py",
        "self._changes(given, made) if is_row_major(given) else None",
        "self._changes(given, made)",
    ),
    Mutant(
        "rewritten: two numbers of run time", "graph/loop_sums.py",
        "return len(numbers) < 2 and not", "return not",
    ),
    Mutant(
        "rewritten: views that autograd does not follow", "graph/run.py",
        "            tensor._unfollowed = recipe.unfollowed\n", "",
    ),
    Mutant(
        "write: borrowed memory may overlap", "graph/writes.py",
        "if whole in self.foreign and len(self.foreign) > 1:", "if False:",
    ),
    Mutant(
        "store: what has a history", "graph/stores.py",
        "entry.root is not None or (self.variable(value) is None and value._base is None)",
        "True",
    ),
    Mutant(
        "places: a copy for each path", "graph/segment.py",
        "setattr(made, name, value.copy() if isinstance(value, (dict, list)) else value)",
        "setattr(made, name, value)",
    ),
    Mutant(
        "places: undone with what is truncated", "graph/cutting.py",
        "for identity, before in reversed(self._journal):", "for identity, before in ():",
    ),
    Mutant(
        "places: one name for an index", "graph/lists.py",
        "        if at < 0:\n", "        if False:\n",
    ),
    Mutant(
        "places: keys that a store adds", "graph/mappings.py",
        "            self.changing(known)\n        x[key] = value\n",
        "            pass\n        x[key] = value\n",
    ),
    Mutant(
        "places: how long a list is", "graph/performing.py",
        'self.take(Place(lookups.read_length, known, True, ""))\n            found = [self.take',
        "found = [self.take",
    ),
    Mutant(
        "places: what an object lacks", "graph/objects.py",
        "            self.take(Place(lookups.static_lookup, known, True, name))\n        if getter",
        "            pass\n        if getter",
    ),
    Mutant(
        "closures: code and globals", "graph/taking.py",
        "for read in (read_code, read_globals):", "for read in ():",
    ),
    Mutant(
        "recipes: an object is made once", "graph/recipes.py",
        "made = run.made[self.key] = self.kind()", "made = self.kind()",
    ),
    Mutant(
        "recipes: versions of what was made", "graph/remaking.py",
        'version = self.path.writes.get(entry.storage, 0)', "version = 0",
    ),
    # -- where calls go on ------------------------------------------------------------------------
    Mutant(
        "layout: an iterator that was in Python's hands", "graph/entrance.py",
        " and not each.exposed else None", " else None",
    ),
    Mutant(
        "layout: an iterator that something else holds", "graph/entrance.py",
        "if uses[id(each)] > 1 or register", "if register",
    ),
    Mutant(
        "layout: iterators of frames", "graph/entrance.py",
        " and id(values[each]) in alone else", " else",
    ),
    Mutant(
        "rows: of a tensor that has got other memory", "graph/turning.py",
        "return ROWS if it.is_as_it_began else None", "return ROWS",
    ),
    Mutant(
        "rows: iterators that variables hold", "graph/rows.py",
        "if op != Op.CALL or made < code.named_count:", "if op != Op.CALL:",
    ),
    Mutant(
        "rows: the grad mode when the loop began", "graph/rows.py",
        "before, state.grad_enabled = state.grad_enabled, grad_enabled",
        "before = state.grad_enabled",
    ),
    Mutant(
        "rows: they are some of several", "graph/rows.py",
        "            made._unfollowed = ONE_OF_SEVERAL\n", "            pass\n",
    ),
    Mutant(
        "rows: the first end is the end", "graph/rows.py",
        'self._number("{0} & {1}", operator.and_', 'self._number("{0} | {1}", operator.or_',
    ),
    Mutant(
        "rows: iterators of the evaluator go along", "graph/rows.py",
        "            value = next(it, EXHAUSTED)\n",
        "            value = None if goes_on else EXHAUSTED\n",
    ),
    Mutant(
        "exit: what the instruction changed", "graph/cutting.py",
        "                if self._changed_since_mark():\n                    raise",
        "                if False:\n                    raise",
    ),
    Mutant(
        "exit: drop what the instruction did", "graph/cutting.py",
        "                self._truncate()\n            snapshot", "            snapshot",
    ),
    # -- native loops -----------------------------------------------------------------------------
    Mutant(
        "ways: which is tried instead", "graph/cycles.py",
        "                        instead = other\n                        break\n",
        "                        break\n",
    ),
    Mutant(
        "ways: closed ones are not taken", "graph/cycles.py",
        "closed=closed, first=first", "closed=(), first=first",
    ),
    Mutant(
        "ways: facts of the segments behind the first", "graph/surroundings.py",
        "        if not all(fact.holds(run) for fact in self.facts):\n",
        "        if not [fact.holds(run) for fact in self.facts]:\n",
    ),
    Mutant(
        "ways: facts of the segments behind the first, as a function", "graph/surroundings.py",
        "            return self._guards(run)\n", "            return self._guards(run) or True\n",
    ),
    Mutant(
        "ways: what no turn has changed is what it was", "graph/cycles.py",
        "            if not changing & taken:\n", "            if not changing:\n",
    ),
    Mutant(
        "ways: a number that must come out as it was", "graph/ways.py",
        '        self._ask(operator.eq, "{0} == {1}", (number, value), True, None)\n', "",
    ),
    Mutant(
        "loop: writes are put off", "kernels/turn.py",
        "            ready, early = _put_off(ready, self.made.through)\n",
        "            early = set()\n",
    ),
    Mutant(
        "loop: writes that a test hangs on", "kernels/turn.py",
        "            early.add(memory)\n", "            pass\n",
    ),
    Mutant(
        "loop: copies are written back", "kernels/turn.py",
        "                self.steps.append(Write(thin(each), thin(self.renamed(each))))\n"
        "        # behind", "                pass\n        # behind",
    ),
    Mutant(
        "loop: versions of what turns write to", "graph/cycles.py",
        "            raise_versions(self.ways, runs, turns.counts, self.exchange.roots)\n",
        "            pass\n",
    ),
    Mutant(
        "loop: versions of what turns have made and written", "graph/cycles.py",
        "join.writes if isinstance(join, Carried) else 0", "0",
    ),
    Mutant(
        "loop: who relies on what turns write to", "graph/cycles.py",
        "            announce(self.ways, runs, self.exchange.announced)\n", "            pass\n",
    ),
    Mutant(
        "loop: writes to what goes on", "graph/loop_writes.py",
        "if any(isinstance(each, Value) and each.memory in written for each in carried):",
        "if False:",
    ),
    Mutant(
        "loop: writes to what is appended", "graph/loop_writes.py",
        "if any(each.memory in written for way in ways for each in way.appended()):", "if False:",
    ),
    Mutant(
        "loop: writes to what is saved", "graph/loop_writes.py",
        "if any(not saved_by(way).isdisjoint(written) for way in ways):", "if False:",
    ),
    Mutant(
        "loop: versions of what changes places", "graph/cycles.py",
        "            self.exchange.raise_versions(turns, run)\n", "            pass\n",
    ),
    Mutant(
        "loop: versions of what changes places, once", "graph/loop_writes.py",
        "                if storage.root not in exchanged:\n", "                if True:\n",
    ),
    Mutant(
        "loop: who relies on what changes places", "graph/cycles.py",
        "announce(self.ways, runs, self.exchange.announced)", "announce(self.ways, runs, ())",
    ),
    Mutant(
        "loop: which tensor is where in the end", "graph/exchanging.py",
        "{root: run.roots[self.roots[which]] for root, which in pairs}",
        "{root: run.roots[root] for root, _ in pairs}",
    ),
    Mutant(
        "loop: what changes places and shares its memory", "graph/exchanging.py",
        "if shown != entries or len(entries) > len(memories):", "if False:",
    ),
    Mutant(
        "loop: what changes places and is appended", "graph/exchanging.py",
        "if isinstance(each, Root) and way.state.roots[each.index] in entries:", "if False:",
    ),
    Mutant(
        "loop: what changes places and is saved", "graph/exchanging.py",
        "if layout is not None and any(not memories.isdisjoint(saved_by(each)) for each in ways):",
        "if False:",
    ),
    Mutant(
        "loop: what is asked of what changes on another way", "graph/loop_facts.py",
        "_check_way(way, first | way.changing())", "_check_way(way, way.changing())",
    ),
    Mutant(
        "loop: how far from the beginning of what has changed places", "kernels/assembly.py",
        "                if distance:\n", "                if False:\n",
    ),
    Mutant(
        "loop: results of one turn depend on each other", "graph/loop_layout.py",
        "            each.layout.dependent\n            or any(", "            any(",
    ),
    Mutant(
        "loop: results depend on those of earlier turns", "graph/loop_layout.py",
        "one in self.leading and one not in each.entering", "False",
    ),
    Mutant(
        "loop: freed once", "graph/loop_node.py",
        "if self.past.passages[number].has_freed(saved, own):\n", "if False:\n",
    ),
    Mutant(
        "loop: freed turn by turn", "graph/loop_tape.py",
        "        turns[own] = True\n", "        turns[:] = True\n",
    ),
    Mutant(
        "loop: numbers are not freed", "graph/derivative.py",
        "for each, held in values.items() if isinstance(each, Scalar)}", "for each, held in ()}",
    ),
    Mutant(
        "loop: only what leads to what is asked for", "graph/loop_node.py",
        "for each in stretches[-1][1] if each in given", "for each in given",
    ),
    Mutant(
        "loop: what came in, up to its first change", "graph/loop_tape.py",
        "            if turn <= first:\n", "            if turn < first:\n",
    ),
    Mutant(
        "loop: what comes out, behind its last change", "graph/loop_tape.py",
        "            elif turn > last:\n", "            elif turn > last + 1:\n",
    ),
    Mutant(
        "loop: what comes out is shown", "graph/loop_tape.py",
        "            if self._positions[root][1] == turn:\n", "            if False:\n",
    ),
    Mutant(
        "loop: versions of what comes out", "graph/loop_node.py",
        "else {turns[0], turns[-1]}:", "else {turns[0]}:",
    ),
    Mutant(
        "loop: versions of what came in", "graph/loop_node.py",
        "else {turns[0], turns[-1]}:", "else {turns[-1]}:",
    ),
    Mutant(
        "loop: versions", "graph/loop_node.py",
        "plan.writes_nothing and past.is_as_it_was())", "plan.writes_nothing)",
    ),
    Mutant(
        "loop: versions of what came in, where only that was written", "graph/loop_tape.py",
        "            storage.version != version\n", "            False\n",
    ),
    Mutant(
        "loop: versions of what came out, where only that was written", "graph/loop_tape.py",
        "not any(storage.version for storage in self.shown.values())", "True",
    ),
    Mutant(
        "loop: arguments that eager has not saved", "graph/loop_tape.py",
        "self.invariant[value] = laid_out(value, self.invariant[value])", "pass",
    ),
    Mutant(
        "loop: the last turn comes first", "graph/loop_reverse.py",
        "end - arrivals.begin][::-1]", "end - arrivals.begin]",
    ),
    Mutant(
        "loop: which path a variant takes", "graph/loop_reverse.py",
        "as_known = not arrivals.direct and [*self.plans] == arrivals.variants",
        "as_known = True",
    ),
    Mutant(
        "loop: what is freed in all turns", "graph/loop_tape.py",
        "            self._gone.update(saved)\n", "            pass\n",
    ),
    Mutant(
        "loop: what is freed in some turns only", "graph/loop_tape.py",
        "        is_whole = isinstance(own, slice) and own == slice(0, self.count)\n",
        "        is_whole = True\n",
    ),
    Mutant(
        "loop: no gradient where no turn has added one", "graph/loop_reverse.py",
        "if known is not None or self._adds(target, turns.counts):", "if True:",
    ),
    Mutant(
        "loop: sums of totals", "graph/loop_reverse.py",
        "before.append(total if made is None else add(total, made))",
        "before.append(total if made is None else made)",
    ),
    Mutant(
        "loop: what goes on as it is", "graph/loop_reverse.py",
        "made = value if made is None else add(value, made)",
        "made = value if made is None else made",
    ),
    # -- what turns append -------------------------------------------------------------------------
    Mutant(
        "parts: one tensor in two places", "graph/joins.py",
        "if len(set(found)) != len(found) or len(memories) < len(before):", "if False:",
    ),
    Mutant(
        "parts: a tuple that another one takes the place of is no element", "graph/appending.py",
        "            if recipe.index in rebuilt:\n", "            if False:\n",
    ),
    Mutant(
        "lists: what goes on and is appended is one tensor", "graph/cycles.py",
        "if seen is None:", "if True:",
    ),
    Mutant(
        "lists: nothing looks at them", "graph/loop_facts.py",
        "if place.is_root and place.base in growing:", "if False:",
    ),
    Mutant(
        "lists: other changes", "graph/ways.py",
        "or changed.change is not append:", "or False:",
    ),
    Mutant(
        "lists: views of what came in", "graph/appending.py",
        "if isinstance(memory, Excerpt) or memory in self.way.state.memories.values():",
        "if False:",
    ),
    Mutant(
        "lists: what shares its memory", "graph/appending.py",
        "            if recipe.entry.value.memory in memories:\n",
        "            if root in watched:\n",
    ),
    Mutant(
        "lists: what was made before the turn", "graph/appending.py",
        "before = bisect_left(turns, turn)", "before = bisect_left(turns, turn - 1)",
    ),
    Mutant(
        "lists: in the order of the turns", "graph/appending.py",
        "order[np.isin(order, ways)].tolist()", "sorted(order[np.isin(order, ways)].tolist())",
    ),
    Mutant(
        "lists: versions of what is saved", "graph/loop_node.py",
        "for turn in turns if past.is_written() else", "for turn in",
    ),
    Mutant(
        "lists: storages of what was made in a turn", "graph/loop_tape.py",
        "for held, those in self.seen[number].items() if own in those",
        "for held, those in self.seen[number].items() if False",
    ),
    Mutant(
        "lists: storages of what a turn began with", "graph/loop_tape.py",
        "            elif (shown := self._seen(root, turn)) is not None:\n",
        "            elif (shown := None) is not None:\n",
    ),
    Mutant(
        "lists: gradients by elements", "walk.py",
        "(node.hooks is not None or bool(walk.asked(node)))", "node.hooks is not None",
    ),
    Mutant(
        "lists: what arrives is told from what waits", "graph/loop_node.py",
        "tensor = wrap(add_cotangents(held._array, tensor._array))", "pass",
    ),
    Mutant(
        "lists: variants of a way", "graph/arrivals.py",
        "        if way not in self._divided:\n", "        if True:\n",
    ),
    Mutant(
        "tape: dtypes of cotangents", "graph/derivative.py",
        "(each, array.shape, array.strides, array.dtype)", "(each, array.shape, array.strides)",
    ),
    Mutant(
        "tape: shapes of cotangents", "graph/derivative.py",
        "(each, array.shape, array.strides, array.dtype)", "(each, array.strides, array.dtype)",
    ),
    Mutant(
        "hot: what goes in meets what comes from another result", "graph/plans.py",
        "flowing[target] = made if held is None else compute(steps, ADD, held, made)",
        "flowing[target] = made",
    ),
    Mutant(
        "hot: a test of what came in", "graph/hot.py",
        "read = [each.operand for each in tests]", "read = []",
    ),
    # -- the way back through all turns at once -------------------------------------------------
    Mutant(
        "all turns back: what was freed", "graph/loop_shortcuts.py",
        "if passage.is_freed:", "if False:",
    ),
    Mutant(
        "all turns back: what was written", "graph/loop_shortcuts.py",
        "if self.checks and not past.is_as_it_was():", "if False:",
    ),
    Mutant(
        "all turns back: layouts of cotangents", "graph/loop_shortcuts.py",
        "(array.shape, array.strides, array.dtype)", "array.shape",
    ),
    Mutant(
        "all turns back: what is asked for", "graph/loop_shortcuts.py",
        "return tuple(node.ways), tuple(needed), tuple(kinds)",
        "return tuple(node.ways), tuple(kinds)",
    ),
    Mutant(
        "all turns back: the ways of the turns", "graph/loop_shortcuts.py",
        "return tuple(node.ways), tuple(needed), tuple(kinds)",
        "return tuple(needed), tuple(kinds)",
    ),
    Mutant(
        "all turns back: what arrives in between", "graph/loop_node.py",
        "if not self.is_chain and self.end", "if self.end",
    ),
    Mutant(
        "all turns back: some turns only", "graph/loop_node.py",
        "if not self.is_chain and self.end - self.begin == self.past.turns:",
        "if not self.is_chain:",
    ),
    Mutant(
        "all turns back: sums that no turn adds to", "graph/loop_shortcuts.py",
        "if root in reverse.totals and any(root in plan.outputs for _, plan in known):",
        "if root in reverse.totals:",
    ),
    Mutant(
        "all turns back: how sums lie", "graph/loop_shortcuts.py",
        "return len(reverse.values) + number, reverse.layouts.get(root)",
        "return len(reverse.values) + number, None",
    ),
    Mutant(
        "all turns back: the order of the ways", "graph/loop_shortcuts.py",
        'order, paths = "order[::-1]"', 'order, paths = "order"',
    ),
    # -- shortcuts ------------------------------------------------------------------------------
    Mutant(
        "route: which ways the turns have taken", "graph/route_functions.py",
        """wrong.append(f"{'not ' if taken else ''}{turns}.counts[{number}]")""", "pass",
    ),
    Mutant(
        "route: the value of a number that decides", "graph/route_functions.py",
        'facts.wrong_if(f"{given.name} != {self.constant(part[1])}")', "pass",
    ),
    Mutant(
        "route: facts of what turns look at", "graph/route_functions.py",
        "                        own.fact(fact)\n", "                        pass\n",
    ),
    Mutant(
        "route: versions of what is kept", "graph/route_facts.py",
        "        return storage, self.hold(version)\n", '        return storage, "0"\n',
    ),
    Mutant(
        "route: versions when it was kept", "graph/route_facts.py",
        "        return storage, self.hold(version)\n", "        return storage, version\n",
    ),
    Mutant(
        "route: writes to arguments that are read again", "graph/route_history.py",
        "    if those:\n", "    if False:\n",
    ),
    Mutant(
        "route: copies before a write", "graph/route_node.py",
        "                node.tape.copy_arguments()\n", "                pass\n",
    ),
    Mutant(
        "route: memory that may be written unseen", "graph/route_node.py",
        "        if not all(seen):\n            self.chain()\n", "",
    ),
    Mutant(
        "route back: what was written", "graph/route_reverse.py",
        'self.checks[f"{storage}.version - {version} != {behind}"] = None', "pass",
    ),
    Mutant(
        "route back: what was written of many", "graph/route_reverse.py",
        'self.checks[f"(*[each.version for each in {name}],) != {those}"] = None', "pass",
    ),
    Mutant(
        "route back: results that turns have saved", "graph/route_reverse.py",
        'self.checks[f"{storage}.version"] = None', "pass",
    ),
    Mutant(
        "route back: stages that nothing leads to are not freed", "graph/route_reverse.py",
        "                self.frees_all = False\n", "                pass\n",
    ),
    Mutant(
        "route back: what a pass leaves of a stage", "graph/route_reverse.py",
        "self.frees_all = self.frees_all and freed.issuperset(layout.saving)", "pass",
    ),
    Mutant(
        "route back: cotangents that meet", "graph/route_reverse.py",
        "add_cotangents({held}, {name})", "{name}",
    ),
    Mutant(
        "route back: writes meanwhile", "graph/route_node.py",
        "            if self._kept is not kept:\n                raise Unfold\n", "",
    ),
    Mutant(
        "route back: once only", "graph/route_node.py",
        "        if type(kept) is Freed:\n            raise Unfold\n", "",
    ),
    Mutant(
        "route back: everything is freed", "graph/route_node.py",
        "                        node.free_all()\n", "                        pass\n",
    ),
    Mutant(
        "route back: arrays are let go", "graph/route_node.py",
        'made.get(name) or ("None" if isinstance(each, np.ndarray) else left(name))',
        "made.get(name) or left(name)",
    ),
    Mutant(
        "route back: how cotangents lie", "graph/route_node.py",
        "return tuple(needed), tuple(kinds)", "return (tuple(needed),)",
    ),
    Mutant(
        "route back: anomalies", "graph/route_node.py",
        "if state.grad_enabled or state.detect_anomaly:", "if state.grad_enabled:",
    ),
    Mutant(
        "route back: recorded passes", "graph/route_node.py",
        "if state.grad_enabled or state.detect_anomaly:", "if state.detect_anomaly:",
    ),
    Mutant(
        "route back: what leads where", "graph/route_node.py",
        "found = chain[-1].leads(output, needs[chain[-1]])", "found = True",
    ),
    Mutant(
        "gradient: what lies behind its inputs", "graph/route_gradients.py",
        "            if type(edge) is not AccumulateGrad or edge.hooks is not None:\n"
        "                return None\n",
        "            pass\n",
    ),
    Mutant(
        "gradient: other inputs", "graph/route_gradients.py",
        "if not isinstance(each, TensorCore) or node_of(each) is not edges[at]:",
        "if not isinstance(each, TensorCore):",
    ),
    Mutant(
        "gradient: what has none", "graph/route_gradients.py",
        "if found is None or (not self.may_lack and any(each is None for each in found)):",
        "if found is None:",
    ),
    Mutant(
        "gradient: what is freed", "graph/route_node.py",
        "        if not keep:\n            self._kept = self.layout.freed(kept)\n", "",
    ),
    Mutant(
        "gradient: what is kept", "graph/route_node.py",
        "        if not keep:\n            self._kept = ",
        "        if True:\n            self._kept = ",
    ),
    Mutant(
        "gradient: how it lies", "graph/route_gradients.py",
        'lines.append(f"if {constant(tensor_key)}({name}) != {constant(key)}: return WRONG")',
        "pass",
    ),
    Mutant(
        "gradient: how many there are", "graph/route_gradients.py",
        'self.facts.lines.append(f"if len({self.made}) != {self.course.length}: return WRONG")',
        "pass",
    ),
    Mutant(
        "shortcut: versions when it was kept", "graph/shortcut_functions.py",
        "found[entry] = self.facts.hold(storage), self.facts.hold(version)",
        "found[entry] = self.facts.hold(storage), version",
    ),
    Mutant(
        "shortcut: histories of inputs when it was kept", "graph/shortcut_functions.py",
        "self.edges = self.facts.hold(edges), self.facts.hold(indices)",
        "self.edges = edges, indices",
    ),
    Mutant(
        "inlined gradient: what lies behind its inputs", "graph/route_inlining.py",
        'found += [f"type({end}) is not AccumulateGrad", f"{end}.hooks is not None"]',
        'found += [f"type({end}) is not AccumulateGrad"]',
    ),
    Mutant(
        "inlined gradient: a history from outside", "graph/route_inlining.py",
        'found += [f"type({end}) is not AccumulateGrad", f"{end}.hooks is not None"]',
        'found += [f"{end}.hooks is not None"]',
    ),
    Mutant(
        "inlined gradient: other inputs", "graph/route_inlining.py",
        'found.append(f"node_of({each}) is not {ends[position]}")', "pass",
    ),
    Mutant(
        "inlined gradient: inputs that are none", "graph/route_inlining.py",
        'found.append(f"not isinstance({each}, TensorCore)")', "pass",
    ),
    Mutant(
        "inlined gradient: more inputs", "graph/route_inlining.py",
        'found.append(f"len({inputs}) != {len(way_back.positions)}")', "pass",
    ),
    Mutant(
        "inlined gradient: what is written meanwhile", "graph/route_inlining.py",
        '*([f"if {\' or \'.join(text.checks)}: {GENERAL}"] if text.checks else []),', "",
    ),
    Mutant(
        "inlined gradient: what is freed", "graph/route_inlining.py",
        "if not step.gradients.keep:", "if False:",
    ),
    Mutant(
        "gradient: sums that begin with what has arrived", "graph/route_reverse.py",
        "begun[at - first] = self.names.pop(edge)", "begun[at - first] = self.names[edge]",
    ),
    Mutant(
        "leading on: another number of turns", "graph/route_node.py",
        "if lead_always(needs):", "if True:",
    ),
    Mutant(
        "leading on: another number of turns, in one step", "graph/route_reverse.py",
        "if not lead_always(needs):", "if False:",
    ),
    Mutant(
        "leading on: from outputs, another number of turns", "graph/route_node.py",
        "if is_lasting:", "if True:",
    ),
    Mutant(
        "leading on: leaves wait for all edges", "waiting.py",
        "        return node.edges if is_open is None else compress(node.edges, is_open)\n",
        "        return node.edges\n",
    ),
    Mutant(
        "leading on: everything arrives from everywhere", "waiting.py",
        "                arrivals = self._arrivals(roots, nodes, ends)\n                break\n",
        "                pass\n",
    ),
    Mutant(
        "leading on: leaves at a line wait for all edges", "walk.py",
        "            pairs = compress(pairs, node.edges_from(outputs))\n", "            pass\n",
    ),
    Mutant(
        "leading on: only from the last turn", "graph/loop_node.py",
        "if turn < first and layout.is_lasting(self.ways, live):", "if turn < first:",
    ),
    Mutant(
        "block: results are no part of it", "graph/shortcut_functions.py",
        " and each not in shown", "",
    ),
    Mutant(
        "block: what others see is no part of it", "graph/shortcut_functions.py",
        " and slot not in seen", "",
    ),
    Mutant(
        "block: each has its place", "kernels/driver_memory.py",
        "            size += aligned(length * itemsize)\n", "",
    ),
    Mutant(
        "short runs: where the rest begins", "kernels/running.py",
        "            done, number = begun[:2]\n", "            number = begun[1]\n",
    ),
    Mutant(
        "short runs: ways that are closed", "kernels/running.py",
        "not (closed or first or arena.closed)", "not (first or arena.closed)",
    ),
    Mutant(
        "short runs: ways that were closed", "kernels/running.py",
        "not (closed or first or arena.closed)", "not (closed or first)",
    ),
    Mutant(
        "short runs: the way to begin with", "kernels/running.py",
        "not (closed or first or arena.closed)", "not (closed or arena.closed)",
    ),
    Mutant(
        "short runs: the bytes of the tape", "kernels/running.py",
        "            and most_bytes >= ENDLESS\n", "",
    ),
    Mutant(
        "short runs: turns for Python to do", "kernels/running.py",
        "            if number == FAILED:\n                return number, Stop.PYTHON\n", "",
    ),
    Mutant(
        "short runs: how records lie", "kernels/short_runs.py",
        'f"or {name}.strides[1:] != {form.strides}"', '""',
    ),
    Mutant(
        "route: an exception is raised in the function", "graph/route_functions.py",
        '"    return interrupted(error, values, *call)"', '"    raise"',
    ),
    Mutant(
        "route: histories of what comes out of turns", "graph/route_functions.py",
        """            if join.root in leading:
""", """            if False:
""",
    ),
    Mutant(
        "route: which output of the turns", "graph/route_functions.py",
        'f"node{mark}", leading.index(join.root)', 'f"node{mark}", 0',
    ),
    Mutant(
        "route: what no turn has changed", "graph/route_functions.py",
        "            if not changing & stage.taken:\n                continue\n", "",
    ),
    Mutant(
        "shortcut: names of arguments", "graph/shortcut_functions.py",
        'begin = f"if names != {self.constant(self.names)}: return MISSED"', 'begin = "pass"',
    ),
    Mutant(
        "direct: names of arguments", "graph/path_writer.py",
        'if names else "kwargs"', 'if names else "False"',
    ),
    Mutant(
        "direct: which arguments have names", "graph/path_writer.py",
        'f"tuple(kwargs) != {self.constant(names)}" if', '"False" if',
    ),
    Mutant(
        "direct: what sees every operation", "graph/path_writer.py",
        "or {WATCHED} ", "",
    ),
    Mutant(
        "direct: all runs eagerly", "graph/path_writer.py",
        '"or config.eager or graph.resting.left "', '"or graph.resting.left "',
    ),
    Mutant(
        "direct: other code", "graph/path_writer.py",
        '"or graph.lowered is not graph.function.__code__: return MISSED"', '": return MISSED"',
    ),
    Mutant(
        "direct: where the path is another one", "graph/path_writer.py",
        'ends = {**ends, "WRONG": MISSED, "STALE": MISSED}', "pass",
    ),
    Mutant(
        "direct: a call that goes on", "graph/shortcut_functions.py",
        "if isinstance(end, Continue) or end.grad_enabled", "if end.grad_enabled",
    ),
    Mutant(
        "direct: what the graph has forgotten", "compiled.py",
        "if shortcuts is graph.entrance.shortcuts:", "if shortcuts is not None:",
    ),
    Mutant(
        "shortcut: grad mode", "graph/path_writer.py",
        "or state.grad_enabled is not {enabled} ", "",
    ),
    Mutant(
        "shortcut: default dtype", "graph/path_writer.py",
        "or default_dtype() is not {constant(dtype)}", "",
    ),
    Mutant(
        "shortcut: keys of arguments", "graph/path_writer.py",
        'self.facts.has_key(f"a{number}", part)', "pass",
    ),
    Mutant(
        "shortcut: values of arguments", "graph/path_writer.py",
        'self.facts.is_value(f"a{number}", kind, value)', "pass",
    ),
    Mutant(
        "shortcut: what is watched is the same as before", "graph/shortcut_functions.py",
        "PathFacts(pairs <= MOST_PAIRS and watched is None, watched)",
        "PathFacts(True, watched)",
    ),
    Mutant(
        "shortcut: the path is the right one", "graph/path_writer.py",
        'self.lines.append("if not flag: return WRONG")', "pass",
    ),
    Mutant(
        "watch: classes", "graph/watching.py",
        "words = [(version_word(own), each) for each, own in self.classes.items()]", "words = []",
    ),
    Mutant(
        "watch: which attributes of classes have been looked at", "graph/guards.py",
        "(id(each), name) not in self.watched.own:",
        "id(each) not in {kind for kind, _ in self.watched.own}:",
    ),
    Mutant(
        "watch: classes that change while a shortcut is written", "graph/shortcut_functions.py",
        "if watch is not None and not watch.has_same_classes():", "if False:",
    ),
    Mutant(
        "shortcut: what is watched by now", "graph/path_writer.py",
        'is not {self.constant(self.watch.plan)}: return STALE"', 'is None: return STALE"',
    ),
    Mutant(
        "shortcut: arguments that are watched, too", "graph/shortcut_facts.py",
        'others_are_known = "not numbers.keys().isdisjoint(watch.numbers.keys())"',
        'others_are_known = "False"',
    ),
    Mutant(
        "shortcut: versions of what is saved", "graph/shortcut_facts.py",
        'return storage, f"{storage}.version"', 'return storage, "0"',
    ),
    Mutant(
        "shortcut: writes to arguments that are read again", "graph/path_writer.py",
        'self.lines.append(Made(tape, f"{tape}.watch(({watched}))"))', "pass",
    ),
    Mutant(
        "shortcut: the mode that a call leaves", "graph/path_writer.py",
        'self.lines.append(f"state.grad_enabled = {end.grad_enabled}")', "pass",
    ),
    Mutant(
        "shortcut: hooks of leaves", "graph/guards.py",
        'f"or (k[1] is not None and k[1].hooks is not None)):"', 'f"):"',
    ),
    Mutant(
        "shortcut: memory that others write to", "graph/guards.py",
        "or {name}._storage.lent ", "",
    ),
    Mutant(
        "shortcut back: which gradients are wanted", "graph/plans.py",
        'conditions = [f"needed != {[each in wanted for each in layout.roots]}"]',
        'conditions = ["False"]',
    ),
    Mutant(
        "shortcut back: which cotangents arrive", "graph/plans.py",
        "conditions.append(f\"{name} is {'not ' if tensor is None else ''}None\")", "pass",
    ),
    Mutant(
        "shortcut back: strides of cotangents", "graph/plans.py",
        "or {name}.strides != {array.strides} ", "",
    ),
    Mutant(
        "shortcut back: dtypes of cotangents", "graph/plans.py",
        "or {name}.dtype != {constant(array.dtype)}: return None", ": return None",
    ),
    Mutant(
        "shortcut back: versions of what is saved", "graph/plans.py",
        'lines.append("check(tape)")', "pass",
    ),
    Mutant(
        "shortcut back: what was freed", "graph/tape.py",
        "if shortcut is not None and not tape.freed:", "if shortcut is not None:",
    ),
    Mutant(
        "shortcut back: what was moved", "graph/tape.py",
        "if tape.moved or not tape.is_as_copied():", "if not tape.is_as_copied():",
    ),
    Mutant(
        "hot: how what goes in lies", "graph/tape.py",
        "each: described(tensor._array) for", "each: described(tensor._array.copy()) for",
    ),
    Mutant(
        "unfolded: what comes before an error is freed", "graph/derivative.py",
        "                self.tape.free((self.variable,))\n", "                pass\n",
    ),
    Mutant(
        "unfolded: histories of a walk outlive it", "graph/derivative.py",
        "            if self.unfolding.lasts:\n", "            if True:\n",
    ),
    Mutant(
        "unfolded: turns are freed one by one", "graph/loop_tape.py",
        "slice(self._own, self._own + 1))", "slice(0, self._passage.count))",
    ),
    Mutant(
        "unfolded: hooks of leaves", "walk.py",
        "if any(type(edge) is AccumulateGrad and edge.hooks is not None for edge in node.edges):",
        "if False:",
    ),
    Mutant(
        "walk: from one element of a list to another", "waiting.py",
        "if True in needed or (node.is_chain and self.asked(node)):", "if True in needed:",
    ),
    Mutant(
        "walk: other outputs lead to what is wanted", "waiting.py",
        "(edge.outputs == 1 or self._leads(edge, index))", "True",
    ),
    Mutant(
        "walk: other outputs on a line lead to what is wanted", "walk.py",
        "(edge in found and edge.leads(index, found[edge]))", "edge in found",
    ),
    Mutant(
        "walk: a line to leaves with hooks", "walk.py",
        "                if edge.hooks is not None:\n                    return None\n", "",
    ),
    Mutant(
        "walk: a line of nodes with hooks", "walk.py",
        "or node.is_chain or node.hooks is not None:", "or node.is_chain:",
    ),
    Mutant(
        "walk: a line ends behind what leads to leaves", "walk.py",
        "return line[: last + 1]", "return line[:1]",
    ),
    # -- host calls -----------------------------------------------------------------------------
    Mutant(
        "host call: iterators that are at their end", "graph/host_functions.py",
        'return f"(v{at} >= v{at + 1} if', 'return f"(v{at} > v{at + 1} if',
    ),
    Mutant(
        "host call: iterators that go on where another one ends", "graph/host_functions.py",
        "            self._by_evaluator_if(_is_at_end(at))\n", "            pass\n",
    ),
    Mutant(
        "host call: the end of a loop that nobody has seen", "graph/host_functions.py",
        'self.lines += [self.release, "return other(going, hopeless, made)"]',
        "self._course(self.turn or self.end)",
    ),
    Mutant(
        "host call: how many items are taken apart", "graph/host_functions.py",
        'self._by_evaluator_if(f"{is_other} or len(made) != {course.length}")',
        "self._by_evaluator_if(is_other)",
    ),
    Mutant(
        "host call: what is taken apart", "graph/host_functions.py",
        'self._by_evaluator_if(f"{is_other} or len(made) != {course.length}")',
        'self._by_evaluator_if(f"len(made) != {course.length}")',
    ),
    Mutant(
        "host call: items that are lost", "graph/host_functions.py",
        'self._by_evaluator_if(f"has_finalizer({each})")', "pass",
    ),
    Mutant(
        "host call: an answer that is lost", "graph/host_functions.py",
        'self._by_evaluator_if("made is not None and has_finalizer(made)")', "pass",
    ),
    Mutant(
        "host call: variables that are read no longer", "graph/host_functions.py",
        'self._by_evaluator_if(f"True in map(has_finalizer, {names})")', "pass",
    ),
    Mutant(
        "host call: a tensor that is taken apart", "graph/host_symbols.py",
        "if goes_on_here or x is not self.result", "if x is not self.result",
    ),
    Mutant(
        "host call: what is spread", "graph/host_functions.py",
        'self._by_evaluator_if(f"type({name}) is not tuple and type({name}) is not list")', "pass",
    ),
    Mutant(
        "host call: lists of values", "graph/host_symbols.py",
        "if id(held) in self._following.built or id(held) in self._following.begun:", "if False:",
    ),
    Mutant(
        "host call: iterators go on", "graph/host_functions.py",
        '[f"w{at} = v{at} + v{at + 2}" for', '[f"w{at} = v{at}" for',
    ),
    Mutant(
        "host call: globals of the caller", "graph/host_functions.py",
        'in LOOKS_AT_LOCALS or globals_of_caller is not "\n'
        '            f"v{called.function}.__globals__:"', 'in LOOKS_AT_LOCALS:"',
    ),
    Mutant(
        "host call: in a handler", "graph/host_calls.py",
        " or any(code.handled[at] >= 0 for code, at, *_ in before.frames):", ":",
    ),
    Mutant(
        "host call: where it goes on is as seen", "graph/host_calls.py",
        "(there is not after and not _only_loads(there, after))", "there is None",
    ),
    Mutant(
        "host call: what has a finalizer lives on", "graph/entrance.py",
        " if has_finalizer(values[each]) and each not in live]", " if False]",
    ),
    Mutant(
        "loop: numbers that decide come from outside", "kernels/loops.py",
        "        _check_numbers(inputs, path)\n", "        pass\n",
    ),
    Mutant(
        "shortcut: what was apart is apart", "graph/shortcut_facts.py",
        "self.fail_if(\" or \".join(f\"{held} is {each}\" for each in others.values()))", "pass",
    ),
    Mutant(
        "shortcut: what was the same is the same", "graph/shortcut_facts.py",
        "self.fail_if(f\"{held} is not {others[expected]}\")", "pass",
    ),
    Mutant(
        "loop: a path reads what it is given itself", "kernels/assembly.py",
        "next(each for each in given if each[2] in reads)", "given[0]",
    ),
    # -- whole runs, and objects made by native code ---------------------------------------------
    Mutant(
        "whole run: what Python does besides", "kernels/driver.py",
        "if len(self._launches) != 1 or len(self._lines) != lines:",
        "if len(self._launches) != 1:",
    ),
    Mutant(
        "whole run: several launches", "kernels/driver.py",
        "if len(self._launches) != 1 or len(self._lines) != lines:",
        "if len(self._lines) != lines:",
    ),
    Mutant(
        "whole run: numbers that are not bools", "kernels/driver.py",
        "if source.dtype == np.bool_ and source.memory in self._scratch:",
        "if source.memory in self._scratch:",
    ),
    Mutant(
        "whole run: where scratch memory begins", "kernels/calling.py",
        "begins = 8 * things + ALIGNMENT - 1", "begins = ALIGNMENT - 1",
    ),
    Mutant(
        "whole run: constants live on", "kernels/calling.py",
        "[*self.arrays, *self.held]", "[*self.arrays]",
    ),
    Mutant(
        "instance: classes of arguments", "kernels/instances.py",
        "words += [0 if kind is None else id(kind) for kind in kinds]",
        "words += [0 for kind in kinds]",
    ),
    Mutant(
        "instance: the node of a tensor", "graph/fresh.py",
        '"_node": node, "_index": index}', '"_node": None, "_index": index}',
    ),
    Mutant(
        "instance: which output of its node a tensor is", "graph/fresh.py",
        '"_node": node, "_index": index}', '"_node": node, "_index": 0}',
    ),
    Mutant(
        "instance: storages of their own", "graph/path_writer.py",
        "is_alone = entry.root is entry.sibling is None and entry not in self.storages",
        "is_alone = True",
    ),
    # -- memory of a run --------------------------------------------------------------------------
    Mutant(
        "memory: what is read when another one is made", "kernels/scratch.py",
        "if each.dead >= part.born", "if each.dead > part.born",
    ),
    Mutant(
        "memory: lies in order", "kernels/scratch.py",
        "held.insert(before, part)", "held.append(part)",
    ),
    # -- interrupts and threads -----------------------------------------------------------------
    Mutant(
        "interrupt: raised behind what has been replayed", "graph/interrupts.py",
        "        if run.last is not None:\n", "        if False:\n",
    ),
    Mutant(
        "interrupt: raised in frames that no evaluator has begun with", "graph/interrupts.py",
        "    return going.frames()[0]\n", "    return None\n",
    ),
    Mutant(
        "interrupt: versions of what was written", "graph/interrupts.py",
        "            _count_writes(run)\n", "            pass\n",
    ),
    Mutant(
        "interrupt: ordinary exceptions of handlers", "graph/replay.py",
        "segment.can_raise and not is_interrupt(error)", "segment.can_raise",
    ),
    Mutant(
        "interrupt: between two instructions", "python/evaluate.py",
        "if frames[0].is_over or not left:", "if True:",
    ),
    Mutant(
        "thread: what is watched has the values behind its words", "graph/watching.py",
        "roots, state.slots = state.plan.taken(run)", "roots, _ = state.plan.taken(run)",
    ),
    Mutant(
        "thread: segments that change places", "graph/replay.py",
        "    if not again or len(candidates) < 2:\n        return None\n", "    return None\n",
    ),
    Mutant(
        "thread: a path that was taken out", "graph/hot.py",
        "            if outcome is ABSENT:\n", "            if False:\n",
    ),
]
