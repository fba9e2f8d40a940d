"""Statements of random programs about texts, and about what Python's library collects things in."""

from __future__ import annotations

from tests.fuzz.statements import Statements


class Library(Statements):
    """Texts, deques, counters, heaps, iterators with a state, objects of derived classes."""

    def shown(self) -> str:
        """Return an expression for a number whose text is exact: small, and not minus zero."""
        c = self.pick(self.number(), f"{self.tensor()}.sum().clamp(-99, 99).item()")
        return f"(max(-99, min({c}, 99)) + 0)"

    def text(self) -> str:
        """Return an expression for a text."""
        c, i = self.shown(), self.integer()
        known = self.named("text")
        return self.pick(
            f'f"{{{c}}}"',
            f'f"{{{c}:.2f}} of {{{i}}}"',
            f'f"{{{c}:>{{abs({i}) % 9}}}}|{{{i}!r:<3}}"',
            f"str({c})",
            f'"%d|%s" % ({i}, {c})',
            f'"{{}} {{:5}}".format({c}, {i})',
            f'", ".join([str({c}), f"{{{i}:03d}}"])',
            f"repr([{c}, {i}])",
            f'f"{{Amount({c})}} {{Score({c}, {i})}}"',
            f'f"{{{self.tensor()}.sum().clamp(-99, 99) + 0:.1f}}"',
            *(f'{each}[-9:] + f";{{{i}}}"' for each in known),
            *(f"{each}[:9].upper()" for each in known),
        )

    def named(self, kind: str) -> list[str]:
        """Return the names that are bound to such a thing."""
        return [name for each, name in self.things if each == kind]

    def make(self, kind: str, text: str) -> str:
        name = self.new("t")
        self.emit(f"{name} = {text}")
        self.things.append((kind, name))
        return name

    def write_text(self) -> None:
        """Make a text, change one, or let it be seen."""
        if not self.named("text") or self.maybe():
            self.make("text", self.text())
        name = self.pick(*reversed(self.named("text")))
        usual = (
            f"box.seen.append({name})",
            f"box.label = {name}",
            f"{name} += f'{{{self.shown()}}}'[:3]",
            f"{name} = {self.text()} if {self.condition()} else {name}",
            f"log.append(({name}, {self.integer()}))",
            f"box.table['text'] = {name}",
            f"print({name})",
        )
        rare = (
            f"box.n = len({name}) % 4",
            f"box.table[{name}] = {self.number()}",
            f"box.n += {name} == {self.text()}",
            f"raise Refused({name})",
        )
        self.emit(self.usually(usual, rare))

    def collect(self) -> None:
        """Make something that collects, or use one."""
        kind = self.pick("deque", "counter", "lists", "heap", "iterator", "row", "book", "score")
        if not self.named(kind) or self.number_up_to(0, 3) == 3:
            self.make(kind, self.new_of(kind))
        name = self.pick(*reversed(self.named(kind)))
        for _ in range(self.number_up_to(1, 2)):
            self.emit(self.change_of(kind, name))
        if self.maybe():
            self.bind(f"{self.tensor()} + {self.use_of(kind, name)}")
        elif self.maybe():
            self.emit(
                self.pick(
                    f"host(identity, {name})", f"box.kept = {name}", f"box.seen.append({name})",
                    f"host(list, {name})" if kind in ("deque", "row", "heap") else "print('-')",
                )
            )  # fmt: skip

    def new_of(self, kind: str) -> str:
        a, b, c, i = self.tensor(), self.tensor(), self.number(), self.integer()
        numbers = f"[{c}, {i}, 1]"
        return self.pick(*{
            "deque": (f"deque([{a}], 3)", f"deque([{a}, {b}])", "deque(box.items[:2] + [1])"),
            "counter": ("Counter()", f"Counter([{i} % 3, 1])", f"Counter({{{i} % 2: {i}}})"),
            "lists": (f"defaultdict(list, {{0: [{a}]}})", "defaultdict(list)"),
            "heap": (f"sorted({numbers})", f"[{c}]"),
            "iterator": (
                f"itertools.count({i})", f"itertools.cycle([{a}, {b}])",
                f"itertools.chain([{a}, {b}], range(9), itertools.repeat({c}))",
                f"itertools.accumulate(itertools.count({i}))", f"iter([{a}, {c}] * 20)",
                f"map(lambda each: each + {c}, itertools.cycle({numbers}))",
                f"itertools.islice(itertools.count(), abs({i}), None)",
            ),
            "row": (f"Row([{a}, {b}])", f"Row({numbers})"),
            "book": (f"Book(t={a})", f"Book({{1: {c}}})"),
            "score": (f"Score({c}, {i})", f"max(Score({c}, {i}), Score({i}, 1))",
                      f"sorted([Score({c}, {i}), Score({i}, 2), Score(1, {i})])[1]"),
        }[kind])  # fmt: skip

    def change_of(self, kind: str, name: str) -> str:
        a, c, i = self.tensor(), self.number(), self.integer()
        return self.pick(*{
            "deque": (
                f"{name}.append({a})", f"{name}.appendleft({c})", f"{name}.rotate({i} % 3)",
                f"if {name}: {name}.popleft()", f"if len({name}) > 1: {name}.pop()",
                f"{name}.extend([{c}, {a}])", f"if {name}: {name}[-1] = {c}", f"{name}.reverse()",
            ),
            "counter": (
                f"{name}[{i} % 3] += 1", f"{name}.update([{i} % 2, 1])",
                f"{name}[1] = {self.number_up_to(0, 3)}", f"{name} = {name} + Counter([{i} % 3])",
                f"{name}.subtract([{i} % 3])",
            ),
            "lists": (
                f"{name}[{i} % 3].append({a})", f"{name}[{self.number_up_to(0, 2)}] += [{c}]",
                f"{name}.pop({i} % 3, None)", f"{name}[0] = [{a}, {c}]",
            ),
            "heap": (
                f"heapq.heappush({name}, {c})", f"if {name}: heapq.heappop({name})",
                f"{name}.sort(); bisect.insort({name}, {c})", f"{name}.sort(reverse=True)",
                f"if {name}: heapq.heapreplace({name}, {i})", f"heapq.heapify({name})",
            ),
            "iterator": (
                f"next({name})", f"box.last = next({name})", f"box.n = int({c})",
                f"for each in itertools.islice({name}, {i} % 3): box.total += 1",
                f"for each, other in zip(range({i} % 3), {name}): box.n += each",
            ),
            "row": (
                f"{name}.append({a})", f"{name}[0] = {c}", f"{name}.label = {c}",
                f"{name} += [{c}]", f"if len({name}) > 1: {name}.pop()", f"{name}.reverse()",
            ),
            "book": (
                f"{name}['t'] = {a}", f"{name}[{i} % 2] = {c}", f"{name}.pop('t', None)",
                f"{name}.update(u={c})", f"{name}.opened = {i}",
            ),
            "score": (
                f"{name}.value = {c}", f"{name}.rank += 1", f"{name} = Score({c}, {name}.rank)",
                f"{name} = min({name}, Score({c}, {i}))",
            ),
        }[kind])  # fmt: skip

    def use_of(self, kind: str, name: str) -> str:
        """Return an expression for a number or a small tensor that something is asked for."""
        c, i = self.number(), self.integer()
        return self.pick(*{
            "deque": (f"len({name})", f"({name}[0] if {name} else 0)", f"sum({name})"),
            "counter": (f"{name}[{i} % 3]", f"sum({name}.values())", f"len({name})",
                        f"({name}.most_common(1) or [(0, 2)])[0][1]"),
            "lists": (f"len({name}[{i} % 3])", f"len({name})", f"({name}[0] or [1])[-1]"),
            "heap": (f"({name}[0] if {name} else 1)", f"len({name})", f"sum(sorted({name})[:2])",
                     f"bisect.bisect(sorted({name}), {c})", f"sum(heapq.nsmallest(2, {name}))"),
            "iterator": (f"next({name})", f"sum(itertools.islice({name}, 2))"),
            "row": (f"{name}[-1]", f"len({name})", f"sum({name})", f"{name}.label",
                    f"({name} == [{c}])"),
            "book": (f"{name}[{i} % 2]", f"len({name})", f"{name}.get('u', 1)", f"{name}.opened"),
            "score": (f"{name}.value", f"({name} < Score({c}, {i}))", f"({name} == Score({c}, 1))",
                      f"Amount({name}.rank)", f"(Amount({c}) + {name}.rank)"),
        }[kind])  # fmt: skip
