"""Scenes of texts in which numbers of run time are written.

All of them are recorded without leaving to Python, but those whose name ends in `_leaves` or
`_raises`.
"""

# what ruff would write otherwise is what is tested
# ruff: noqa: C416, F507, F524, UP031, UP032

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

GIVEN = ((65, 1.5), (66, 2.5), (-1, math.nan), (7, math.inf), (2**70, 3.0), (5, 1.0))
NUMBERS = (0.5, 2.0, -3.25, 1e22, 0.0, -0.0, math.inf, math.nan, 2.0)


def scene_numbers_in_f_strings(s: Session) -> None:
    def f(x, i):
        v = x.sum().item()
        n = x.sum() * 2
        return (
            f"{i}: {v:.3f} {v!r:>9}|{v!s}|{v!a}|{v:e}|{v:<8}|{i:04d}|{i:x}|{i:,}|{i:+}|{i!r:*^5}",
            f"{n:.2f} {n} {v > 1} {v > 1:d} {not v!r:>6} {v:%}|{'a'}{i}{'b'}",
            x * 2,
        )

    f = s.compile(f)
    for i, value in enumerate(NUMBERS):
        s.call(f, T([value, 0.0]), i * 1000 - 2)


def scene_widths_of_run_time(s: Session) -> None:
    def f(x, width, digits):
        v = x.sum().item()
        return f"{v:{width}.{digits}f}|{v:>{width}}|{width:{digits}}", x * 2

    f = s.compile(f)
    for value, width, digits in ((0.5, 8, 2), (1.5, 8, 2), (1.5, 9, 3), (2.5, 8, 2), (0.25, 12, 4)):
        s.call(f, T([value]), width, digits)


def scene_templates(s: Session) -> None:
    def f(x, i):
        v = x.sum().item()
        t = x.sum()
        return (
            "%d: %.3f|%-8s|%8r|%s%%|%5d|%x|%e|%g" % (i, v, v, v, i, i, i, v, v),
            "%s" % v,
            "%.1s|%5.3s|%a" % (i, f"{v}..", i),
            "%f" % t,
            "{} {:.2f} {!r:>8}".format(i, v, v),
            "{1} {0:.2f} {name:>4} {t:.1f}{{}}".format(v, i, name=i, t=t),
            "{:f} {:.1e}".format(i, i),
            "{0}{0}".format(f"{i};"),
            "%.2f" % i,
        )

    f = s.compile(f)
    for i, value in enumerate((0.5, 2.0, -3.25, 4.0, 2.0)):
        s.call(f, T([value, 0.0]), i * 7 + 1)


def scene_functions(s: Session) -> None:
    def f(x, i):
        v = x.sum().item()
        return (
            str(i) + "," + repr(v) + ascii(v) + format(v, ".2f") + format(i) + hex(i) + bin(i),
            str(v).upper().rjust(12, "_") + oct(i) + str(f"{v}"),
            repr(f"it's {i}"),
            f"{v}".replace(".", ",").strip("0") + f"{i}é"[:2] + f"{i}{v}"[::-1],
            f"{f'{v}':>12}|{f'{v}'!r:>12}|{f'{i}'!a}",
            "-" * 3 + f"{i}" * 2,
            ", ".join([f"{v:.1f}", "a", str(i)]),
            f"{i}".join(["a", "b", f"{v}"]),
            ";".join(f"{each * v:g}" for each in (1, 2, 3)),
            isinstance(f"{i}", str),
            type(f"{i}") is str,
            f"{i}" is None,
            f"{i}" == 3,
            bool(f"a{i}"),
            "yes" if f"step {i}" else "no",
        )

    f = s.compile(f)
    for i, value in enumerate((0.5, 2.0, -3.25, 1e30, 2.0)):
        s.call(f, T([value, 0.0]), i * 3)


def scene_containers(s: Session) -> None:
    def f(x, i):
        v = x.sum().item()
        held = [v, i, "a", None, f"{i}'"]
        pair = (v, [i, (v,)], {"a": v, 1: [i]})
        before = f"{held}"
        held.append(pair)
        held[0] = 7
        text = f"{pair} {held!r:>5} {[]} {()} {({},)}"
        held.clear()
        return before, text, f"{held}", str([i] * 3), "%s|%r" % (pair, [v])

    f = s.compile(f)
    for i, value in enumerate((0.5, 2.0, -3.25, 4.0, 2.0)):
        s.call(f, T([value, 0.0]), i * 7 + 1)


