"""The plain statements of random programs."""

from __future__ import annotations

from tests.fuzz.words import Words


class Statements(Words):
    """Assignments, writes in place, stores, lists, and passes backward."""

    def assign(self) -> None:
        self.bind(self.expression())

    def rebind(self) -> None:
        if not self.own:
            return self.assign()
        name = self.pick(*self.own)
        if len(self.own) > 1 and self.maybe():
            other = self.pick(*self.own)
            return self.emit(f"{name}, {other} = {other}, {name}")
        return self.emit(f"{name} = {self.expression()}")

    def take_view(self) -> None:
        self.bind(self.view())

    def in_place(self) -> None:
        if not self.own:
            return self.assign()
        a, b, c = self.pick(*self.own), self.tensor(), self.number()
        usual = (
            f"{a} += {b}",
            f"{a}.sub_({c})",
            f"{a}[:1] = {c}",
            f"{a}.add_({b}).clamp_(-16, 16)",
            f"{a}[..., 1:] -= {c}",
            f"{a}.detach().add_(1)",
            f"{a}.view(-1)[:1] += 1",
            f"{a}.copy_({b})",
            f"{a}.zero_()",
            f"{a}.data.mul_(2).clamp_(-16, 16)",
            f"{a}.masked_fill_({b} > 1, {self.number_up_to(0, 2)})",
            f"{a} *= 1",
        )
        return self.emit(
            self.usually(usual, (f"{a}[{a} > {c}] = 0", f"{a}.requires_grad_()", f"{a}[1:] = {b}"))
        )

    def overwrite(self) -> None:
        """Write to an argument or a parameter, and read what may share its memory."""
        w, a, b = self.writable(), self.tensor(), self.tensor()
        c = self.number()
        before = self.bind(f"{self.pick('y', 'x', a)} {self.pick('* 1', '+ 1', '* x', '* y')}")
        self.emit(
            "with torch.no_grad(): "
            + self.pick(
                f"{w}.add_(1)",
                f"{w}.copy_({a})",
                f"{w}.sub_({c})",
                f"{w}[..., :1] = {c}",
                f"{w}.mul_(-1)",
                f"{w}.zero_()",
            )
        )
        self.bind(
            self.pick(
                "y * 1", "x * 1", f"{b} + {before}", "(x * y).clamp(-8, 8)", "y - x", f"{a} + y",
            )
        )  # fmt: skip

    def count_up(self) -> None:
        """Let a number change: a local one, or one of an object."""
        if not self.counters or self.maybe():
            name = self.new("c")
            self.emit(f"{name} = {self.pick('0', '1', '0.0', 'k', 'n', 'box.n', 'box.total')}")
            self.numbers.append(name)
            self.counters.append(name)
            return
        c = self.pick(*self.counters)
        self.emit(
            self.pick(
                f"{c} += 1",
                f"{c} += {self.number()}",
                f"{c} = ({c} * 2) % 7",
                f"{c} = {c} + {self.tensor()}.sum().item()",
                f"{c} = max({c}, {self.number()})",
                f"{c} = -{c}",
                f"{c} = {c} * {c} if {c} < 4 else 0",
                f"{c} = int({self.tensor()}.sum())",
                f"{c} = float({c})",
                f"{c} = {c} if {self.condition()} else 1",
                f"{c} = abs({c}) // 2",
            )
        )

    def store(self) -> None:
        a, c = self.tensor(), self.number()
        usual = (
            "box.n += 1",
            f"box.total += {c}",
            f"box.last = {a}.detach()",
            f"box.last = {a}",
            f"box.total = {a}.sum().item()",
            "box.n = box.n + 1 if box.n < 2 else 0",
            f"box.table['t'] = {a}.detach() * 1",
            f"box.table[{self.pick('0', '1')}] = {c}",
            f"box.table['u'] = {a}.sum().item()",
            f"box.items[0] = {c}",
            f"box.items[{self.integer()} % 2] = {c}",
            f"box.n = {self.integer()}",
            f"meter.count = {self.integer()}",
            f"Meter.limit = {self.number_up_to(2, 4)}",
            "meter.kept = None",
            "box.meter = meter",
            f"box.pair = ({c}, {self.integer()})",
            "box.rate = 2.0 if box.rate == 1.0 else 1.0",
            f"box.new = {a}.detach()",
            "y.grad = None",
            "net.seen += 1",
            f"net.shift = {c}",
            "box.other = box",
            "box.other.n += 1",
            "box.flag = 1",
            f"box.kept = [box.flag, {c}, k]",
            "box.last = None",
        )
        rare = (
            f"box.items.append({c})",
            "box.items = [box.n, box.total]",
            "box.table.pop('t', None)",
            f"box.table[n] = {c}",
        )
        self.emit(self.usually(usual, rare))
        if self.maybe():
            self.bind(
                self.pick(
                    f"{a} + box.n",
                    f"{a} * 1 + box.total",
                    f"box.table.get('t', {a}) + {a}",
                    f"{a} if box.last is None else box.last + 1",
                    f"{a} + box.items[-1]",
                    f"{a} + len(box.items)",
                )
            )

    def effect(self) -> None:
        a, c = self.tensor(), self.number()
        self.emit(
            self.pick(
                f"box.seen.append({a}.sum().item())",
                f"print({a}.sum().item())",
                f"print({c})",
                f"log.append({c})",
                f"box.seen.append({a}.detach())",
                f"print(f'{{{c}}} {{{a}.shape}}')",
                f"assert {a}.sum() < 40, 'too large'",
            )
        )

    def alter(self) -> None:
        """Change a container from outside by its methods and operators, and read it."""
        a, c, i = self.tensor(), self.number(), self.integer()
        held = self.pick("box.items", "box.seen", "log", "box.other.items")
        table = self.pick("box.table", "box.other.table")
        # a global name would become one of the function, bound nowhere
        longer = "also = log; also" if held == "log" else held
        for _ in range(self.number_up_to(1, 2)):
            self.emit(
                self.pick(
                    f"{held}.append({c})",
                    f"{held}.append({a}.detach())",
                    f"{held}.append({a})",
                    f"{held}.insert(0, {c})",
                    f"if {held}: {held}.pop()",
                    f"{held}.reverse()",
                    f"{held}.extend(({c}, {i}))",
                    f"{longer} += [{c}]",
                    f"if len({held}) > 1: del {held}[0]",
                    f"if len({held}) > 3: {held}.clear(); {held}.append({c})",
                    f"{held}[1:] = [{i}]",
                    f"if {held}: {held}[-1] = {c}",
                    f"if {held}: {held}[0], {held}[-1] = {held}[-1], {held}[0]",
                    f"{table}[{i} % 3] = {c}",
                    f"{table}.pop({i} % 3, None)",
                    f"{table}.setdefault({i} % 2, {c})",
                    f"{table}.update(t={c})",
                    f"{table}['l'] = [{c}, {i}]",
                    f"if len({table}) > 2: {table}.clear()",
                    f"if 't' in {table}: del {table}['t']",
                    f"box.pool.add({i} % 4)",
                    f"box.pool.discard({i} % 4)",
                    "box.other.items = box.items",
                    "box.other.table = dict(box.table)",
                    "box.other.items = [*box.items]",
                    f"box.pair = [{c}]",
                )
            )
        if self.maybe():
            self.bind(
                self.pick(
                    f"{a} + len({held})",
                    f"{a} + ({held}[-1] if {held} else 0)",
                    f"{a} + ({held}[0] if len({held}) > 1 else 1)",
                    f"{a} + sum([1 for each in {held} if each is not None])",
                    f"{a} + len({table})",
                    f"{a} + ({i} in {table})",
                    f"{a} + sum([key for key in {table} if key in (0, 1, 2)])",
                    f"{a} + ({i} % 4 in box.pool)",
                    f"{a} + ({c} in {held}[:1])",
                    f"{a} + len({table}.get('l', ()))",
                    f"{a} + len(box.other.items)",
                ),
                own=True,
            )

    def keep(self) -> None:
        """Make a list or dict that lives on, or change one."""
        a, c = self.tensor(), self.number()
        if not self.lists or self.number_up_to(0, 3) == 3:
            name = self.new("l")
            self.emit(f"{name} = {self.pick(f'[{a}]', f'[{a}, {self.tensor()}]', f'[{c}, {a}]')}")
            return self.lists.append(name)
        if not self.tables or self.number_up_to(0, 3) == 3:
            name = self.new("d")
            self.emit(f"{name} = {self.pick('{}', f'{{{chr(39)}t{chr(39)}: {a}}}', f'{{1: {a}}}')}")
            return self.tables.append(name)
        held, table = self.pick(*self.lists), self.pick(*self.tables)
        usual = (
            f"{held}.append({a})",
            f"{held}[0] = {a}",
            f"{held}[{self.integer()} % len({held})] = {a}",
            f"{held} = [*{held}[-2:], {a}]",
            f"{held} = {held}[1:] or [{a}]",
            f"{table}['t'] = {a}",
            f"{table}[1] = {table}.get('t', {a})",
            f"{table}[{self.integer()} % 2] = {a}",
            f"{table}['n'] = {c}",
            f"{table}['l'] = {held}",
            f"{held}[-1] = {held}[0]",
        )
        rare = (
            f"{held}.pop()",
            f"{held}.insert(0, {a})",
            f"{held} += [{a}]",
            f"del {table}[1]",
            f"{table}.pop('t', None)",
            f"{held}.append({held})",
            f"box.kept = {held}",
            f"box.table['d'] = {table}",
        )
        self.emit(self.usually(usual, rare))
        if self.maybe():
            self.bind(
                self.pick(
                    f"{held}[-1] + {a}",
                    f"{held}[0] * 1 + {a}",
                    f"{a} + len({held})",
                    f"{table}.get('t', {a}) + {a}",
                    f"{a} + len({table})",
                    f"sum([each for each in {held} if isinstance(each, torch.Tensor)], {a})",
                    f"{a} + (1 in {table})",
                )
            )

    def containers(self) -> None:
        a, b = self.tensor(), self.tensor()
        name = self.new("l")
        usual = (
            f"{name} = [{a}, {b}]",
            f"{name} = [{a} + i for i in range({self.number_up_to(1, 3)})]",
            f"{name} = list({{'a': {a}, 'b': {b}}}.values())",
            f"{name} = list(({a}, {b} * 2))",
        )
        rare = (
            f"{name} = [row for row in {a}]",
            f"{name} = sorted([{a}, {b}], key=lambda each: each.sum().item())",
            f"{name} = [each for each in ({a}, {b}) if each.sum() > 0] or [{a}]",
        )
        self.emit(self.usually(usual, rare))
        for _ in range(self.number_up_to(0, 2)):
            usual = (
                f"{name}.append({self.tensor()})",
                f"{name}[0] = {name}[-1] + 1",
                f"{name} = {name}[1:] or {name}",
            )
            rare = (
                f"{name}.insert(0, {self.tensor()})",
                f"{name} = {name} + [{self.tensor()}]",
                f"{name} *= 2",
            )
            self.emit(self.usually(usual, rare))
        text = self.usually(
            (
                f"{name}[-1]",
                f"{name}[0] + {name}[-1]",
                f"torch.stack([each.sum() for each in {name}]).sum()",
            ),
            (f"{name}[int({a}.sum()) % len({name})]", f"sum({name})"),
        )
        if self.maybe():
            total = self.bind(f"{name}[0] * 0")
            self.emit(f"for i, each in enumerate({name}):")
            self.emit(f"    {total} = {total} + each * i")
        self.bind(text, own=False)

    def differentiate(self) -> None:
        a = self.tensor()
        name = self.new("g")
        usual = (
            f"if {a}.requires_grad: {a}.sum().backward(retain_graph=True)",
            f"if {a}.requires_grad: {a}.sum().backward(retain_graph=True); y.grad = None",
            f"if {a}.requires_grad: box.g = torch.autograd.grad({a}.sum(), {a})[0]",
            "if x.grad is not None: x.grad.zero_()",
            "with torch.no_grad(): y.sub_(1)",
            "with torch.no_grad(): net.weight.sub_(1).clamp_(-3, 3)",
            "net.zero_grad()",
            "if x.grad is not None: x.data -= x.grad.clamp(-4, 4)",
            f"x.grad = {a}.detach() * 1 if {a}.shape == x.shape else None",
            f"if {a}.requires_grad: {a}.sum().backward(); box.g = x.grad",
            f"with torch.no_grad(): {self.writable()}.sub_({self.number()})",
            f"with torch.no_grad(): {self.writable()}.copy_({a})",
            f"{name} = torch.autograd.grad(({a} * {a}).sum(), {a}, "
            f"create_graph={self.maybe()})[0] if {a}.requires_grad else {a}",
            f"if {a}.requires_grad: box.g = torch.autograd.grad(({a} * {self.tensor()}).sum(), "
            "[x, net.weight], allow_unused=True, retain_graph=True)[0]",
            f"if {a}.requires_grad: ({a} * {a}).sum().backward(retain_graph={self.maybe()})",
        )
        rare = (
            f"{a}.register_hook(doubled)",
            f"{a}.retain_grad()",
            f"{a}.sum().backward()",
            f"if {a}.requires_grad and x.requires_grad: box.g = torch.autograd.grad("
            f"{a}.sum(), x, allow_unused=True, retain_graph=True)[0]",
            f"if {a}.requires_grad: {name} = torch.autograd.grad({a}.pow(2).sum(), {a}, "
            f"create_graph=True)[0]; box.seen.append({name}.requires_grad)",
        )
        text = self.usually(usual, rare)
        self.emit(text)
        if text.startswith(f"{name} = "):
            self.tensors.append(name)
