"""Scenes of the outside: globals, cells, defaults, modules, functions that change."""

# what ruff would write otherwise is what is tested
# ruff: noqa: B007, C416, F821, F841, I001, RUF007, SIM201

from __future__ import annotations

import functools
import math
import types

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

SCALE: object = 2
module = types.ModuleType("module")


def helper(x):
    return x * 10


def uses_globals(x):
    y = x * SCALE
    return helper(y), SCALE


def scene_globals_change(s: Session) -> None:
    global SCALE, helper
    f = s.compile(uses_globals)
    before = helper
    try:
        for value in (2, 3, 2, 2.5, 3.5, True, 2, -0.0, 0.0):
            SCALE = value
            s.call(f, grad(1.0, 2.0))
        SCALE = T([3.0, 4.0])
        s.call(f, grad(1.0, 2.0))
        SCALE = T([5.0, 6.0])
        s.call(f, grad(1.0, 2.0))
        SCALE = grad(5.0, 6.0)
        s.call(f, grad(1.0, 2.0))
        s.see(SCALE)
        SCALE = 2
        helper = lambda x: x - 1  # noqa: E731
        s.call(f, grad(1.0, 2.0))
        helper = before
        s.call(f, grad(1.0, 2.0))
        helper = torch.sin
        s.call(f, grad(1.0, 2.0))
        helper = math.cos
        s.call(f, grad(1.0))
        del SCALE
        s.call(f, grad(1.0, 2.0))
        SCALE = 2
        helper = before
        s.call(f, grad(1.0, 2.0))
    finally:
        SCALE = 2
        helper = before


def scene_globals_shadow_builtins(s: Session) -> None:
    def f(x):
        return x * len([1, 2, 3])

    f = s.compile(f)
    s.call(f, grad(1.0))
    globals()["len"] = lambda items: 100
    try:
        s.call(f, grad(1.0))
    finally:
        del globals()["len"]
    s.call(f, grad(1.0))


def stores_global(x):
    global SCALE
    SCALE = SCALE + 1
    return x * SCALE


def scene_global_stored(s: Session) -> None:
    global SCALE
    SCALE = 1
    f = s.compile(stores_global)
    for _ in range(4):
        s.call(f, grad(1.0))
        s.see(SCALE)
    SCALE = 2


def scene_module_variables(s: Session) -> None:
    module.scale, module.apply = 2.0, helper

    def f(x):
        return module.apply(x) * module.scale * math.pi

    f = s.compile(f)
    for scale in (2.0, 3.0, 4):
        module.scale = scale
        s.call(f, grad(1.0))
    module.apply = torch.exp
    s.call(f, grad(1.0))
    module.apply = helper
    s.call(f, grad(1.0))
    del module.scale
    s.call(f, grad(1.0))


def scene_closures(s: Session) -> None:
    scale, count, function = 2.0, 1, helper
    items = [1.0, 2]

    def f(x):
        return function(x) * scale + count + items[0] * items[1]

    f = s.compile(f)
    s.call(f, grad(1.0))
    scale = 3.0
    s.call(f, grad(1.0))
    count = 5
    s.call(f, grad(1.0))
    items[0] = 9.0
    s.call(f, grad(1.0))
    items[1] = 7
    s.call(f, grad(1.0))
    function = torch.neg
    s.call(f, grad(1.0))
    items = [4.0, 4]
    s.call(f, grad(1.0))
    del function
    s.call(f, grad(1.0))


def scene_nonlocal(s: Session) -> None:
    count = 0

    def f(x):
        nonlocal count
        count += 1
        return x * count

    f = s.compile(f)
    for _ in range(4):
        s.call(f, grad(1.0))
        s.see(count)


