"""Small functions for the comparison with CPython: statements. Each logs its effects."""

# ruff: noqa
# fmt: off
import contextlib
import sys


def _say(log, value):
    log.append(value)
    return value


class _Manager:
    def __init__(self, log, name, suppress=False, enter_fails=False, exit_fails=False):
        self.log, self.name, self.suppress = log, name, suppress
        self.enter_fails, self.exit_fails = enter_fails, exit_fails

    def __enter__(self):
        self.log.append(f"enter {self.name}")
        if self.enter_fails:
            raise OSError("enter")
        return self.name

    def __exit__(self, kind, value, traceback):
        shown = kind and kind.__name__
        self.log.append(f"exit {self.name} {shown} {value} {sys.exc_info()[0] is kind}")
        self.log.append(traceback and traceback.tb_lineno)
        if self.exit_fails:
            raise LookupError("exit")
        return self.suppress


class _Iterator:
    def __init__(self, log, items):
        self.log, self.items = log, iter(items)

    def __iter__(self):
        self.log.append("iter")
        return self

    def __next__(self):
        self.log.append("next")
        item = next(self.items)
        if isinstance(item, Exception):
            raise item
        return item


def displays_again(log):
    a, b, c = [1, 2], {"x": 1}, {1: 2}
    return {1, 1.0, True}, {**b, "y": 2, **{"x": 9}, "z": 1}, {**c, **{2: 3}}, [*a, *(3, 4)], (*a, *a), f"{'x'}" f""


def chained_assignment(log):
    a = b = c = []
    a.append(1)
    x = y = (i for i in [1])
    d = {}
    i = d[i] = 5 if False else 3
    v = [1, 2]
    v, w = u = v
    return a is b is c, x is y, d, i, v, w, u


def chained_with_local(log):
    x = 1
    x = y = x
    i = 0
    z = [9, 9]
    k = 1
    i = z[i] = k
    return x, y, z, i


def unpacking(log):
    a, b = 1, 2
    a, b = b, a
    (c, [d, e]), f = (1, (2, 3)), 4
    *g, h = range(4)
    i, *j = "abc"
    k, *l, m = [1, 2]
    [n] = [5]
    o, = "z"
    (p, *q), *r = [(1, 2, 3), 4, 5]
    x, y, z = a, *[7, 8]
    return locals_of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, x, y, z)


def locals_of(*values):
    return values



def unpack_swap_items(log):
    x = [1, 2, 3]
    i = 0
    i, x[i] = 2, 9
    x[0], x[1], x[2] = x[2], x[0], x[1]
    return x, i


def unpack_too_few(log):
    a, b, c = [1, 2]


def unpack_too_many(log):
    a, b = _Iterator(log, [1, 2, 3, 4])


def unpack_star_too_few(log):
    a, *b, c = [1]


def unpack_not_iterable(log):
    a, b = 5


def unpack_empty(log):
    () = []
    [] = ()
    return "ok"


def unpack_empty_error(log):
    () = [1]


def unpack_raises(log):
    a, b = _Iterator(log, [1, ValueError("mid")])


def annotated(log):
    x: int = 3
    y: undefined_name
    z: undefined_name = 4
    d = {}
    d[_say(log, "k")]: undefined_name = _say(log, 5)
    (w): int = 6
    return x, z, d, w


def annotated_unbound(log):
    y: int
    return y


def delete_names(log):
    x, y, z = 1, 2, 3
    del x, (y, z)
    try:
        x
    except UnboundLocalError as error:
        log.append(str(error))
    x = 4
    return x


def delete_unbound(log):
    if log:
        x = 1
    del x


def delete_twice(log):
    x = 1
    del x
    del x


def delete_cell(log):
    x = 1
    def f():
        return x
    del x
    return f()


def delete_cell_twice(log):
    x = 1
    def f():
        return x
    del x
    del x


def unbound_local(log):
    if len(log):
        value = 1
    return value


def unbound_in_condition(log):
    return 1 if later else 2
    later = 1


def unbound_augmented(log):
    counter += 1


def unbound_expression_statement(log):
    nothing
    nothing = 1


def unbound_in_comprehension(log):
    r = [x + shift for x in range(2)]
    shift = 1
    return r


def global_statements(log):
    global _shared
    _shared = 1
    _shared += _say(log, 2)
    value = _shared
    del _shared
    try:
        _shared
    except NameError as error:
        log.append((type(error).__name__, str(error), error.name))
    try:
        del _shared
    except NameError as error:
        log.append(str(error))
    return value


def while_loop(log):
    i = 0
    while i < 10:
        i += 1
        if i == 3:
            continue
        if i == 7:
            break
        log.append(i)
    else:
        log.append("else")
    while i < 9:
        i += 1
    else:
        log.append("else")
    while True:
        i += 1
        if i > 12:
            break
    while False:
        log.append("never")
    else:
        log.append("always")
    while 1:
        return i


