"""Statements of random programs that let Python act in the middle of a call."""

from __future__ import annotations

from tests.fuzz.turning import Turning


class Hosting(Turning):
    """Host calls, exceptions, generators, hooks, and objects made in the call."""

    def host(self) -> None:
        """Write a call that Python performs, which may change what the program reads."""
        a, b, c = self.tensor(), self.tensor(), self.number()
        w = self.writable()
        self.emit(
            self.pick(
                f"print({a}.sum().item())",
                "host(poke, box)",
                f"log.append({c})",
                f"host(touch, {w})",
                f"box.seen.append({a})",
                f"host(spoil, {w})",
                f"host(share, {w})",
                f"host(learn, {a})",
                "host(refill, box)",
                f"host(setattr, box, 'last', {a})",
                f"host(setattr, box, 'n', {self.integer()})",
                f"host(box.table.update, {{'t': {a}, 0: {c}}})",
                f"torch.set_grad_enabled(bool({self.condition()}))",
                f"host(torch.set_grad_enabled, bool({self.condition()}))",
                f"host(setattr, Meter, 'limit', {self.number_up_to(2, 4)})",
                "host(setattr, x, 'grad', None)",
                f"host(setattr, net, 'shift', {c})",
                "host(turn, x, y, box)",
                f"host({w}.copy_, {a}.detach())",
                f"host(meter.keep, {a})",
                "host(net.train, not net.training)",
                f"host(checked, {a}, {self.number_up_to(2, 9)})",
                f"host(net.weight.requires_grad_, bool({self.condition()}))",
                *(f"host({each}.append, {a})" for each in self.lists),
                *(f"host({each}.reverse)" for each in self.lists),
                *(f"host({each}.clear)" for each in self.lists[:1]),
                *(f"host({each}.update, t={b})" for each in self.tables),
                *(f"host({each}.pop, 't', None)" for each in self.tables),
                *(f"box.act = {each}" for each in self.functions),
            )
        )
        if self.maybe():
            self.bind(self.given(), own=False)

    def given(self) -> str:
        """Return an expression of what Python makes, or gives back."""
        a, b, c = self.tensor(), self.tensor(), self.number()
        return self.pick(
            f"host(helper, {a}, {b})",
            f"host(identity, {a})",
            f"host(lambda: {a} + {c})",
            f"host(lambda t: t + {b}, {a})",
            f"host(torch.Tensor.detach, {a})",
            f"host(lambda t: t[:1], {a})",
            f"{a} + host(len, box.items)",
            f"{a} * 1 + host(float, {c})",
            f"host(net, {a})",
            f"host(counted, {a}, box)",
            f"host(list, [{a}, {b}])[0]",
            f"host(dict, t={a})['t'] + {b}",
            *(f"host({each}, {a})" for each in self.functions),
            # what a closure calls must not be that closure
            *([] if self.closures else [f"box.act({a}) if hasattr(box, 'act') else {a}"]),
        )

    def make_object(self) -> None:
        """Make an object with a counter, and use it."""
        name, a = self.new("o"), self.tensor()
        self.emit(f"{name} = Tally({self.integer()})")
        if self.maybe():
            self.emit(self.pick("print('made')", "host(poke, box)", f"box.kept = {name}"))
        for _ in range(self.number_up_to(1, 2)):
            self.bind(
                self.pick(f"{name}.step({self.tensor()})", f"{name} + {self.tensor()}"), own=False
            )
        if self.maybe():
            self.bind(f"{name}[-1] + {a}")

    def generate(self) -> None:
        """Take from an iterator or a generator, with something else in between."""
        a, name, made = self.tensor(), self.new("it"), self.new()
        of_list = [f"iter({each})" for each in self.lists]
        source = self.pick(
            f"iter([{a}, {self.tensor()}])",
            f"both({a})",
            f"stream({a}, {self.integer()} % 4)",
            f"(t + 1 for t in ({a}, {self.tensor()}))",
            f"iter(({a}, {self.tensor()}))",
            f"map(identity, [{a}, {self.tensor()}])",
            f"reversed([{a}, {self.tensor()}])",
            *of_list,
        )
        self.emit(f"{name} = {source}")
        self.emit(f"{made} = next({name}, {a})")
        self.tensors.append(made)
        for _ in range(self.number_up_to(0, 2)):
            self.statement()
        how = self.pick("loop", "list", "next", "zip")
        if how == "loop":
            total = self.bind(f"{made} * 1")
            self.emit(f"for each in {name}:")
            self.emit(f"    {total} = {total} + each")
            if self.maybe():
                self.emit(f"    print({total}.sum().item())")
        elif how == "zip":
            total = self.bind(f"{made} * 1")
            self.emit(f"for one, other in zip({name}, {self.pick(name, f'[{a}]', 'range(3)')}):")
            self.emit(f"    {total} = {total} + one - other")
        elif how == "list":
            self.bind(f"sum(list({name}), {a})", own=False)
        else:
            self.bind(f"next({name}, {a})", own=False)

    def count_turns(self) -> None:
        """Write a loop over an iterator over a range that others advance, too."""
        name, a = self.new("it"), self.bind(f"{self.tensor()} * 1")
        at = self.new("i")
        self.emit(f"{name} = iter(range({self.integer()} % 6))")
        self.emit(f"for {at} in {self.pick(name, f'zip({name}, {name})', f'enumerate({name})')}:")
        self.depth += 1
        self.emit(f"{a} = {a} + ({at} if isinstance({at}, int) else {at}[0] - {at}[1])")
        self.emit(
            self.pick(
                f"{a} = {a} + next({name}, 0)",
                f"print({at})",
                f"if {a}.sum() > 3: {a} = {a} - next({name}, 1)",
                f"if {a}.sum() > 3: break",
                f"host(next, {name}, 0)",
            )
        )
        self.depth -= 1
        self.emit(f"{a} = {a} + len(list({name}))")

    def attempt(self) -> None:
        """Write a `try` around what raises on data."""
        self.emit("try:")
        self.depth += 1
        a = self.tensor()
        self.emit(
            self.pick(
                f"checked({a}, {self.number_up_to(-3, 6)})",
                f"if {self.condition()}: raise Refused('here')",
                f"{self.new('u')} = 1 / {self.number()}",
                # where it does not raise, what follows is decided anew
                f"{self.new('u')} = 6 // (k - {self.number_up_to(-1, 3)})",
                f"{a}[n]",
                "box.table['t']",
                f"{a}.sum().backward(retain_graph=True)",
                f"host(checked, {a}, 3)",
                f"{a} @ {self.tensor()}",
                "net.missing",
            )
        )
        self.depth -= 1
        self.block()
        if self.maybe():
            self.emit(
                self.pick(
                    "except Exception as error:",
                    "except (Refused, KeyError, IndexError, RuntimeError):",
                    "except Refused:",
                )
            )
            self.block()
            if self.maybe():
                self.emit("else:")
                self.block()
            if self.maybe():
                self.emit("finally:")
                self.block()
        else:
            self.emit("finally:")
            self.block()

    def manage(self) -> None:
        """Write a block of a context manager that keeps count and swallows an exception."""
        a = self.tensor()
        self.emit("with Lenient(box):")
        self.depth += 1
        self.emit(self.pick(f"checked({a}, {self.number_up_to(-3, 6)})", "box.n += 1"))
        self.depth -= 1
        self.block()
