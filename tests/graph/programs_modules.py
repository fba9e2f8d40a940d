"""Scenes of modules, and of dictionaries and special methods: what they hold, and what changes."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

import jitgrad as torch
from jitgrad import nn
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


class Scale(nn.Module):
    """A module with everything: parameters, a buffer, plain attributes."""

    def __init__(self, value: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(T([value, -value]))
        self.register_parameter("bias", None)
        self.register_buffer("mean", T([0.5, 0.25]))
        self.rate = 0.5
        self.mode = "plain"

    def forward(self, x, extra=None):
        y = x * self.weight
        if self.bias is not None:
            y = y + self.bias
        if self.training:
            with torch.no_grad():
                self.mean.mul_(0.5).add_(y.detach(), alpha=self.rate)
        else:
            y = y - self.mean
        if extra is not None:
            y = y * extra
        return y if self.mode == "plain" else y.sin()


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Scale(1.0), Scale(3.0)
        self.last = None

    def forward(self, x):
        y = self.two(self.one(x), extra=x)
        self.last = y.detach()
        return y


def scene_module_attributes(s: Session) -> None:
    module = Scale()
    f = s.compile(lambda x: module(x))

    def look():
        s.call(f, grad(1.0, 2.0))
        s.see(module)

    look()
    look()
    module.rate = 0.125
    look()
    module.eval()
    look()
    module.train()
    look()
    module.mode = "sine"
    look()
    module.bias = nn.Parameter(T([1.0, 1.0]))
    look()
    module.bias = None
    look()
    module.weight = nn.Parameter(T([5.0, 6.0]))
    look()
    module.mean = T([7.0, 8.0])
    look()
    module._parameters["weight"] = nn.Parameter(T([9.0, 1.0]))
    look()
    module.weight.requires_grad_(False)
    look()
    module.__dict__["weight"] = 3.0
    look()
    del module.__dict__["weight"]
    look()
    del module.weight
    look()
    module.weight = T([1.5, 2.5])
    look()


def scene_module_tree(s: Session) -> None:
    module = Pair()
    f = s.compile(module)
    for _ in range(2):
        s.call(f, grad(1.0, 2.0))
        s.see(module)
    module.two = module.one
    s.call(f, grad(1.0, 2.0))
    s.see(module)
    module.one = Scale(4.0)
    s.call(f, grad(1.0, 2.0))
    module.one.forward = lambda x, extra=None: x * 100
    s.call(f, grad(1.0, 2.0))
    del module.one.forward
    module.one.register_forward_hook(lambda module, args, out: out * 10)
    s.call(f, grad(1.0, 2.0))
    s.call(f, grad(1.0, 2.0))
    module.one._forward_hooks.clear()
    s.call(f, grad(1.0, 2.0))
    module.two.requires_grad_(False)
    s.call(f, grad(1.0, 2.0))
    s.see(module)


def scene_module_classes_change(s: Session) -> None:
    class Local(Scale):
        pass

    module = Local()
    f = s.compile(module)
    s.call(f, grad(1.0, 2.0))
    Local.forward = lambda self, x: x + self.weight
    s.call(f, grad(1.0, 2.0))
    Local.weight = 7.0
    s.call(f, grad(1.0, 2.0))
    del Local.weight
    s.call(f, grad(1.0, 2.0))
    Local.__call__ = lambda self, x: self.forward(x) * 2
    s.call(lambda x: module(x), grad(1.0, 2.0))
    Local.__getattr__ = lambda self, name: 11.0
    g = s.compile(lambda x: x * module.weight)
    s.call(g, grad(1.0, 2.0))


def scene_module_training_step(s: Session) -> None:
    net = nn.Sequential(nn.Linear(2, 3), Scale3(), nn.Linear(3, 1))
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
            parameter.add_(0.1 * number)

    def step(x, y, rate):
        loss = ((net(x) - y) ** 2).mean()
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                if not name.startswith("2."):
                    parameter -= rate * parameter.grad
        return loss

    step = s.compile(step)
    x, y = T([[1.0, 2.0], [3.0, -1.0]]), T([[1.0], [0.0]])
    for rate in (0.1, 0.1, 0.05, 0.2):
        s.call(step, x, y, rate, backward=False)
        s.see(net)
    net.append(nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[-1].weight.fill_(0.5)
    s.call(step, x, y, 0.1, backward=False)
    s.see(net)
    net[0].weight.requires_grad_(False)
    s.attempt(step, x, y, 0.1)
    s.see(net)


class Scale3(nn.Module):
    def forward(self, x):
        return torch.tanh(x) if x.sum() > 0 else x * 0.5


def scene_module_lists(s: Session) -> None:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([Scale(float(i + 1)) for i in range(3)])
            self.named = nn.ModuleDict({"a": Scale(2.0), "b": Scale(3.0)})
            self.factors = nn.ParameterList([nn.Parameter(T([float(i)])) for i in range(2)])

        def forward(self, x, key):
            for number, layer in enumerate(self.layers):
                x = layer(x) if number < len(self.layers) - 1 else self.layers[number](x) + number
            if key in self.named:
                x = self.named[key](x)
            for layer in self.layers[1:]:
                x = x + layer.weight
            return x * self.factors[1] + self.factors[0]

    net = Net()
    f = s.compile(net)
    for key in ("a", "b", "a", "c"):
        s.call(f, grad(0.5, 0.25), key)
    net.layers.append(Scale(0.5))
    s.call(f, grad(0.5, 0.25), "a")
    net.layers[0] = net.layers[1]
    s.call(f, grad(0.5, 0.25), "a")
    del net.named["b"]
    s.call(f, grad(0.5, 0.25), "b")
    s.see(net)


def scene_module_shared_and_frozen(s: Session) -> None:
    first = nn.Linear(2, 2, bias=False)
    second = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(T([[1.0, 2.0], [3.0, 4.0]]))
    second.weight = first.weight

    def f(x):
        y = second(first(x)).sum()
        y.backward()
        return y

    f = s.compile(f)
    s.call(f, T([1.0, 2.0]))
    s.see(first.weight.grad)
    s.call(f, T([1.0, 2.0]))
    s.see(first.weight.grad)
    second.weight = nn.Parameter(T([[0.5, 0.0], [0.0, 0.5]]))
    s.call(f, T([1.0, 2.0]))
    s.see(first.weight.grad, second.weight.grad)


def scene_module_counters(s: Session) -> None:
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.total = 0, 0.0
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            self.calls += 1
            self.total += 0.5
            self.seen += 1
            self.seen_before = self.seen.clone()
            return x * self.total

    net = Counting()
    f = s.compile(net)
    for _ in range(4):
        s.call(f, grad(1.0))
        s.see(net)


def scene_module_attribute_kinds(s: Session) -> None:
    class Odd(nn.Module):
        def forward(self, x, way):
            if way == "parameter":
                self.fresh = nn.Parameter(x.detach() * 2)
            elif way == "buffer":
                self.held = x.detach() * 3
            elif way == "module":
                self.inner = Scale()
            elif way == "plain":
                self.value = way
            elif way == "dict":
                self._parameters["raw"] = nn.Parameter(x.detach() * 4)
                return x * self.raw
            return x

    net = Odd()
    net.register_buffer("held", T([0.0]))
    f = s.compile(net)
    for way in ("plain", "buffer", "buffer", "dict", "dict", "parameter", "module", "plain"):
        s.call(f, grad(1.0), way)
        s.see(net)


def scene_modules_missing(s: Session) -> None:
    net = Scale()
    f = s.compile(lambda x: x * net.nothing)
    s.attempt(f, grad(1.0))
    s.attempt(f, grad(1.0))
    net.nothing = 2.0
    s.call(f, grad(1.0))
    g = s.compile(lambda x: x * (net.gain if hasattr(net, "gain") else getattr(net, "rate", 1.0)))
    s.call(g, grad(1.0))
    net.gain = 4.0
    s.call(g, grad(1.0))
    del net.gain, net.rate
    s.call(g, grad(1.0))


def scene_dictionaries_from_outside(s: Session) -> None:
    table = {"a": 2.0, "b": T([3.0]), "c": 4}
    f = s.compile(
        lambda x: (
            sum((x * value for value in table.values()), x)
            if "a" in table
            else x * table.get("b", 5.0) * table.get("z", 0.5)
        )
    )

    def listed(x):
        out = []
        for key, value in table.items():
            if key != "c":
                out.append(x * value)
        for key in table:
            out.append(len(key))
        return out, len(table), "b" in table, list(table.keys()), bool(table)

    g = s.compile(listed)

    def look():
        s.call(f, grad(1.0, 2.0))
        s.call(g, grad(1.0, 2.0))

    look()
    table["a"] = 7.0
    look()
    table["d"] = 8.0
    look()
    table["b"] = table.pop("b")
    look()
    del table["a"]
    look()
    table.clear()
    look()


def scene_dictionaries_written(s: Session) -> None:
    table = {"a": 1.0}

    def f(x, key):
        before = len(table), key in table, list(table)
        table[key] = x.detach() * 2
        after = len(table), key in table, list(table)
        return before, after, x * table[key], table.get(key), table.get("none")

    f = s.compile(f)
    for key in ("a", "b", "b", "a", "c"):
        s.call(f, grad(1.0), key)
        s.see(table)
    table.pop("b")
    s.call(f, grad(1.0), "b")
    s.see(table)


def scene_dictionaries_aliased(s: Session) -> None:
    net = Scale()

    def f(x, store):
        y = x * net.weight
        store["weight"] = other
        return y, x * net.weight

    other = nn.Parameter(T([7.0, 7.0]))
    f = s.compile(f)
    for _ in range(2):
        s.call(f, grad(1.0, 2.0), {"weight": 1.0})
    s.call(f, grad(1.0, 2.0), net._parameters)
    s.see(net)
    s.call(f, grad(1.0, 2.0), net.__dict__)
    s.see(net)


def scene_dictionaries_of_other_classes(s: Session) -> None:
    ordered = OrderedDict(a=1.0, b=2.0)
    default = defaultdict(lambda: 5.0, a=3.0)

    def f(x, key):
        for each in ordered.values():
            x = x * each
        return x * default[key], len(default)

    f = s.compile(f)
    for key in ("a", "a", "b", "b"):
        s.call(f, grad(1.0), key)
        s.see(default)
    ordered.move_to_end("a")
    s.call(f, grad(1.0), "a")

    class Own(dict):
        def __missing__(self, key):
            return 9.0

    own = Own(a=1.0)
    g = s.compile(lambda x, key: x * own[key])
    for key in ("a", "z", "z"):
        s.call(g, grad(1.0), key)


def scene_dictionaries_keyed_by_tensors(s: Session) -> None:
    one, two = grad(1.0), grad(2.0)
    table = {one: {"rate": 0.5, "sum": T([0.0])}, two: {"rate": 0.25, "sum": T([1.0])}}

    def f(x):
        for each in (one, two):
            if each in table:
                state = table[each]
                state["sum"].add_(x.detach())
                x = x * each * state["rate"] + state["sum"]
        return x

    f = s.compile(f)
    s.call(f, grad(3.0))
    s.call(f, grad(4.0))
    s.see(list(table.values()))
    table[one], table[two] = table[two], table[one]
    s.call(f, grad(4.0))
    del table[one]
    s.call(f, grad(4.0))
    s.see(list(table.values()))


def scene_special_methods(s: Session) -> None:
    class Holder:
        def __init__(self):
            self.values = [T([1.0]), T([2.0])]

        def __getattr__(self, name):
            if name.startswith("x"):
                return self.values[int(name[1:])]
            raise AttributeError(name)

        def __getitem__(self, index):
            return self.values[index]

        def __len__(self):
            return len(self.values)

        def __call__(self, x, *, k=2.0):
            return x * k + self.values[0]

    holder = Holder()

    def f(x):
        y = x * holder[1] + len(holder) + holder(x, k=3.0)
        if holder:
            y = y + 1
        return y

    f = s.compile(f)
    g = s.compile(lambda x: x * holder.x0)
    for _ in range(2):
        s.call(f, grad(1.0))
        s.call(g, grad(1.0))
    holder.values[1] = T([5.0])
    holder.values.append(T([6.0]))
    s.call(f, grad(1.0))
    holder.x0 = 3.0
    s.call(g, grad(1.0))
    Holder.__getitem__ = lambda self, index: self.values[0] * 10
    s.call(f, grad(1.0))
    Holder.__call__ = lambda self, x, k: x * 0.5
    s.call(f, grad(1.0))
    holder.values.clear()
    s.attempt(f, grad(1.0))


def scene_compiled_methods_from_compiled_code(s: Session) -> None:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(T([2.0]))

        def forward(self, x):
            return self.helper(x) * self.w

        def helper(self, x):
            return x + 1 if x.sum() > 0 else x - 1

    Net.helper = s.compile(Net.helper)
    net = Net()
    f = s.compile(net)
    for value in (1.0, -1.0, 2.0):
        s.call(f, grad(value))
    inner = s.compile(Net())
    g = s.compile(lambda x: inner(x) * 3)
    for value in (1.0, -1.0, 2.0):
        s.call(g, grad(value))


def scene_clipped_gradients(s: Session) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
            parameter.add_(0.3 * number)

    @torch.no_grad()
    def update(parameters, rate):
        for each in parameters:
            each -= rate * each.grad

    def step(x, limit, rate):
        net.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), limit)
        update(list(net.parameters()), rate)
        return loss, norm

    step = s.compile(step)
    for limit in (1.0, 1.0, 0.1, 100.0):
        s.call(step, T([[1.0, 2.0]]), limit, 0.01, backward=False)
        s.see(net)


def scene_iterators_that_library_code_exhausts(s: Session) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
            parameter.add_(0.3 * number)

    def cut(limit):
        # which must know the number, so that Python does this
        nn.utils.clip_grad_value_(net.parameters(), limit)
        return [each.grad * 2 for each in net.parameters()]

    def both(x, limit):
        net.zero_grad()
        (net(x) ** 2).sum().backward()
        rest = net.parameters()
        first = next(rest)
        nn.utils.clip_grad_value_(rest, limit)
        return first.grad + 1, list(rest)

    cut, both = s.compile(cut), s.compile(both)
    for limit in (1.0, 1.0, 0.1, 100.0, 0.5):
        net.zero_grad()
        (net(T([[1.0, 2.0]])) ** 2).sum().backward()
        s.call(cut, limit, backward=False)
        s.see(net)
        s.call(both, T([[1.0, 2.0]]), limit, backward=False)
        s.see(net)


def scene_iterators_of_iterators(s: Session) -> None:
    def f(xs, ys):
        total = 0.0
        for number, (x, y) in enumerate(zip(xs, ys)):
            total = total + x * y * number
        for (i, x), y in zip(enumerate(xs, 1), ys):
            total = total + x * i - y
        return total

    f = s.compile(f)
    s.call(f, [grad(1.0), grad(2.0)], [grad(3.0), grad(4.0)])
    s.call(f, [grad(1.0), grad(2.0)], [grad(3.0), grad(4.0)])
    s.call(f, [grad(1.0), grad(2.0)], [grad(3.0)])
