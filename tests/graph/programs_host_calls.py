"""Scenes with host calls that come again and again, so that no evaluator performs them."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_a_loop_that_prints(s: Session) -> None:
    def f(x, n):
        for i in range(n):
            x = x * 1.5
            print(i, sep="")
        return x

    f = s.compile(f)
    for n in (3, 3, 3, 0, 1, 2, 5, 3, 12, 3):
        s.call(f, grad(1.0, 2.0), n)


def scene_loops_that_count_down_and_by_steps(s: Session) -> None:
    seen: list = []

    def f(x, n, step):
        for i in range(n, -n, step):
            x = x + i
            seen.append(i)
        return x

    f = s.compile(f)
    for n, step in ((3, -1), (3, -2), (3, -1), (-3, 1), (-4, 3), (3, -2), (0, -1), (2, 1)) * 3:
        s.call(f, grad(1.0), n, step)
        s.see(seen)


def scene_the_host_call_is_last(s: Session) -> None:
    def f(x):
        y = x * 2
        return print(y.sum().item())

    def g(x, tell):
        y = x * 2
        tell("done")
        return y

    f, g = s.compile(f), s.compile(g)
    for value in range(6):
        s.call(f, grad(float(value)))
        s.call(g, grad(float(value)), print)


def scene_what_is_returned_is_of_any_type(s: Session) -> None:
    values: list = []

    def f(x, take):
        y = x * 2
        r = take(0)
        z = r + 1
        return y * z, r

    f = s.compile(f)
    given = [1, 2.0, T(3.0), 4, grad(5.0), True, 2, 7.5, T([1.0, 2.0]), "text", 3]
    for value in (*given, *given):
        values[:] = [value]
        s.attempt(f, grad(2.0), values.pop)


def scene_what_is_called_changes(s: Session) -> None:
    class Sink:
        def __init__(self):
            self.seen = []

        def __call__(self, *args, **kwargs):
            self.seen.append((args, kwargs))
            return len(self.seen)

    sink = Sink()

    def f(x, tell):
        y = x * 2
        tell(1, end="")
        return y + 1

    f = s.compile(f)
    tells = [print, sink, print, sink.__call__, lambda *a, **k: print("mine", *a, **k), print]
    for tell in tells * 3:
        s.call(f, grad(2.0), tell)
        s.see(sink.seen)


def scene_it_raises_now_and_then(s: Session) -> None:
    def check(v):
        if v > 3:
            raise ValueError(f"too large: {v}")
        print("fine", v)
        return v

    def f(x, n):
        total = x * 0
        for i in range(n):
            try:
                total = total + x * i
                check(i)
            except ValueError as error:
                print("caught", error, error.__context__)
                total = total - 1
            else:
                total = total * 1.5
        return total

    def g(x, n):
        y = x * 2
        check(n)
        return y * x

    f, g = s.compile(f), s.compile(g)
    for n in (3, 3, 4, 7, 3, 0, 5):
        s.call(f, grad(2.0), n)
        s.attempt(g, grad(2.0), n)


def scene_a_loop_over_what_ends_by_raising(s: Session) -> None:
    def f(x, following):
        try:
            while True:
                x = x * 1.5
                k = following()
                x = x + k
        except StopIteration as stop:
            return x, stop.value

    f = s.compile(f)
    for n in (3, 3, 0, 5, 1, 4):
        s.call(f, grad(2.0), iter([float(i) for i in range(n)]).__next__)


def scene_calls_within_calls(s: Session) -> None:
    def tell(text, *rest, **named):
        print(text, *rest, **named)

    def inner(x, k):
        y = x * k
        tell("inner", k, sep="-")
        return y + 1

    def f(x, n):
        for k in range(n):
            x = inner(x, k)
            tell(*("outer", k))
        return x

    f = s.compile(f)
    for n in (2, 2, 3, 0, 2, 5):
        s.call(f, grad(2.0), n)


def scene_it_calls_the_function_itself(s: Session) -> None:
    def again(depth):
        return f(T(1.0), depth - 1) if depth else None

    def f(x, depth):
        y = x * 2
        found = again(depth)
        z = y + 1
        return z, found

    f = s.compile(f)
    for depth in (0, 0, 1, 2, 0, 3, 1):
        s.call(f, grad(2.0), depth)


def scene_it_changes_what_follows(s: Session) -> None:
    box = types.SimpleNamespace(rate=1.0, x=T([1.0, 2.0]))

    def change(k):
        box.rate = box.rate + k
        box.x.mul_(2)
        torch.set_grad_enabled(k < 3)

    def f(x, k):
        y = x * box.rate
        change(k)
        return y * box.rate + box.x

    f = s.compile(f)
    for k in (1, 1, 2, 4, 1, 2, 5, 1):
        s.call(f, grad(2.0, 3.0), k)
        torch.set_grad_enabled(True)
        s.see(box)


def scene_objects_end_where_they_did(s: Session) -> None:
    class Last:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            print("the end of", self.name)

    def f(x, n):
        for i in range(n):
            held = Last(i)
            y = x * 2
            print("before", i)
            held = None
            x = y + 1
            print("behind", i, held)
        return x

    f = s.compile(f)
    for n in (2, 2, 3, 1, 2):
        s.call(f, grad(2.0), n)


def scene_an_open_generator(s: Session) -> None:
    def numbers(k):
        try:
            yield k
            yield k + 1
        finally:
            print("closed", k)

    def f(x, k):
        it = numbers(k)
        first = next(it)
        y = x * first
        print("between")
        z = y + 1
        it = None
        print("behind")
        return z * 2

    f = s.compile(f)
    for k in (1, 2, 1, 2, 3, 1, 1):
        s.call(f, grad(2.0), k)


def scene_who_is_the_caller(s: Session) -> None:
    caller = functools.partial(sys._getframe)

    def f(x, k):
        y = x * 2
        frame = caller()
        z = y * x
        return z, frame.f_code.co_name, frame.f_globals["__name__"]

    f = s.compile(f)
    for k in range(8):
        s.call(f, grad(2.0), k)


def scene_one_code_and_two_modules(s: Session) -> None:
    text = """