def for_loop(log):
    for i in range(5):
        if i == 1:
            continue
        if i == 3:
            break
        log.append(i)
    else:
        log.append("else")
    for i in []:
        pass
    else:
        log.append(("else", i))
    for i, (a, *b) in enumerate(["xyz", "uv"]):
        log.append((i, a, b))
    for x in x_list(log):
        pass
    d = {}
    for d["k"] in range(3):
        log.append(dict(d))
    return i, x


def x_list(log):
    return [1, 2]


def for_rebinding_iterable(log):
    x = [1, 2, 3]
    for x in x:
        log.append(x)
    return x


def for_mutating(log):
    x = [1, 2, 3]
    for i in x:
        if i < 10:
            x.append(i + 10)
    return x


def for_iterator_protocol(log):
    for x in _Iterator(log, [1, 2]):
        log.append(x)
    else:
        log.append("else")


def for_iterator_raises(log):
    for x in _Iterator(log, [1, ValueError("mid"), 2]):
        log.append(x)


def for_not_iterable(log):
    for x in 5:
        pass


def for_stop_iteration_in_body(log):
    for x in [1, 2]:
        raise StopIteration(x)


def for_generator(log):
    def g(n):
        try:
            for i in range(n):
                log.append(("yield", i))
                yield i
        finally:
            log.append("closed")
    for i in g(5):
        if i == 2:
            break
        log.append(i)
    else:
        log.append("else")
    return sum(g(3))


def nested_loops(log):
    r = []
    for i in range(4):
        for j in range(4):
            if j == i:
                break
            if (i + j) % 2:
                continue
            r.append((i, j))
        else:
            r.append("whole")
            continue
        r.append("broken")
    return r


def if_chains(log):
    r = []
    for i in range(6):
        if i == 0:
            r.append("zero")
        elif i in (1, 2):
            r.append("small")
        elif i == 3 and i:
            pass
        else:
            r.append("big")
    if 0:
        r.append("dead")
    if 1:
        r.append("live")
    else:
        r.append((lambda: 1)())
    if not r:
        return
    if __debug__:
        r.append("debug")
    return r


def early_return(log):
    for i in range(10):
        while True:
            if i == 4:
                return i
            break


def return_nothing(log):
    log.append(1)


def bare_return(log):
    return


def assertions(log):
    assert log == [], "not shown"
    try:
        assert _say(log, 0), _say(log, "message")
    except AssertionError as error:
        log.append(error.args)
    assert 1 < 2 < 3 and not log[5:]
    assert (
        len(log) ==
        0
    ), f"{len(log)} items"


def bare_assert(log):
    assert log


def with_plain(log):
    with _Manager(log, "a") as x:
        log.append(x)
    with _Manager(log, "a") as x, _Manager(log, "b") as (y, *z), _Manager(log, "c"):
        log.append((x, y, z))
    return "done"


def with_parenthesized(log):
    with (
        _Manager(log, "a") as x,
        _Manager(log, "bcd") as [p, *q],
    ):
        return x, p, q


def with_suppress(log):
    with _Manager(log, "a", suppress=True):
        raise KeyError("k")
    with _Manager(log, "a"), _Manager(log, "b", suppress=True), _Manager(log, "c"):
        [][1]
    with contextlib.suppress(ZeroDivisionError):
        1 / 0
    return "after"


def with_raises(log):
    with _Manager(log, "a"), _Manager(log, "b"):
        raise KeyError("k")


def with_exit_raises(log):
    with _Manager(log, "a"), _Manager(log, "b", exit_fails=True):
        raise KeyError("k")


def with_exit_raises_normally(log):
    with _Manager(log, "a"), _Manager(log, "b", exit_fails=True):
        log.append("body")


def with_enter_raises(log):
    with _Manager(log, "a"), _Manager(log, "b", enter_fails=True):
        log.append("never")


def with_target_raises(log):
    with _Manager(log, "abc") as (x, y):
        log.append("never")


def with_return(log):
    x = 1
    with _Manager(log, "a"):
        with _Manager(log, "b"):
            for i in range(3):
                with _Manager(log, i):
                    if i == 1:
                        return _say(log, x)


def with_break_continue(log):
    for i in range(4):
        with _Manager(log, i):
            if i == 1:
                continue
            if i == 2:
                break
            log.append("body")
    else:
        log.append("else")
    return i


def with_not_a_manager(log):
    with 5:
        pass


class _Half:
    def __enter__(self):
        return 1


def with_half_a_manager(log):
    with _Half() as x:
        pass


def with_contextmanager(log):
    @contextlib.contextmanager
    def manage(name):
        log.append(f"in {name}")
        try:
            yield name
        except KeyError as error:
            log.append(repr(error))
        finally:
            log.append(f"out {name}")
    with manage("x") as x, manage("y"):
        log.append(x)
        raise KeyError(1)
    return "done"


def with_rebinding(log):
    m = _Manager(log, "a")
    with m as m:
        log.append(m)
    return m