def scene_inner_functions(s: Session) -> None:
    def f(x, k):
        total = 0

        def add(y, by=k, *, more=x):
            nonlocal total
            total = total + by
            return y * by + more

        y = add(x)
        if y.sum() > 3:
            y = add(y, 2.0)
        scale = lambda z: z * total  # noqa: E731
        return scale(y), total, add, [g(x) for g in (add, scale)]

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (2.0, 2.0), (1.0, 3.0), (3.0, 1.0)):
        _, _, add, _ = s.call(f, grad(value), k)
        s.call(add, T([1.0]))


def scene_defaults_change(s: Session) -> None:
    def g(x, a=1.0, b=2, *, c=3, d=None):
        if d is not None:
            x = x * d
        return x * a + b - c

    def f(x):
        return g(x), g(x, 2.0), g(x, c=7)

    f = s.compile(f)
    s.call(f, grad(1.0))
    g.__defaults__ = (5.0, 2)
    s.call(f, grad(1.0))
    g.__defaults__ = (5.0, 9)
    s.call(f, grad(1.0))
    g.__kwdefaults__ = {"c": 4, "d": 2.0}
    s.call(f, grad(1.0))
    g.__kwdefaults__["d"] = T([2.0])
    s.call(f, grad(1.0))
    g.__defaults__ = None
    s.call(f, grad(1.0))


def scene_mutable_default(s: Session) -> None:
    def f(x, seen=[]):  # noqa: B006
        seen.append(1)
        return x * len(seen)

    f = s.compile(f)
    for _ in range(4):
        s.call(f, grad(1.0))


def scene_code_replaced(s: Session) -> None:
    def g(x):
        return x * 2

    def h(x):
        return x * 3

    def f(x):
        return g(x)

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(1.0))
    g.__code__ = h.__code__
    s.call(f, grad(1.0))


def scene_functions_as_arguments(s: Session) -> None:
    def f(function, x):
        return function(x)

    f = s.compile(f)
    for _ in range(2):
        for function in (helper, torch.sin, lambda x: x * 2, lambda x: x * 3, math.sqrt, abs):
            s.call(f, function, grad(4.0))
        for k in (1.0, 2.0):
            s.call(f, lambda x: x * k, grad(1.0))  # noqa: B023
            s.call(f, functools.partial(torch.add, T([k])), grad(1.0))


def scene_types_as_arguments(s: Session) -> None:
    def f(x, kind, dtype):
        y = x.to(dtype)
        if kind is int:
            return y * 2
        if kind is list:
            return [y]
        return y, kind, dtype

    f = s.compile(f)
    for _ in range(2):
        for kind in (int, list, str):
            for dtype in (torch.float32, torch.float64):
                s.call(f, T([1.0]), kind, dtype)


def scene_methods_as_arguments(s: Session) -> None:
    class Thing:
        def __init__(self, k):
            self.k = k

        def up(self, x):
            return x * self.k

        def down(self, x):
            return x / self.k

    def f(function, x):
        return function(x)

    f = s.compile(f)
    one, two = Thing(2.0), Thing(4.0)
    for function in (one.up, two.up, one.down, two.down, one.up):
        s.call(f, function, grad(1.0))
        s.call(f, function, grad(1.0))


def scene_compiled_functions_swapped(s: Session) -> None:
    one = s.compile(lambda x: x * 2)
    two = s.compile(lambda x: x * 3)
    inner = one

    def f(x, function=None):
        return inner(x) if function is None else function(x)

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(1.0))
    inner = two
    s.call(f, grad(1.0))
    s.call(f, grad(1.0), one)
    s.call(f, grad(1.0), two)
    s.call(f, grad(1.0), one)


def scene_lists_outside(s: Session) -> None:
    items = [T([1.0]), T([2.0])]
    functions = [torch.sin, helper]

    def f(x):
        total = x * 0
        for item in items:
            total = total + item
        for function in functions:
            total = function(total)
        if items:
            total = total + items[-1] * len(items)
        return total

    f = s.compile(f)
    s.call(f, grad(1.0))
    items.append(T([3.0]))
    s.call(f, grad(1.0))
    items[0] = T([9.0])
    s.call(f, grad(1.0))
    functions[0] = torch.cos
    s.call(f, grad(1.0))
    items[1] = 5.0
    s.call(f, grad(1.0))
    items[1] = 6
    s.call(f, grad(1.0))
    items.clear()
    s.call(f, grad(1.0))
    functions.reverse()
    s.call(f, grad(1.0))