def scene_texts_seen_outside(s: Session) -> None:
    log: list[Any] = []
    seen = SimpleNamespace(text="", held=[None], named={})

    def f(x, i):
        v = x.sum().item()
        log.append(f"step {i}: loss {v:.4f}")
        log.append((i, f"{i}", [f"{v}"]))
        seen.text = f"{seen.text.__class__.__name__} {v}"
        seen.held[0] = "%d of %d" % (i, 9)
        seen.named["last"] = f"<{v}>"
        y = x * 2
        x.add_(1)
        log.append(f"then {x.sum():.1f}")
        return y, log[-1], seen.named["last"], lambda: f"{v}", {"text": f"{i}"}

    f = s.compile(f)
    for i in range(6):
        x = T([float(i), 2.0])
        result = s.call(f, x, i)
        s.see(result[3](), log, seen)
        if i == 3:
            log.clear()
            seen.held = [1, 2]


def scene_containers_that_hold_themselves_leaves(s: Session) -> None:
    outer = [1.0, 2.0]

    def f(x):
        held = [x.sum().item()]
        held.append(held)
        return f"{held}", f"{outer}", f"{set(outer)}", x * 2

    f = s.compile(f)
    for value in (1.0, 2.5, 1.0):
        outer.append(value)
        s.call(f, T([value]))


def scene_texts_before_writes(s: Session) -> None:
    def f(x):
        before = f"{x[0]:.1f}|{x.sum():.1f}"
        x *= 2
        middle = f"{x[0]:.1f}"
        x[0] = -1.0
        return before, middle, f"{x[0]:.1f}", x.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, -3.0, 0.5):
        s.call(f, T([value, 3.0]))


class Shown:
    def __init__(self, value):
        self.value = value

    def __str__(self):
        return f"<{self.value:.2f}>"

    def __repr__(self):
        return f"Shown({self.value!r})"


class Formatted(Shown):
    def __format__(self, spec):
        return f"{self.value:{spec or '.1f'}}!"


class Silent:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return str(self.value)


def scene_objects_with_texts(s: Session) -> None:
    outer = Formatted(1.5)

    def f(x):
        v = x.sum().item()
        one, two, three = Shown(v), Formatted(v), Silent(v)
        outer.value = v * 2
        return (
            f"{one} {one!r} {one!s:>9} {two} {two:.3f} {two!s} {two!r:>4} {three} {three!s}",
            "{} {:.2e} {!r}".format(one, two, three),
            "%s %r %8s" % (one, two, three),
            str(one) + repr(two) + format(two, ".0f") + str(three) + format(three),
            f"{outer} {outer:.3f} {outer!r}",
            outer,
        )

    f = s.compile(f)
    for value in (1.0, 2.5, -3.0, 1.0):
        s.call(f, T([value]))
    outer = Formatted(9)
    s.call(f, T([4.0]))


class Amount(float):
    pass


class Total(Amount):
    def __str__(self):
        return f"{float(self):.1f} in all"


class Odd(int):
    def __repr__(self):
        return f"Odd({int(self)})"

    def __format__(self, spec):
        return f"<{int(self):{spec}}>"


class Word(str):
    pass


def scene_texts_of_derived_numbers(s: Session) -> None:
    def f(x, i):
        v = x.sum().item()
        a, b, c, w = Amount(v), Total(v), Odd(i), Word("word")
        return (
            f"{a} {a:.3f} {a!r} {b} {b!s} {c:>4} {c!r} {w} {w:>6}",
            "%s %s %s" % (a, b, c),
            str(a) + str(b) + repr(c) + str(w),
            "{} {}".format(a, b),
            x * 2,
        )

    f = s.compile(f)
    for i, value in enumerate((1.0, 2.5, -3.0, 1.0)):
        s.call(f, T([value]), i)


def scene_objects_whose_texts_change(s: Session) -> None:
    class Named:
        def __init__(self, value):
            self.value = value

        def __str__(self):
            return f"one {self.value}"

    def f(x):
        v = x.sum().item()
        return f"{Named(v)}", str(Named(v)), x * 2

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value]))
    Named.__str__ = lambda self: f"two {self.value:.3f}"  # type: ignore[method-assign]
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value]))
    Named.__format__ = lambda self, spec: f"three {self.value}"  # type: ignore[method-assign]
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value]))


