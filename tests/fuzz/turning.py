"""Loops of many turns that take several ways, in random programs."""

from __future__ import annotations

from tests.fuzz.library import Library


class Turning(Library):
    """Loops such as become native ones: hardly anything in them is seen by others.

    Attributes:
        grown: what the turns of the loop at hand append to: a list of tensors, and one of anything.
        filled: the tensor that they write to.
        buffers: tensors that are written, and change places.
        rows: the tensor over whose rows they go, and what a row is called.
    """

    grown: tuple[str, str] | None = None
    filled: str | None = None
    buffers: tuple[str, ...] = ()
    rows: tuple[str, str] | None = None

    def many_turns(self) -> None:
        """Write a loop of many turns, and what it begins with."""
        a, shape = self.tensor(), self.pick("x", "x", self.tensor())
        starts = (f"{shape} * 1", f"{shape} + 1", f"{shape}", "net.weight * 1", f"{a}[:]")
        starts += (f"{shape}.detach()", f"torch.zeros_like({shape})", f"{shape}.abs()")
        names = []
        for _ in range(self.number_up_to(1, 3)):
            names.append(self.new())
            self.emit(f"{names[-1]} = {self.pick(*starts)}")
        numbers = []
        for _ in range(self.number_up_to(0, 2)):
            numbers.append(self.new("c"))
            self.emit(f"{numbers[-1]} = {self.pick('0', '1', '0.0', 'k', 'n', 'box.total')}")
        self.grown = self.pick(None, (self.new("l"), self.new("l")))
        if self.grown is not None:
            self.emit(f"{self.grown[0]} = [{self.pick(*names)}]")
            self.emit(f"{self.grown[1]} = {self.pick('[]', '[]', 'box.items', '[k]')}")
        self.filled = self.new("w") if self.number_up_to(0, 4) > 2 else None
        if self.filled is not None:
            flat = f"{shape}.detach().reshape(-1)"
            wide = f"torch.zeros(5, *{shape}.shape, dtype=x.dtype)"
            made = self.pick(
                wide, wide, f"{flat} * 1", flat, "torch.ones(4, 6)[:, ::2]", f"{shape}.clone()",
                f"{shape}.reshape(-1).clone()", f"{wide}[1:]", f"{wide}.view(-1)",
            )  # fmt: skip
            self.emit(f"{self.filled} = {made}")
        if self.number_up_to(0, 4) > 2:
            self.make_buffers(shape)
        most, turn = self.pick("24", "n + 20", "n * 8", "40 - n"), self.new("i")
        if self.number_up_to(0, 4) > 2:
            self.over_rows(shape, most, turn)
        elif self.maybe():
            self.emit(f"for {turn} in {self.pick(f'range({most})', f'range({most}, 0, -1)')}:")
        else:
            self.emit(f"{turn} = 0")
            more = self.pick("", "", f" and {self.decision(names, numbers, turn)}")
            self.emit(f"while {turn} < {most}{more}:")
            self.emit(f"    {turn} += 1")
        # which may do no turn at all
        self.inner(names, numbers, turn, self.number_up_to(2, 4))
        self.tensors.extend(names)
        self.numbers.extend(numbers)
        self.counters.extend(numbers)
        if self.grown is not None:
            self.lists.append(self.grown[0])
            self.emit(f"box.kept = {self.grown[1]}")
            self.grown = None
        if self.filled is not None:
            self.tensors.append(self.filled)
            self.filled = None
        if self.rows is not None:
            self.tensors.append(self.rows[0])
            self.rows = None
        self.tensors.extend(self.buffers)
        self.buffers = ()

    def make_buffers(self, shape: str) -> None:
        """Write tensors that are to change places."""
        self.buffers = tuple(self.new("b") for _ in range(self.pick(2, 2, 3)))
        own = (f"{shape}.detach() * 1", f"torch.zeros_like({shape})", f"{shape}.detach().clone()")
        rare = (f"{shape}.detach()", f"{self.buffers[0]}", f"{self.buffers[0]}[:]", f"{shape} * 1")
        for at, each in enumerate(self.buffers):
            self.emit(f"{each} = {self.usually(own, rare) if at else self.pick(*own)}")

    def exchange(self, names: list[str], turn: str) -> None:
        """Write that one of the buffers is written, and that they change places."""
        a, *others, w = self.buffers
        b = self.pick(*self.buffers)
        value = self.pick("1", f"{self.pick(*names)}.detach().sum()", turn, f"{b}.sum()")
        self.emit(
            self.pick(
                f"{w}.copy_({a} + {value})", f"{w}.view(-1)[1:] = {a}.reshape(-1)[:-1]",
                f"{w}.mul_(-1).add_({b})", f"{w}.view(-1)[{turn} % {w}.numel()] = {value}",
                f"{w} += {b}.sum()", f"{w}.sub_({a} * 0.5).add_({value})", f"{w}.data.sub_({a})",
            )
        )  # fmt: skip
        self.emit(f"{w}.remainder_(7)")
        round_about = [*others, w, a] if self.maybe() else [w, a, *others]
        usual = f"{', '.join(self.buffers)} = {', '.join(round_about)}"
        self.emit(self.usually((usual,), ("pass", f"{a}, {w} = {w}, {w} * 1", f"{w} = {a}")))

    def over_rows(self, shape: str, most: str, turn: str) -> None:
        """Write a tensor of rows, and how a loop over them begins."""
        rows, row, other = self.new("r"), self.new("t"), self.new("t")
        wide, thin = (
            f"torch.zeros(26, *{shape}.shape, dtype=x.dtype)",
            f"(torch.arange({most}) % 5)",
        )
        made = self.pick(
            f"{thin} - 2", f"{wide} + {shape}", f"{thin}.reshape(-1, 1) * {shape}.sign().sum()",
            f"{shape}.expand(21, *{shape}.shape)", f"{wide}[:, None]", f"{wide}.view(-1)", shape,
            "torch.ones(5, 60)[:, ::2].t()", f"{thin} * {shape}.max()", f"{wide}.detach() - 1",
        )  # fmt: skip
        self.emit(f"{rows} = {made}")
        self.rows = rows, row
        kind = self.pick("for", "for", "enumerate", "zip", "both", "after")
        if kind in ("for", "after"):
            self.emit(f"{turn} = 0")
            if kind == "after":
                # which is live in the loop
                self.emit(f"{row} = {rows}")
                self.tensors.append(row)
            self.emit(f"for {row} in {self.pick(rows, rows, rows, f'iter({rows})')}:")
            self.emit(f"    {turn} += 1")
        elif kind == "enumerate":
            start = self.pick("", ", 1", ", n")
            self.emit(f"for {turn}, {row} in enumerate({rows}{start}):")
        elif kind == "zip":
            bounds = self.pick(f"range({most})", f"range({most}, 0, -1)")
            over = self.pick(
                f"{row}, {turn} in zip({rows}, {bounds})", f"{turn}, {row} in zip({bounds}, {rows})"
            )
            self.emit(f"for {over}:")
        else:
            begin = self.pick("0", "1", "2")
            self.emit(f"for {turn}, ({row}, {other}) in enumerate(zip({rows}, {rows}[{begin}:])):")
            self.emit(f"    {row} = {row} - {other}")

    def use_row(self, names: list[str], turn: str) -> None:
        """Write what is done with a row."""
        assert self.rows is not None
        (rows, row), a = self.rows, self.pick(*names)
        usual = (
            f"{a} = ({a} + {row}.sum()).clamp(-16, 16)", f"{a} = ({a} * {row}.sum()).clamp(-8, 8)",
            f"{a} = ({a} + {row}).clamp(-16, 16)", f"{a} = {row} * 1",
            f"{a} = ({a} - {row} * {row}).sum().clamp(-9, 9)", f"{a} = {row}.detach() + {a}.sign()",
        )  # fmt: skip
        rare = (
            f"{row}.sub_(1)", f"{rows}.mul_(-1)", f"with torch.no_grad(): {row}.add_(1)",
            f"with torch.no_grad(): {rows}.add_(1)", f"{rows}[{turn} % 4] = 1", f"box.last = {row}",
            f"{row}.mul_({a}.sum().sign())", f"{a} = {row}", f"{row}.data.zero_()",
        )  # fmt: skip
        text = self.pick(*usual, *usual, *rare)
        self.emit(text)
        if text in rare:
            self.emit(f"{rows}.data.clamp_(-16, 16)" if self.maybe() else "pass")

    def append(self, names: list[str], numbers: list[str], turn: str) -> None:
        """Write that something is put behind the elements of a list."""
        assert self.grown is not None
        a, b, o = self.pick(*names), self.pick(*names), self.pick("x", "net.weight", *names)
        c = self.pick(turn, "k", f"{a}.sum().item()", *numbers)
        tensors, all_kinds = self.grown
        made = self.pick(a, a, b, f"{a}.detach()", f"{a}[:]", o, f"{a} * 1", f"{a} + {b}.sum()")
        if self.maybe():
            return self.emit(f"{tensors}.append({made})")
        more = self.pick(c, f"({made}, {c})", f"({c}, None, ({b}, 's'))", made, f"{b}.max().item()")
        return self.emit(
            self.pick(
                f"{all_kinds}.append({more})", f"{all_kinds}.append({more})",
                f"{all_kinds} += [{c}, {more}]", f"{all_kinds}.extend(({b}, {more}))",
                f"{all_kinds}.append(len({tensors}))", f"{all_kinds}.append({tensors}[-1])",
            )
        )  # fmt: skip

    def fill(self, names: list[str], turn: str) -> None:
        """Write that a tensor is written to, in most cases at a place that changes."""
        w, a, b = self.filled, self.pick(*names), self.pick("x", *names)
        at = self.pick(*[f"{turn} % {w}.shape[0]"] * 3, f"-1 - {turn} % 3", f"{turn} % 6")
        # with what has a history, and without
        c, d = (f"{each}{self.pick('', '.detach()')}" for each in (a, b))
        value = self.pick(
            f"{c}.sum().clamp(-16, 16)", c, "1", "0.5", f"{w}[-1]", f"{turn}", f"{w}[{at}] * 1",
            f"{w}[{turn} % 2] - {d}.sum().clamp(-4, 4)", f"{c} - {w}[{at}]", f"{d}.sum().relu()",
        )  # fmt: skip
        self.emit(
            self.pick(
                f"{w}[{at}] = {value}", f"{w}[{at}] = {value}", f"{w}[{at}] += {value}",
                f"{w}[{at}].copy_(-{w}[{at}])", f"{w}.select(0, {at}).zero_()", f"{w} += 1",
                f"{w}.view(-1)[{turn} % {w}.numel()] -= 1", f"{w}[..., 0] = {w}[..., -1] + 1",
                f"{w}[{at}] *= {w}.view(-1)[0].sign()", f"{w}.data[{at}] = {value}",
                f"{w} += {d}.sum().clamp(-2, 2)", f"{w}.mul_({c}.sum().sign())",
                f"{w}[{at}].sub_({value}).neg_()", f"{w}[:2] = {w}[-2:] + {d}.sum().clamp(-2, 2)",
            )
        )  # fmt: skip
        self.emit(f"{w}.clamp_(-16, 16)" if self.maybe() else f"{w}.remainder_(7)")

    def turn(self, names: list[str], numbers: list[str], turn: str, count: int) -> None:
        """Write some statements of a turn."""
        more = ("append", "append", "append") if self.grown is not None else ()
        more += ("fill", "fill", "fill") if self.filled is not None else ()
        more += ("row", "row", "row", "row") if self.rows is not None else ()
        more += ("exchange", "exchange", "exchange") if self.buffers else ()
        for at in range(count):
            kind = self.pick(
                "assign", "way", "way", "number", "way", "leave", "mode", "other", *more
            )  # fmt: skip
            if kind == "way" and self.depth < 4:
                self.emit(f"if {self.decision(names, numbers, turn)}:")
                self.inner(names, numbers, turn)
                if self.maybe():
                    self.emit("else:")
                    self.inner(names, numbers, turn)
                elif self.maybe():
                    self.emit(f"elif {self.decision(names, numbers, turn)}:")
                    self.inner(names, numbers, turn)
            elif kind == "number" and numbers:
                c, d = self.pick(*numbers), self.pick(turn, "1", "0.5", *numbers)
                self.emit(
                    self.pick(
                        f"{c} += 1", f"{c} = ({c} + {d}) % 7", f"{c} = -{c}", f"{c} = {d}",
                        f"{c} = {names[0]}.sum().item()", f"{c} = {c} * 0.5", f"{c} = {c} > {d}",
                        f"{c} = max({c}, {d}) - 1 if {c} < 8 else 0", f"{c} = 1", f"{c} = int({c})",
                    )
                )  # fmt: skip
            elif kind == "append":
                self.append(names, numbers, turn)
            elif kind == "fill":
                self.fill(names, turn)
            elif kind == "exchange":
                self.exchange(names, turn)
            elif kind == "row":
                self.use_row(names, turn)
            elif kind == "leave" and at + 1 == count:
                self.emit(f"if {self.decision(names, numbers, turn)}:")
                self.emit(f"    {self.pick('continue', 'break')}")
            elif kind == "mode":
                self.emit("with torch.no_grad():")
                self.inner(names, numbers, turn)
            elif kind == "other" and self.is_wild:
                self.pick(self.store, self.in_place, self.assign)()
            else:
                name = self.pick(*names)
                self.emit(f"{name} = {self.next_tensor(names, numbers, turn)}")

    def inner(
        self, names: list[str], numbers: list[str], turn: str, count: int | None = None
    ) -> None:
        """Write statements of a turn; what they bind is not used after them."""
        known = self.names()
        self.depth += 1
        self.turn(names, numbers, turn, count or self.number_up_to(1, 2))
        self.depth -= 1
        self.forget_but(known)

    def decision(self, names: list[str], numbers: list[str], turn: str) -> str:
        """Return a condition that changes from turn to turn, or from call to call."""
        a, b, by = self.pick(*names), self.pick(*names), self.number_up_to(2, 5)
        limit = self.number_up_to(-3, 5)
        c = self.pick(turn, *numbers)
        return self.pick(
            f"{turn} % {by} == {self.number_up_to(0, by - 1)}", f"{a}.sum() > {limit}",
            f"{turn} > {self.number_up_to(3, 21)}", f"({a} > {b}).any()", f"{c} > {limit}",
            f"int({a}.sum()) % 3", f"{a} is {b}", f"{c} == {limit}", "box.rate > 1", "n % 2",
            f"{a}.requires_grad", f"{turn} % {by} and {b}.sum() < {limit}", "box.last is None",
            f"{a}.sum().item() <= {c}", f"not {a}.max() > {limit}",
        )  # fmt: skip

    def next_tensor(self, names: list[str], numbers: list[str], turn: str) -> str:
        """Return an expression for what a tensor becomes, whose elements stay small."""
        a, b, o = self.pick(*names), self.pick(*names), self.pick("x", "y", "net.weight")
        c = self.pick("1", "0.5", turn, "k", "box.rate", "RATE", *numbers)
        if self.filled is not None and self.maybe():
            w = self.filled
            return self.pick(
                f"({a} + {w}.sum()).clamp(-16, 16)", f"({a} * {w}[{turn} % 3].sum()).clamp(-8, 8)",
                f"{a} - {w}[-1].reshape(-1)[0]",
            )  # fmt: skip
        return self.pick(
            f"({a} + {b}).clamp(-16, 16)", f"({a} * {b}).clamp(-8, 8)", f"({a} + {c}) % 5",
            f"({a} - {o}).clamp(-16, 16)", f"({a} * {c}).clamp(-4, 4)", f"{a} * 1",
            f"({a} * {o}).clamp(-8, 8)", f"{b}", f"torch.where({a} > {b}, {a}, {b} - 1)",
            f"({a} * {a}).clamp(max=9)", f"{a}.detach() + 1 - {a}.sign()",
            f"{a}.relu() - {b}.sign()",
            f"{o} * 1", f"{o}", f"{a}[:]", f"({a}.sum() + {b}).clamp(-16, 16)", f"{a}.abs() - 1",
            f"({a} + {o}.reshape(-1)[{turn} % {o}.numel()]).clamp(-16, 16)",
            f"({o}[{turn} % {o}.shape[0]] * {o}[{turn} % {o}.shape[0]] + {b}).clamp(-8, 8)",
            f"({a} + {o}.reshape(-1)[-1 - {turn} % 3]).clamp(-16, 16)",
            f"-{a}", f"({a} + box.items[0]).clamp(-16, 16)", f"helper({a}, {b}).clamp(-16, 16)",
        )  # fmt: skip