def scene_list_stores(s: Session) -> None:
    def f(items, x):
        items[-1] = x * 2
        y = items[2] * 3
        items[0] = 5
        return y, items[0], items[-3], items[len(items) - 1]

    f = s.compile(f)
    for values in ([1, 2, 3], [4, 5, 6], [1, 2, 3], [1.0, 2.0, T([1.0])], [1, 2, 3, 4], [1, 2]):
        items = list(values)
        s.call(f, items, T([2.0]))
        s.see(items)
        s.call(f, list(values), grad(2.0))


def scene_dicts(s: Session) -> None:
    def f(state, x):
        state["step"] += 1
        state["loss"] = x.sum().item()
        state["new"] = x * 2
        return len(state), state["step"], x * state["rate"], state

    f = s.compile(f)
    for rate in (0.1, 0.2, 3, T([2.0])):
        state = {"step": 0, "loss": 0, "rate": rate}
        for _ in range(3):
            s.call(f, state, T([1.0]))
            s.see(state)
        s.call(f, {"step": 0, "rate": rate, "other": 0}, T([1.0]))
        s.call(f, {"rate": rate, "other": 0}, T([1.0]))


def scene_dict_of_another_size(s: Session) -> None:
    def f(d, x):
        d["a"] = x
        return len(d), bool(d), x * 2

    f = s.compile(f)
    for d in ({}, {"b": 1}, {"a": 1}, {"c": 3}, {"c": 1, "d": 2}, {}):
        s.call(f, d, T([1.0]))
        s.see(d)