def scene_decisions_between_texts(s: Session) -> None:
    def f(x, limit):
        text = f"{x.sum():.1f}"
        if x.sum() > limit:
            text += f" over {limit}"
            x = x * 2
        elif x.sum() < 0:
            text = f"negative ({text})"
        while x.sum() > 8:
            x = x / 2
            text = f"{text}/"
        return text, f"{x.sum():.2f}"

    f = s.compile(f)
    for value, limit in ((1.0, 2), (4.0, 2), (-4.0, 2), (7.0, 3), (1.0, 5), (7.0, 3)):
        s.call(f, T([value]), limit)


def scene_loops_that_log(s: Session) -> None:
    log: list[Any] = []

    def f(x, turns):
        for i in range(turns):
            x = x * 0.5
            log.append(f"step {i} of {turns}: {x.sum().item():.6f}")
            log.append(("%d" % i, x.sum().item()))
        return x

    f = s.compile(f)
    for turns in (20, 30, 20, 50, 1, 0, 30):
        s.call(f, T([4.0, 8.0]), turns)
        s.see(log)
        log.clear()


def scene_texts_through_loops(s: Session) -> None:
    def f(x, turns):
        best, text = math.inf, "none"
        total = torch.zeros(())
        for i in range(turns):
            x = x * -0.5
            total = total + x.sum()
            if x.sum() < best:
                best = x.sum().item()
                text = f"{best:.3f} at {i}"
        return text, best, total

    f = s.compile(f)
    for value, turns in ((4.0, 3), (4.0, 6), (-4.0, 6), (8.0, 3), (8.0, 12), (-8.0, 12), (1.0, 5)):
        s.call(f, grad([value]), turns)


def scene_errors_with_texts(s: Session) -> None:
    def f(x, limit):
        v = x.sum().item()
        try:
            if v > limit:
                raise ValueError(f"{v:.1f} is more than {limit}")
            y = x * 2
        except ValueError as error:
            return error.args, x
        return y

    f = s.compile(f)
    for value, limit in ((1.0, 2.0), (3.0, 2.0), (4.0, 2.0), (1.0, 0.5), (0.0, 1.0)):
        s.call(f, T([value]), limit)


def scene_errors_that_leave_the_call_raises(s: Session) -> None:
    def f(x, limit):
        v = x.sum().item()
        assert v < 8, f"{v} is too large"
        if v > limit:
            raise ValueError(f"{v:.1f} is more than {limit}")
        return x * 2

    f = s.compile(f)
    for value, limit in ((1.0, 2.0), (3.0, 2.0), (4.0, 2.0), (9.0, 2.0), (1.0, 0.5), (0.0, 1.0)):
        s.attempt(f, T([value]), limit)


def scene_formats_that_fit_some_values_raises(s: Session) -> None:
    def f(x, i, way):
        v = x.sum().item()
        x += 1
        if way == 0:
            return f"{i:c}"
        if way == 1:
            return "%c" % i
        if way == 2:
            return "%d" % v
        if way == 3:
            return f"{v:{i}.{i}f}"
        if way == 4:
            return f"{v:d}"
        if way == 5:
            return "%d %d" % (v,)
        if way == 6:
            return "{} {}".format(v)
        if way == 7:
            return "%x" % v
        if way == 8:
            return f"{i:.3f}", "%e" % i
        return "{:{}}".format(v, i)

    f = s.compile(f)
    for way in range(10):
        for i, value in (
            (65, 1.5),
            (66, 2.5),
            (-1, math.nan),
            (7, math.inf),
            (2**70, 3.0),
            (5, 1.0),
        ):
            if way not in (3, 9) or i < 100:
                s.attempt(f, T([value]), i, way)
    s.attempt(f, T([1.0]), 10**400, 8)
    s.attempt(f, T([1.0]), 7, 8)


def scene_integers_too_large_for_a_float_raises(s: Session) -> None:
    def f(x, i):
        x += 1
        text = f"{i:.3f}"
        x += 2
        return text, "%.2e" % i

    f = s.compile(f)
    for i in (1, 2, 3, 2**70, -(2**900), 10**400, 4, -(10**400), 5):
        x = T([1.0])
        s.attempt(f, x, i)
        s.see(x)