def f(x, look):
    y = x * K
    name = look()
    return y + K, name
"""
    modules = [types.ModuleType(name) for name in ("one", "other")]
    for k, module in enumerate(modules):
        vars(module).update(K=float(k + 2))
    code = compile(text, __file__, "exec")
    functions: list[Any] = []
    for module in modules:
        exec(code, vars(module))
        functions.append(vars(module)["f"])

    def look():
        return sys._getframe(1).f_globals["K"]

    def g(x, both):
        return [each(x, look) for each in both]

    first, other = map(s.compile, functions)
    g = s.compile(g)
    for value in range(6):
        s.call(first, grad(float(value)), look)
        s.call(other, grad(float(value)), look)
        s.call(g, grad(float(value)), functions if value % 2 else functions[::-1])


def scene_what_waits_decides_by_the_answer(s: Session) -> None:
    """Whoever waits for the frame that has called does more than to take its value."""

    class Asked:
        def __init__(self, x):
            self.x = x

        def __bool__(self):
            answer = (self.x.sum() > 0).item()
            print("asked")
            return answer

        def __len__(self):
            length = int(self.x.sum().item()) % 3
            print("measured")
            return length

        def __iter__(self):
            parts = (self.x, self.x * 2)
            print("taken apart")
            return iter(parts)

        def __contains__(self, k):
            found = (self.x.sum() > k).item()
            print("looked for")
            return found

    def decides(x):
        return x * 2 if Asked(x) else x - 1

    def negates(x):
        y = x * 2
        return y, not Asked(y)

    def measures(x):
        return x * len(Asked(x))

    def takes_apart(x):
        a, b = Asked(x * 3)
        return a * b

    def contains(x):
        return x * 3 if 1.0 in Asked(x) else x - 2

    for each in (decides, negates, measures, takes_apart, contains):
        f = s.compile(each)
        for value in (-1.0, -2.0, -3.0, -1.0, 2.0, -2.0, 3.0, 1.0, 2.0, -1.0, 5.0):
            s.attempt(f, grad(value))


def unseen(text: str, **space: Any) -> Any:
    """Return the function `f` of a text, which nobody can find."""
    exec(text, space)
    return space["f"]


def scene_what_is_returned_is_taken_apart(s: Session) -> None:
    told: list[Any] = []
    answers: dict[str, Any] = {"many": 2}
    pair = unseen(
        "def f(x): return answers['kind'](x * (k + 1) for k in range(answers['many']))",
        answers=answers,
    )

    def halves(x):
        a, b = pair(x * 2)
        return (a - b).sum()

    def beside(x):
        a, b = pair(x)
        return x, b, a

    def one_is_lost(x):
        a, _ = pair(x)
        return a, "one"

    def spread(x):
        return (x.sum(), *pair(x), "and", x)

    def listed(x):
        return [x, *pair(x)]

    def nested(x):
        return x, (1.5, *pair(x))

    def kept(x):
        found = [x, *pair(x)]
        told.append(found)
        found.append(2)
        return found, found[1] * 2

    def with_a_star(x):
        first, *rest = pair(x)
        return rest, first

    def a_list_before(x):
        found = [x]
        found += pair(x)
        return found, tuple(found)

    functions = [
        s.compile(each)
        for each in (
            halves, beside, one_is_lost, spread, listed, nested, kept, with_a_star, a_list_before,
        )
    ]  # fmt: skip
    for turn in range(6):
        for kind, many in ((tuple, 2), (list, 2), (tuple, 3), (tuple, 1), (iter, 2), (tuple, 2)):
            answers["kind"], answers["many"] = kind, many
            for f in functions:
                s.attempt(f, grad(1.0, 2.0 + turn))
    s.see(len(told), told[-1])


def scene_a_tensor_is_taken_apart(s: Session) -> None:
    rows = unseen("def f(x): return x if x.shape[0] == 2 else (x, x)")

    @s.compile
    def f(x):
        a, b = rows(x * 2)
        return a * b

    for turn in range(8):
        s.call(f, grad(1.0, 2.0 + turn))
        s.call(f, grad(1.0, 2.0, turn))


def scene_what_is_lost_of_an_answer_ends(s: Session) -> None:
    ended: list[Any] = []

    class Held:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            ended.append(self.name)

    kinds: list[Any] = [int]
    both = unseen("def f(x): return x, kinds[0](1)", kinds=kinds)

    @s.compile
    def f(x):
        a, _ = both(x * 2)
        ended.append("taken apart")
        y = a * 3
        print(end="")
        return y

    @s.compile
    def g(x):
        a, _ = both(x)
        return a, 1

    for turn in range(12):
        # what is lost has seldom anything to do at its end
        kinds[0] = Held if turn % 5 == 4 else int
        s.call(f, grad(1.0, turn))
        s.call(g, grad(1.0, turn))
        s.see(ended)
