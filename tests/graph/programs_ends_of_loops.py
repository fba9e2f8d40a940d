"""Scenes with loops that end behind host calls, which one function performs then as well."""

from __future__ import annotations

from tests.graph.agreement import Session
from tests.graph.programs import grad
from tests.graph.programs_host_calls import unseen

COUNTS = (3, 1, 3, 2, 0, 3, 3, 5, 1, 3)


def scene_what_comes_behind_the_loop(s: Session) -> None:
    def f(x, n):
        for i in range(n):
            x = x * 1.5
            print(i)
        y = x + i
        print(y.sum().item())
        return y * 2, i

    f = s.compile(f)
    for n in (each for each in COUNTS * 3 if each):
        s.call(f, grad(1.0, 2.0), n)


def scene_the_call_ends_with_the_loop(s: Session) -> None:
    """With what the last turn has computed, or what was returned to it, or a row of both."""
    take = unseen("def f(x, k): return (x * 2, k)")

    def f(x, n):
        made, k = x, None
        for i in range(n):
            made, k = take(made + i, i)
        return x, made, [k, n]

    def g(x, n):
        found = x
        for i in range(n):
            found = take(x * i, i)
        return found

    f, g = s.compile(f), s.compile(g)
    for n in COUNTS * 3:
        s.call(f, grad(1.0, 2.0), n)
        s.call(g, grad(1.0, 2.0), n)


def scene_loops_in_loops(s: Session) -> None:
    """The inner one ends, and the outer one goes on, or ends with it."""

    def f(x, n, m, down):
        for i in range(n, 0, -1) if down else range(0, 2 * n, 2):
            for j in range(m):
                x = x * 1.25 + j
                print(i, j)
            for j in range(i, m, 2):
                x = x - j
                print(j)
        return x

    f = s.compile(f)
    for n in COUNTS * 2:
        for m in (2, 4, 1):
            s.call(f, grad(1.0, 2.0), n, m, n % 2 == 0)


def scene_loops_that_end_at_one_call(s: Session) -> None:
    """Behind the end of the inner one comes the next turn of the outer one, or its end, too."""

    def f(x, n, m):
        for i in range(n):
            x = x * 1.25
            for j in range(m):
                x = x + j
                print(i, j)
        return x.sin()

    f = s.compile(f)
    for n in COUNTS * 4:
        s.call(f, grad(1.0, 2.0), n, 2)


def scene_a_loop_with_an_else(s: Session) -> None:
    def f(x, n, last):
        for i in range(n):
            x = x * 1.5
            print(i)
            if i == last:
                x = x + 1
                break
        else:
            x = x - 1
        return x

    f = s.compile(f)
    for n in COUNTS * 3:
        s.call(f, grad(1.0, 2.0), n, 2)
        s.call(f, grad(1.0, 2.0), n, n)


def scene_a_callee_whose_loop_ends(s: Session) -> None:
    def inner(x, n):
        for i in range(n):
            x = x * 1.5
            print(i)
        return x

    def f(x, n):
        y = inner(x, n)
        z = inner(y.sin(), 2)
        return y + z

    f = s.compile(f)
    for n in COUNTS * 3:
        s.call(f, grad(1.0, 2.0), n)


def scene_the_end_of_a_loop_raises(s: Session) -> None:
    """What is raised at the last turn, or behind it, comes where it did."""
    limits = {"at": 9}
    tell = unseen("def f(k):\n    if k >= limits['at']: raise ValueError(k)", limits=limits)

    def f(x, n):
        for i in range(n):
            x = x * 1.5
            tell(i)
        return x + tell(n)

    f = s.compile(f)
    for n in COUNTS * 3:
        for at in (9, n - 1):
            limits["at"] = at
            s.call(f, grad(1.0, 2.0), n)


def scene_the_module_changes_at_the_end(s: Session) -> None:
    """The last call of a loop may change what the call goes on with."""
    names = {"factor": 2.0}
    tell = unseen("def f(k, last):\n    if k == last: names['factor'] += 1", names=names)

    def f(x, n):
        for i in range(n):
            x = x * names["factor"]
            tell(i, n - 1)
        return x * names["factor"]

    f = s.compile(f)
    for n in COUNTS * 3:
        s.call(f, grad(1.0, 2.0), n)
        names["factor"] = 2.0


def scene_what_ends_with_the_call(s: Session) -> None:
    """A variable that nobody reads any more lives on behind a loop, and behind a host call."""
    log: list = []
    loud = [False]

    class Thing:
        pass

    class Loud:
        def __del__(self) -> None:
            log.append("gone")

    space = {"log": log, "loud": loud, "Thing": Thing, "Loud": Loud}
    make = unseen("def f(): return Loud() if loud[0] else Thing()", **space)
    tell = unseen("def f(k): log.append(k)", log=log)
    take = unseen("def f(k): log.append(type(k).__name__)", log=log)

    def f(x, n):
        thing = make()
        for _ in range(n):
            x = x * 1.5
            take(thing)
        y = x + 1
        tell("end")
        return y

    def g(x):
        thing = make()
        take(thing)
        y = x.sin() + 1
        tell("end")
        return y

    f, g = s.compile(f), s.compile(g)
    for turn in range(60):
        loud[0] = turn % 7 == 6
        s.call(f, grad(1.0, 2.0), 2)
        s.see(log)
        s.call(g, grad(1.0, 2.0))
        s.see(log)
        del log[:]