def scene_contents_leaves(s: Session) -> None:
    held: dict[str, Any] = {}

    def f(x, i):
        text = f"{i}:{x.sum():.1f}"
        held[f"step{i}"] = x.sum()
        named = {text: i}
        return (
            len(text), text == "1:3.0", "3" in text, text < "2", text.split(":"), hash(text) == 3,
            int(f"{i}") + 1, {text, "a"} == {"a", text}, named[text], text[0], text.startswith("1"),
            sorted([text, "1", "5"]), max(text, "2"), text.encode(), f"{i:>3}".isdigit(), x * 2,
            [each for each in text], "a" if text[5:] else "b", text in ("1:3.0", "b"),
        )  # fmt: skip

    f = s.compile(f)
    for i in (1, 2, 3, 1, 2):
        s.call(f, T([float(i), 2.0]), i)
        s.see(held)


def scene_printed_texts_leaves(s: Session) -> None:
    def f(x, i):
        y = x * 2
        line = f"step {i}: {y.sum():.2f}"
        print(line)
        z = y + 1
        print(f"{line} {z.sum().item()}", end="\n\n")
        print("%d|%s" % (i, line), [line, i])
        return z.sum(), line

    f = s.compile(f)
    for i in (1, 2, 3, 1, 4, 5, 6, 7, 8, 9):
        s.call(f, grad([float(i), 2.0]), i)


def scene_tensors_in_texts_leaves(s: Session) -> None:
    def f(x):
        y = x * 2
        text = f"{y} {y.detach()!r} {y.sum().detach()!s}"
        y.detach().zero_()
        return text, f"{x.shape} {x.dtype} {y.dim()}", y

    f = s.compile(f)
    for value in (1.0, 2.0, 1.0):
        s.call(f, T([value, 2.0]))


def scene_texts_of_integers_behind_what_cannot_be_done_again(s: Session) -> None:
    def f(x, log):
        y = torch.randint(-2, 3, (3,)) + x
        log.append(f"{y.sum():.1f}, {y.max():e}")
        return y * 2

    f = s.compile(f)
    torch.manual_seed(3)
    for value in range(6):
        log: list[str] = []
        s.call(f, torch.arange(3) + value, log)
        s.see(log)


def scene_texts_of_other_kinds_of_values(s: Session) -> None:
    def f(x, value):
        return f"{value} {value!r} {value!s:>9}", "%s" % (value,), "{}".format(value), x * 2

    f = s.compile(f)
    for value in (1, 2.5, True, "a", None, 3, -4.5, False, "b", 1, 7, 2.5):
        s.call(f, T([1.0]), value)


def scene_methods_of_texts_from_outside(s: Session) -> None:
    held = SimpleNamespace(write="{}-a".format, split="b,c".split)

    def f(x):
        v = x.sum().item()
        return held.write(3), held.write(v), held.split(","), x * 2

    f = s.compile(f)
    for text in "aabba":
        held.write, held.split = f"{{}}-{text}".format, f"{text},{text}".split
        for value in (1.0, 2.0):
            s.call(f, T([value]))
    held.write = "{:.3f}".format
    s.call(f, T([2.0]))


def scene_methods_kept_behind_decisions(s: Session) -> None:
    def f(x, i):
        pad = f"{i}".rjust
        join = f"<{i}>".join
        if x.sum() > 2:
            x = x * 2
        return pad(5), join(["a", f"{x.sum():.1f}"]), x

    f = s.compile(f)
    for i, value in enumerate((1.0, 2.0, 3.0, 1.0, 3.0)):
        s.call(f, T([value]), i)


def scene_texts_carried_by_loops(s: Session) -> None:
    def f(x, i, limit):
        text, kept = f"{x.sum().item():.3f} {i}", "none"
        n, last = 0, text
        while x.norm() > 0.5:
            if n >= 5:
                last = "in a later turn"
            if n == limit:
                text, kept = f"{text} {n}", text
            x = x * 0.5
            n += 1
        return n, text + "!", f"<{kept}>", last, x

    f = s.compile(f)
    for i in range(40):
        s.call(f, T([float(2 ** (i % 7)), 0.0]), i, 3 if i % 4 else i)
    for i in range(6):
        s.call(f, T([2.0**40, 0.0]), i, 30 * i)
    s.call(f, T([math.inf, 0.0]).clamp(max=2.0**60), 1, 1)


def scene_texts_that_vary_behind_exits_leaves(s: Session) -> None:
    def f(x, name):
        y = x * 2
        line = f"{name}: {y.sum():.2f}"
        print(line)
        z = y + 1
        if line == "a: 4.00":
            z = z * 2
        return z.sum(), line, [line, {"line": line}]

    f = s.compile(f)
    for i, name in enumerate("abcabcdefghijkabcdefg"):
        s.call(f, grad([float(i % 7), 2.0]), name)