def scene_dict_keys(s: Session) -> None:
    def f(d, x):
        if "a" in d:
            x = x * 2
        for key, value in d.items():
            x = x + value
        return x, d.get("b", 5), list(d)

    f = s.compile(f)
    for d in ({"a": 1.0}, {"b": 2.0}, {"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, {}, {"a": 3.0}):
        s.call(f, d, grad(1.0))


def scene_same_object_twice(s: Session) -> None:
    class Box:
        def __init__(self, n):
            self.n = n

    def f(a, b, x):
        a.n = x * 2
        y = b.n * 3
        b.n = 7.0
        return y, a.n, b.n

    f = s.compile(f)
    for _ in range(2):
        a, b = Box(T([1.0])), Box(T([2.0]))
        s.call(f, a, b, T([5.0]))
        s.call(f, a, a, T([5.0]))
        s.call(f, b, a, T([5.0]))

    def g(one, other, x):
        one[0] = x
        return other[0] * 2, one is other

    g = s.compile(g)
    for _ in range(2):
        items, more = [T([1.0])], [T([2.0])]
        s.call(g, items, more, T([5.0]))
        s.call(g, items, items, T([6.0]))


def scene_lists_made_in_the_call(s: Session) -> None:
    def f(x, n):
        parts = []
        for i in range(n):
            parts.append(x * i)
        parts[0] = x
        pairs = [(a, b) for a, b in zip(parts, parts[1:])]
        table = {name: part for name, part in zip("abc", parts)}
        last = None
        for key, value in table.items():
            last = key
            x = x + value
        views = table.items(), table.keys(), table.values()
        lengths = [len(each) for each in views]
        squares = {i for i in range(3)}
        total = sum(parts)
        return total, pairs, table, x, last, lengths, squares, parts[-1], parts[:2], table.get("a")

    f = s.compile(f)
    for n in (1, 2, 3, 2, 4, 3):
        s.call(f, grad(float(n), 1.0), n)


def scene_dict_views_returned(s: Session) -> None:
    def f(x, flag):
        table = {"a": x * 2, "b": 3}
        if flag:
            return table.items()
        for key in table:
            for name, _ in table.items():
                if (x * len(key)).sum() > 2 and name == "b":
                    return list(table.values())
        return str(type(table.keys())), table.items()

    f = s.compile(f)
    for value, flag in ((1.0, False), (3.0, False), (1.0, True), (4.0, False), (1.0, False)):
        found = s.attempt(f, grad(value), flag)
        if not isinstance(found, (list, tuple)):
            s.see(type(found).__name__, dict(found))


def scene_iterators(s: Session) -> None:
    def f(x, items):
        it = iter(items)
        first = next(it)
        if (x * first).sum() > 2:
            x = x + next(it)
        rest = 0
        for each in it:
            rest = rest + each
        pairs = enumerate([x, x * 2], 5)
        for i, each in pairs:
            if (each * i).sum() > 30:
                break
        return x, rest, list(pairs), list(zip([1, 2], items)), dict(enumerate("ab"))

    f = s.compile(f)
    for value, items in (
        (1.0, [1.0, 2.0, 3.0]),
        (5.0, [1.0, 2.0]),
        (1.0, (4.0, 5.0, 6.0)),
        (9, [1]),
    ):
        s.call(f, grad(float(value)), items)
        s.call(f, grad(float(value)), items)


def scene_print_in_the_middle(s: Session) -> None:
    def f(x, log):
        y = x * 2
        print("first", y.sum().item())
        log.append(len(log))
        y.add_(1)
        if y.sum() > 3:
            print("large")
            log.append("large")
        print("last")
        return y * 3, log

    f = s.compile(f)
    log: list = []
    for value in (1.0, 0.5, 2.0, 0.1):
        s.call(f, grad(value), log)


def scene_append_outside(s: Session) -> None:
    seen = []

    def f(x):
        y = x * 2
        seen.append(y)
        if y.sum() > 2:
            seen.append("large")
        return y

    f = s.compile(f)
    for value in (1.0, 2.0, 0.5, 3.0):
        s.call(f, grad(value))
        s.see(seen)


def scene_growing_list(s: Session) -> None:
    history = []

    def f(x):
        total = x
        for each in history:
            total = total + each
        return total

    f = s.compile(f)
    for value in range(5):
        history.append(s.call(f, T([float(value)])))


def scene_unhashable_callables(s: Session) -> None:
    class Twice:
        __hash__ = None  # type: ignore[assignment]

        def __init__(self, k):
            self.k = k

        def __eq__(self, other):
            return True

        def __call__(self, x):
            return x * self.k

    two, three = Twice(2.0), Twice(3.0)

    def f(x, call):
        return two(x) + call(x)

    f = s.compile(f)
    for call in (two, three, two):
        s.call(f, grad(1.0), call)


def scene_math_functions(s: Session) -> None:
    def f(x, a):
        b = math.sin(a) + math.floor(a) + math.hypot(a, 3.0) + round(a, 1) + abs(a)
        c = math.isnan(a), math.isfinite(a), a.is_integer(), int(a) if a == a else 0
        return x * b, b, c, divmod(a, 2.0), math.pow(a, 2.0), max(a, 0), min(1, a), pow(a, 2)

    f = s.compile(f)
    for a in (0.5, 1.5, -2.0, 0.5, 3.25, float("nan")):
        s.call(f, grad(1.0), a)


def scene_chained_comparisons(s: Session) -> None:
    def f(x, a):
        inside = 0 < a < 1
        y = x if 0 < a <= 2 and not a == 0.5 else -x
        z = (a > 1) + (a > 2)
        return y * 2, inside, z, a != a, a in (0.5, 2.0)

    f = s.compile(f)
    for a in (0.5, 0.25, 1.5, 2.5, -1.0, 0.5, 2.0):
        s.call(f, grad(1.0), a)


def scene_imports_inside(s: Session) -> None:
    def f(x):
        import math as m
        from jitgrad import sin

        return sin(x) * m.pi

    f = s.compile(f)
    for value in (1.0, 2.0):
        s.call(f, grad(value))


def scene_star_expressions(s: Session) -> None:
    def g(a, b, *rest, k=1.0, **more):
        return a + b + sum(rest) * k, more

    def f(x, items, options):
        return g(*items, x, **options), [*items, x], {**options, "x": x}, (*items,)

    f = s.compile(f)
    for items, options in (
        ([1.0, 2.0], {"k": 2.0}),
        ([1.0, 3.0], {"k": 3.0, "z": 1}),
        ((1.0, 2.0, 3.0), {}),
        ([4.0, 2.0], {"k": 2.0}),
        ([1.0], {"k": 2.0}),
    ):
        s.call(f, grad(1.0), items, options)


def scene_tuples_from_outside(s: Session) -> None:
    pair = (1.0, T([2.0]))

    def f(x, given):
        both = given + pair + (x,)
        total = x * 0
        for each in both:
            total = total + each
        left, right = given
        return total * left, both, given[1:], given == (1.0, 2.0), right in given

    f = s.compile(f)
    for given in ((1.0, 2.0), (3.0, 2.0), (1.0, 2.0), (1, 2), (3.0, 5.0)):
        s.call(f, grad(1.0), given)
    pair = (4.0, T([5.0]))
    s.call(f, grad(1.0), (1.0, 2.0))


def scene_truths_of_run_time(s: Session) -> None:
    def f(x, a, b):
        bigger = a > b
        y = x * bigger + (a == b)
        z = torch.where(x > 0, x, bigger)
        return y, z, x.sum(0, keepdim=bigger), int(bigger), bigger + 1, bigger and x, not bigger

    f = s.compile(f)
    for a, b in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (3.0, 1.0), (1.0, 3.0)):
        s.call(f, grad(1.0, -1.0), a, b)


def scene_numbers_in_literals(s: Session) -> None:
    def f(x, a, n):
        x[0] = a
        y = x * 1
        y[1:] = torch.tensor((a, 2.0))
        y[0] = n
        return y, torch.tensor((a, a * 2)), x.new_tensor((1.0, a)), torch.full((n,), a * 2)

    def g(x, a):
        x[:2] = torch.tensor([a, 2.0])
        return torch.stack([x, x * a]), torch.cat((x, x)), torch.arange(0.0, a), x.new_full((2,), a)

    f, g = s.compile(f), s.compile(g)
    for a, n in ((0.5, 1), (1.5, 1), (2.5, 2), (3.5, 1)):
        s.call(f, T([1.0, 2.0, 3.0]), a, n)
        s.call(g, T([1.0, 2.0, 3.0]), a)


def scene_context_made_outside(s: Session) -> None:
    quiet = torch.no_grad()

    def f(x):
        with quiet:
            y = x * 2
            if y.sum() > 3:
                print("large")
                y = y + 1
        return y, torch.is_grad_enabled(), x * 3

    f = s.compile(f)
    for value in (1.0, 2.0, 1.0, 3.0):
        s.call(f, grad(value))
        with torch.no_grad(), quiet:
            pass
        s.call(f, grad(value))


def scene_library_objects_outside(s: Session) -> None:
    generator = torch.Generator()
    generator.manual_seed(3)

    def f(x):
        return x * torch.rand(2, generator=generator)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, value))


def scene_a_dict_stored_twice(s: Session) -> None:
    def f(d, x):
        d["k"] = x
        d["k"] = x * 2
        d["n"] = 1
        d["n"] = d["n"] + len(d)
        return d["k"], len(d)

    f = s.compile(f)
    for d in ({}, {}, {"k": 0}, {"n": 5}, {"z": 1}, {}, {"k": 0}):
        s.call(f, d, T([1.0]))
        s.see(d)
