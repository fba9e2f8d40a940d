"""Small functions for the comparison with CPython: expressions. Each logs its effects."""

# ruff: noqa
# fmt: off
import operator


class _Noisy:
    """Logs every operation asked of it."""

    def __init__(self, log, name, truth=True):
        self.log, self.name, self.true = log, name, truth

    def __bool__(self):
        self.log.append(f"bool {self.name}")
        return self.true

    def __add__(self, other):
        self.log.append(f"{self.name} + {other}")
        return NotImplemented if other == 0 else self

    def __radd__(self, other):
        self.log.append(f"{other} + {self.name}")
        return 7

    def __iadd__(self, other):
        self.log.append(f"{self.name} += {other}")
        return self

    def __lt__(self, other):
        self.log.append(f"{self.name} < {getattr(other, 'name', other)}")
        return _Noisy(self.log, f"({self.name}<)", self.true)

    def __getitem__(self, key):
        self.log.append(f"{self.name}[{key!r}]")
        return key

    def __setitem__(self, key, value):
        self.log.append(f"{self.name}[{key!r}] = {value!r}")

    def __delitem__(self, key):
        self.log.append(f"del {self.name}[{key!r}]")

    def __contains__(self, item):
        self.log.append(f"{item!r} in {self.name}")
        return 2

    def __format__(self, spec):
        self.log.append(f"format {self.name} {spec!r}")
        return f"<{self.name}:{spec}>"

    def __repr__(self):
        self.log.append(f"repr {self.name}")
        return self.name

    def __hash__(self):
        self.log.append(f"hash {self.name}")
        return 1

    def __eq__(self, other):
        self.log.append(f"{self.name} == {getattr(other, 'name', other)}")
        return self is other


def _say(log, value):
    log.append(value)
    return value