def imports(log):
    import os
    import os.path
    import os.path as path
    import collections.abc
    from collections import OrderedDict, abc as second
    from os.path import join as j
    return os.path is path, second is collections.abc, OrderedDict.__name__, j("a", "b")[0]


def import_missing(log):
    import module_that_does_not_exist


def import_missing_submodule(log):
    import os.nothing


def import_from_missing(log):
    from os import nothing_there


def import_into_cell(log):
    import math
    def f():
        return math.floor(2.5)
    return f()


def match_values(log):
    r = []
    for x in (1, 1.0, "a", None, True, 404, -1, 2 + 3j, b"x", [], _Color.RED):
        match x:
            case True:
                r.append("true")
            case None:
                r.append("none")
            case 1:
                r.append("one")
            case "a" | b"x":
                r.append("text")
            case -1 | 2 + 3j:
                r.append("number")
            case _Color.RED:
                r.append("red")
            case 400 | 404 as code:
                r.append(code)
            case _:
                r.append("other")
    return r


class _Color:
    RED = "red"


def match_sequences(log):
    r = []
    for x in ([], [1], (1, 2), [1, 2, 3], "ab", range(3), [[1, 2], 3], [5, 6, 7, 8], {1: 2}, 5):
        match x:
            case []:
                r.append("empty")
            case [a]:
                r.append(("one", a))
            case [[a, b], c]:
                r.append(("nested", a, b, c))
            case [1, b]:
                r.append(("1", b))
            case [1, *rest] if len(rest) > 1:
                r.append(("rest", rest))
            case (5, *_, last):
                r.append(("last", last))
            case [first, *_]:
                r.append(("first", first))
            case [*_]:
                r.append("any")
            case str() as s:
                r.append(s)
            case other:
                r.append(("other", other))
    return r


def match_mappings(log):
    r = []
    for x in ({}, {"a": 1}, {"a": 1, "b": 2}, {"k": {"n": [1, 2]}}, {"a": 5, "z": 6, "y": 7}, []):
        match x:
            case {"a": 1, "b": y}:
                r.append(("ab", y))
            case {"a": 5, **rest}:
                r.append(("rest", rest))
            case {"a": v}:
                r.append(("a", v))
            case {"k": {"n": [p, q]}}:
                r.append((p, q))
            case {**everything}:
                r.append(("all", everything))
            case _:
                r.append("no")
    return r


class _Point:
    __match_args__ = ("x", "y")

    def __init__(self, x, y, z=0):
        self.x, self.y, self.z = x, y, z


class _BadArgs:
    __match_args__ = ["x"]


class _BadNames:
    __match_args__ = (1,)


def match_classes(log):
    r = []
    for x in (_Point(0, 0), _Point(1, 0), _Point(2, 3), _Point(2, 2), 7, "s", 2.5, [1], {"a": 1}):
        match x:
            case _Point(0, 0):
                r.append("origin")
            case _Point(x=1, y=0 as zero):
                r.append(("one", zero))
            case _Point(a, b, z=c) if a == b:
                r.append(("equal", a, c))
            case _Point(missing=1):
                r.append("never")
            case _Point():
                r.append("point")
            case int(n) | str(n):
                r.append(("n", n))
            case float():
                r.append("float")
            case list([one]):
                r.append(one)
            case dict({"a": one}):
                r.append(("dict", one))
    return r


def match_bad_class(log):
    kind = 5
    match 1:
        case kind():
            pass


def match_too_many_arguments(log):
    match _Point(1, 2):
        case _Point(1, 2, 3):
            pass


def match_bad_args(log):
    match _BadArgs():
        case _BadArgs(1):
            pass


def match_bad_names(log):
    match _BadNames():
        case _BadNames(1):
            pass


def match_repeated_attribute(log):
    match _Point(1, 2):
        case _Point(1, x=1):
            pass


def match_duplicate_keys(log):
    match {"red": 1, "x": 2}:
        case {_Color.RED: 1, "red": 2}:
            return 1


def match_binding(log):
    x = [1, 2]
    match x:
        case [x, y] if x > 5:
            log.append("never")
        case [a, b]:
            log.append((a, b, x, y))
    match 3:
        case 4:
            pass
    match x, 5:
        case (1, z):
            return z


def match_in_loop(log):
    total = 0
    for item in [1, ("add", 5), ("skip",), ("add", 6), "stop", ("add", 100)]:
        match item:
            case "stop":
                break
            case ("skip",):
                continue
            case ("add", n):
                total += n
            case int():
                total += 1000
    return total


def match_closure(log):
    match {"k": 5}:
        case {"k": v}:
            f = lambda: v
    return f()


def match_noisy(log):
    class_ = type("S", (), {"__eq__": lambda s, o: _say(log, ("eq", o)) and False, "__hash__": None})
    match class_():
        case 1 | 2:
            pass
        case "x":
            pass
        case _ if _say(log, 0):
            pass
        case _:
            return "default"