def arithmetic(log):
    a, b = 17, 5
    return [a + b, a - b, a * b, a / b, a // b, a % b, a**b, a << b, a >> b, a & b, a | b, a ^ b]


def unary(log):
    x = 5
    return -x, +x, ~x, not x, -2.5, -(3), bool(x), -True


def signed_zero(log):
    return str(-0.0), str(0.0), 1 if 0.0 == -0.0 else 2, str(-0.0 * 1)


def constants(log):
    return 1, 1.0, True, None, "s", b"b", 2j, ..., (1, (2, "x")), -1, -1.5, -2j


def strings(log):
    return "a" "b" + "c" * 3 + "%s-%d" % ("x", 3) + "é"


def compare_all(log):
    return [1 < 2, 1 <= 1, 2 > 3, 3 >= 3, 1 == 1.0, 1 != 1, None is None, log is not None]


def compare_in(log):
    return [1 in [1, 2], 3 not in (1, 2), "a" in "abc", 1 in {1: 2}, 5 in {1, 2}]


def compare_chain(log):
    return _say(log, 1) < _say(log, 2) < _say(log, 3), _say(log, 3) < _say(log, 2) < _say(log, 9)


def compare_chain_noisy(log):
    a, b, c = _Noisy(log, "a"), _Noisy(log, "b", False), _Noisy(log, "c")
    x = a < b < c
    y = b < a < c
    return x.name, y.name


def compare_chain_jump(log):
    a, b, c = _Noisy(log, "a"), _Noisy(log, "b", False), _Noisy(log, "c")
    if a < b < c:
        log.append("yes")
    if not a < b < c:
        log.append("no")
    if b < a < c:
        log.append("yes")
    else:
        log.append("else")
    while not (b < a < c or a < c < b):
        log.append("loop")
        break


def contains_is_bool(log):
    n = _Noisy(log, "n")
    return 3 in n, 3 not in n


def boolean_values(log):
    return (0 or "x", 1 or "x", 0 and "x", 1 and "x", 0 or 0.0 or [], 1 and 2 and 3)


def boolean_truth_once(log):
    t, f = _Noisy(log, "t"), _Noisy(log, "f", False)
    r = [
        (t and f) or t,
        (f and t) or f,
        (t or f) and f,
        (f or f) and t,
        t and (f or t),
        t or (f and f),
        ((t and f) or f) and t,
        (f or (t and f)) or t,
    ]
    return [x.name for x in r]


def boolean_not(log):
    t, f = _Noisy(log, "t"), _Noisy(log, "f", False)
    return [not t, not f, not (t and f), not (f or t), bool(t)]


def boolean_jumps(log):
    t, f = _Noisy(log, "t"), _Noisy(log, "f", False)
    if t and (f or t) and not f:
        log.append(1)
    if (f and t) or (t and f):
        log.append(2)
    if not (t and f) and not (f or f):
        log.append(3)
    x = 1 if t and not f else 2
    y = 1 if (f if t else t) else 2
    while f or t:
        log.append(4)
        break
    return x, y, [i for i in range(5) if i and (i > 2 or not i % 2)]


def conditional(log):
    x = 3
    return "a" if x > 2 else "b", ("c" if x < 2 else "d"), 1 if (2 if x else 3) else 4


def conditional_lazy(log):
    return _say(log, 1) if _say(log, 0) else _say(log, 2)


def attribute_order(log):
    class_ = type("C", (), {})
    c = class_()
    c.x = _say(log, 1)
    c.y = c.x + 1
    c.x += 10
    del c.y
    return c.x, hasattr(c, "y"), vars(c)


def attribute_error(log):
    x = 5
    return x.nothing


def attribute_error_on_second_line(log):
    x = 5
    return (
        x.real
        .nothing
    )


def method_error_on_third_line(log):
    x = "abc"
    return (
        x.upper()
        .lower()
        .split(
            7
        )
    )


def items(log):
    n = _Noisy(log, "n")
    n[1], n[2:3], n[:, 1:2:3], n[...], n["a", "b"], n[::], n[-1]
    n[_say(log, "k")] = _say(log, "v")
    n[1:2] = 5
    del n[3]
    del n[4], n[5:6]
    n[_say(log, 0)] += _say(log, 9)
    return [1, 2, 3, 4][1:-1], "hello"[::-1], (1, 2, 3)[-1]


def item_error(log):
    d = {"a": 1}
    log.append(d["a"])
    return d["b"]


def index_error(log):
    return [1, 2][2]


def subscript_error(log):
    x = 5
    return x[0]


def store_order(log):
    n = _Noisy(log, "n")
    n[_say(log, "key")] = _say(log, "value")
    n[_say(log, "a")], n[_say(log, "b")] = _say(log, 1), _say(log, 2)
    (n[_say(log, 1)], [n[_say(log, 2)], *n[_say(log, 3)]]) = _say(log, (1, (2, 3, 4)))


def augmented_names(log):
    x = 1
    x += 2
    x -= 1
    x *= 6
    x //= 2
    x **= 2
    x %= 7
    x <<= 4
    x >>= 1
    x |= 3
    x &= 250
    x ^= 5
    y = 7
    y /= 2
    z = [1]
    w = z
    w += [2]
    return x, y, z


def augmented_once(log):
    n = _Noisy(log, "n")
    n += 1
    d = {"k": [1]}

    def get():
        log.append("get")
        return d

    get()[_say(log, "k")] += [_say(log, 2)]
    return d, n.name


def augmented_fallback(log):
    n = _Noisy(log, "n")
    return 5 + n, n + 0 if False else 3


def augmented_type_error(log):
    x = 1
    x += "a"


def matmul_error(log):
    return [1] @ [2]


def binary_type_error(log):
    return {} + []


def division_by_zero(log):
    return (1 +
            2 / 0)


def pow_error(log):
    return "a" ** 2


def compare_error(log):
    return 1 < "a"


def in_error(log):
    return 1 in 5


def unary_error(log):
    return -"a"


def walrus(log):
    if (n := len("four")) > 3:
        log.append(n)
    y = [m := 5, m + 1, (m := m + 2), m]
    x = 1
    z = x + (x := 10) + x
    return n, y, x, z, m


def walrus_in_call(log):
    x = 1
    return max(x, (x := 5), x), x


def walrus_in_comprehension(log):
    values = [last := i * 2 for i in range(4)]
    total = 0
    partial = [total := total + v for v in values]
    found = any((witness := v) > 3 for v in values)
    return values, last, partial, total, found, witness


def displays(log):
    a, b = [1, 2], {"x": 1}
    return (
        [*a, 3, *a],
        (*a, 0),
        {*a, 5, *a},
        {**b, "y": 2, "x": 9},
        {"k": 1, **b},
        [],
        (),
        {},
        {1},
        {1: "a", 1.0: "b"},
        (1,),
        [*a],
        {**b},
    )


def display_order(log):
    return {_say(log, 1): _say(log, 2), _say(log, 3): _say(log, 4), _say(log, 5): _say(log, 6)}


def display_hash_order(log):
    a, b, c = _Noisy(log, "a"), _Noisy(log, "b"), _Noisy(log, "c")
    d = {a: 1, b: 2, c: 3, a: 4}
    s = {a, b, a}
    return len(d), len(s), list(d.values())


def display_star_error(log):
    return [1, *2]


def display_set_star_error(log):
    return {1, *2}


def display_dict_star_error(log):
    return {"a": 1, **[("b", 2)]}


def display_unhashable(log):
    return {[]: 1}


def set_unhashable(log):
    return {1, []}


def fstrings(log):
    x, y, w = 3.14159, "text", 12
    return (
        f"{x} {x:.2f} {x:>{w}.{2}f}|{y!r:>10}|{y!s}|{y!a}|{{}}|{x=}|{x=:.1f}|{y!r}",
        "",
        f"{y}",
        f"a{1}b" f"c{2}",
        f"{'nested ' + f'{y} {1 + 1}'}",
        f"{y:{'>'}{10}}",
    )


def fstring_noisy(log):
    n = _Noisy(log, "n")
    return f"{n}", f"{n:spec}", f"{n!r}", f"{_say(log, 1)}{n!s:>5}{_say(log, 2)}"


def fstring_error(log):
    return f"{'a':d}"


def fstring_spec_error(log):
    return f"{object:>5}"


def comprehension(log):
    return (
        [x * 2 for x in range(5)],
        {x % 3 for x in range(10)},
        {x: x**2 for x in range(4)},
        [(x, y) for x in range(3) for y in range(x)],
        [x for x in range(20) if x % 2 if x % 3],
        [[y for y in range(x)] for x in range(4)],
        [x for x in [y for y in range(5)] if x in {z for z in range(3)}],
        {k: [v for _ in range(v)] for k, v in {"a": 1, "b": 2}.items()},
        [a + b for a, *b in [([1], [2])] for b in b],
        list(x + 1 for x in range(3)),
    )


def comprehension_scope(log):
    x = "outer"
    y = [x for x in range(3)]
    z = [x for _ in range(2)]
    return x, y, z


def comprehension_closures(log):
    fs = [lambda: i for i in range(3)]
    gs = [lambda i=i: i for i in range(3)]
    hs = [[lambda: (i, j) for j in range(2)] for i in range(2)]
    base = 100
    ks = [(lambda: base + i)() for i in range(3)]
    return [f() for f in fs], [g() for g in gs], [[h() for h in r] for r in hs], ks


def comprehension_order(log):
    return {_say(log, i): _say(log, -i) for i in _say(log, [1, 2]) for _ in [_say(log, "in")]}


def comprehension_store_targets(log):
    d = {}
    r = [d["k"] for d["k"] in range(3)]
    return d, r


def comprehension_unbound(log):
    return [later for x in range(2) if later or x for later in range(2)]


def comprehension_error(log):
    return [
        10 // x
        for x in (2, 1, 0)
    ]


def generator_expression(log):
    k = 3
    g = (x * k for x in _say(log, range(4)) if x)
    k = 5
    return sum(g), list(y for y in (z + 1 for z in range(3))), max(len(w) for w in ["a", "bb"])


def generator_expression_not_iterable(log):
    return (x for x in 5)


def lambdas(log):
    f, g = lambda x: x + 1, lambda x: x * 2
    h = lambda x, y=2, *a, k=4, **kw: (x, y, a, k, kw)
    return f(1), g(2), h(1), h(1, 3, 5, k=6, z=7), (lambda: (lambda: 5))()(), (lambda q=(lambda: 1): q)()()


def calls(log):
    def f(*a, **k):
        return a, k

    t, d = (1, 2), {"x": 1}
    return (
        f(),
        f(1, *t, 2, *t),
        f(*t),
        f(**d),
        f(*t, **d),
        f(a=1, **d, b=2),
        f(1, a=2),
        f(*[]),
        f(*t, k=1),
        f(*"ab", y=2, z=3),
    )


def call_order(log):
    def f(*a, **k):
        log.append(("called", a, k))

    def get():
        log.append("callee")
        return f

    get()(_say(log, 1), *_say(log, [2, 3]), x=_say(log, 4), **_say(log, {"y": 5}))
    get()(_say(log, 1), b=_say(log, 2), a=_say(log, 3))


def call_not_callable(log):
    x = 5
    return x(1)


def call_star_error(log):
    def f(*a):
        return a

    return f(*5)


def call_star_error_2(log):
    return print(1, *5)


def call_double_star_error(log):
    def f(**k):
        return k

    return f(**5)


def call_duplicate_keyword(log):
    def f(**k):
        return k

    return f(x=1, **{"x": 2})


def call_duplicate_keyword_builtin(log):
    return dict(**{"x": 1}, **{"x": 2})


def call_keyword_not_string(log):
    def f(**k):
        return k

    return f(**{1: 2})


def call_star_generator_raises(log):
    def g():
        yield 1
        raise KeyError("inside")

    def f(*a):
        return a

    return f(*g())


def call_builtin_error(log):
    return len(5)


def slices(log):
    x = list(range(10))
    x[2:4] = "ab"
    del x[::3]
    return x, x[1:], x[:-1], x[::2], slice(1, 2), "abc"[None:2]


def starred_index(log):
    return {(1, 2, 3): "t"}[(1, *[2, 3])]


def names_of_globals(log):
    return _say(log, operator.add(1, 2)), __name__.rpartition(".")[2], len(__file__) > 1


def global_missing(log):
    return missing_name_of_no_module


def global_missing_in_call(log):
    return len(missing_name_of_no_module, _say(log, 1))


def builtins_values(log):
    return sorted([3, 1, 2], key=lambda x: -x), list(map(lambda x: x + 1, [1])), isinstance(1, int)


def ellipsis_and_not_implemented(log):
    return ..., NotImplemented, __debug__


def deep_expression(log):
    return ((((1 + 2) * (3 + 4)) - ((5 + 6) * (7 + 8))) // ((9 + 10) % (11 + 12))) ** 2


class _Bad:
    def __bool__(self):
        return 5


def truth_error(log):
    return 1 if _Bad() else 2


def globals_function(log):
    return globals()["_say"] is _say, "operator" in globals()
