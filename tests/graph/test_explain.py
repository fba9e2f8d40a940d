"""Reports: what ran where, and why."""

from __future__ import annotations

import json
import time
import warnings

import pytest

import jitgrad as torch
from jitgrad.graph import facts
from tests.graph import programs_small as programs
from tests.native import needs_native

T = torch.tensor


def line_of(function: object, offset: int) -> str:
    return f"programs_small.py:{function.__code__.co_firstlineno + offset}"  # type: ignore[attr-defined]


def test_an_exit_names_its_line_and_reason() -> None:
    f = torch.compile(programs.prints)
    for _ in range(3):
        f(T([1.0]))
    report = f.explain()
    text = str(report)
    assert f"hands over to Python at {line_of(programs.prints, 2)}: call of print" in text
    ((reason, file, line, hits),) = report.exits
    assert reason == "call of print"
    assert (file, line) == (programs.__file__, programs.prints.__code__.co_firstlineno + 2)
    assert hits == 2


def test_branches_are_shown_as_a_tree() -> None:
    f = torch.compile(programs.sign)
    for value in (1.0, -1.0, 2.0):
        f(T([value]))
    text = str(f.explain())
    assert text.startswith("sign: 2 recordings, 3 segments, ")
    assert f"decides at {line_of(programs.sign, 1)}" in text
    assert "True: " in text
    assert f"returns at {line_of(programs.sign, 2)}" in text
    assert "False: " in text
    assert f"returns at {line_of(programs.sign, 3)}" in text


@needs_native
def test_numbers_of_a_report() -> None:
    f = torch.compile(programs.double)
    for _ in range(4):
        f(T([1.0, 2.0]))
    report = f.explain()
    assert report.data["traces"] == 1
    assert report.segments == 1
    assert report.kernels >= 1
    assert report.native_calls >= 1
    assert report.record_seconds > 0
    assert report.compile_seconds >= 0
    assert report.exits == []
    assert report.eager == ""
    assert "x: a tensor (2,) float32" in str(report)
    assert report.calls == 4
    assert report.call_seconds is None
    for _ in range(20):
        f(T([1.0, 2.0]))
    assert 0 < f.explain().call_seconds < report.record_seconds + 1
    assert "; replays take " in str(f.explain())
    assert "ran 3 times" in str(report)


def test_why_a_function_runs_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    f = torch.compile(programs.generates)
    list(f(T([1.0])))
    assert "generat" in f.explain().eager
    assert "runs eagerly: " in str(f.explain())
    monkeypatch.setattr(torch.config, "max_misses", 1)
    g = torch.compile(programs.tagged)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(5):
            g(T([1.0]), "x" * n)
    assert len(caught) == 1
    assert line_of(programs.tagged, 1) in str(caught[0].message)
    assert line_of(programs.tagged, 1) in g.explain().eager


@needs_native
def test_kernels_show_their_sources() -> None:
    f = torch.compile(programs.double)
    for _ in range(2):
        f(T([1.0, 2.0]))
    assert f.kernels
    assert all("def " in source for source in f.kernels)


def test_a_report_before_any_call() -> None:
    f = torch.compile(programs.double)
    assert str(f.explain()).startswith("double: 0 recordings")
    assert f.trace == ""
    assert f.kernels == ()


# -- entries, segments, guards ---------------------------------------------------------------------


def test_segments_tell_lines_guards_and_hits() -> None:
    f = torch.compile(programs.sign)
    for value in (1.0, -1.0, 2.0, 3.0):
        f(T([value]))
    (entry,) = f.explain().data["entries"]
    assert (entry["trace"], entry["line"]) == ("trace_1", None)
    assert entry["given"] == ["x: a tensor (1,) float32"]
    head, positive, negative = entry["segments"]
    first = programs.sign.__code__.co_firstlineno
    assert head["lines"] == [(programs.__file__, first + 1)]
    assert head["guards"] == ["x is a tensor (1,) float32"]
    assert (head["hits"], head["ends"], head["line"]) == (3, "decides", head["lines"][0])
    assert (positive["after"], positive["outcome"], positive["hits"]) == (0, "True", 2)
    assert positive["ends"] == "returns"
    assert (negative["after"], negative["outcome"], negative["hits"]) == (0, "False", 0)


class Model:
    def __init__(self, width: int) -> None:
        self.w = torch.ones(width)
        self.sizes = [width]


def by_model(model, x, factor=2, *rest, bias=0.5):
    return x * model.w * factor + bias + len(rest) + model.sizes[0]


def test_guards_are_in_words_of_the_source() -> None:
    f = torch.compile(by_model)
    f(Model(2), T([1.0, 2.0]), 3, T(1.0), bias=1.0)
    (entry,) = f.explain().entries
    names = [each.split(":")[0] for each in entry["given"]]
    assert names == ["model", "x", "factor", "rest[0]", "bias"]
    guards = entry["segments"][0]["guards"]
    assert "model.w is a tensor (2,) float32" in guards
    assert "model.sizes[0] == 2" in guards
    assert "bias is a number (float)" in guards
    assert not any("root" in each for each in guards)


def test_every_kind_of_fact_has_words() -> None:
    kinds = [facts.Fact]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert len(kinds) > 8
    for kind in kinds[1:]:
        assert kind.text is not facts.Fact.text or kind.__subclasses__()


def test_turns_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "first_turns", torch.config.unroll)
    f = torch.compile(programs.grow)
    for value in (1.0, 3.0, 1e-9, 1e-12):
        f(T([value]))
    report = f.explain()
    assert report.segments > 30
    text = str(report)
    assert "True: the same again" in text
    assert len(text.splitlines()) < 30
    assert "begins anew at" in text


# -- why it was recorded ---------------------------------------------------------------------------


def causes(function, *calls):
    f = torch.compile(function)
    for args in calls:
        f(*args)
    return [(each.call, each.why) for each in f.explain().misses]


def test_a_miss_tells_what_differed_in_the_arguments() -> None:
    x, y = T([1.0]), T([1.0, 2.0])
    assert causes(programs.tagged, (x, "a"), (x, "a"), (x, "b"), (y, "b"), (x, "b")) == [
        (1, "it was the first time"),
        (3, "tag was 'b', not 'a'"),
        (4, "x was a tensor (2,) float32, not a tensor (1,) float32"),
    ]
    wants = T([1.0], requires_grad=True)
    assert causes(programs.double, (x,), (wants,))[1:] == [
        (2, "x was a tensor (1,) float32 that requires grad, not a tensor (1,) float32")
    ]
    columns = torch.ones(2, 2)
    assert causes(programs.double, (columns,), (columns.t(),))[1:] == [
        (2, "x was a tensor (2, 2) float32 with other strides")
    ]


def test_a_miss_tells_the_modes() -> None:
    f = torch.compile(programs.double)
    f(T([1.0]))
    with torch.no_grad():
        f(T([1.0]))
    assert f.explain().misses[-1].why == "grad mode was False"


def test_a_miss_tells_which_guard_failed_and_what_was_found() -> None:
    x = T([1.0, 2.0])
    model, other = Model(2), Model(2)
    other.sizes = [3]
    assert causes(by_model, (model, x), (model, x), (other, x))[1:] == [
        (3, "not (model.sizes[0] == 2): it was 3")
    ]
    other = Model(1)
    assert causes(by_model, (model, x), (other, x))[1:] == [
        (2, "not (model.w is a tensor (2,) float32): it was a tensor (1,) float32")
    ]
    other = Model(2)
    other.w = x
    assert causes(by_model, (model, x), (other, x))[1:] == [
        (2, "not (model.w is a tensor (2,) float32): its memory is shared in another way")
    ]


def test_a_miss_tells_which_outcome_was_new() -> None:
    f = torch.compile(programs.sign)
    f(T([1.0]))
    f(T([-1.0]))
    *_, last = f.explain().misses
    assert last.why == "the outcome False was new"
    assert last.line == (programs.__file__, programs.sign.__code__.co_firstlineno + 1)
    assert f.explain().data["misses"][-1] == last._asdict()
    assert f"call 2 at {line_of(programs.sign, 1)}: the outcome False was new" in str(f.explain())


def test_reports_run_no_code_of_the_user() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked for its repr")

        __str__ = __hash__ = __eq__ = __repr__  # type: ignore[assignment]

    def uses(x, thing):
        return x * 2 if thing is None else x

    f = torch.compile(uses)
    for thing in (Loud(), 1.5, Loud(), "long" * 50):
        f(T([1.0]), thing)
    assert "thing was 'longlong" in str(f.explain())
    assert "thing: a Loud" in str(f.explain())


# -- what Python does, and what is kept ------------------------------------------------------------


def test_host_calls_are_counted_and_timed() -> None:
    def waits(x):
        y = x * 2
        time.sleep(0.002)
        return y + 1

    f = torch.compile(waits)
    for _ in range(5):
        f(T([1.0]))
    report = f.explain()
    (cost,) = report.host_calls
    assert cost["reason"] == "call of sleep"
    assert cost["line"] == (__file__, waits.__code__.co_firstlineno + 2)
    assert cost["count"] == 4
    assert 0.008 <= cost["seconds"] < 2
    assert "call of sleep, 4 times, " in str(report)


def test_the_seconds_of_many_host_calls_are_told_by_some() -> None:
    """The first ones, which take longer, count for what they are."""
    times = iter([0.2])

    def waits(x):
        y = x * 2
        time.sleep(next(times, 0))
        return y + 1

    f = torch.compile(waits)
    for _ in range(400):
        f(T([1.0]))
    (cost,) = f.explain().host_calls
    assert cost["count"] == 399
    assert cost["seconds"] < 0.6


def test_a_host_call_that_raises_is_counted() -> None:
    def fails(x, parts):
        y = x * 2
        parts.remove(y)
        return y

    f = torch.compile(fails)
    for _ in range(4):
        with pytest.raises(ValueError):
            f(T([1.0]), [])
    assert f.explain().host_calls[0]["count"] >= 3


def test_bytes_kept_for_the_backward_pass() -> None:
    def chain(x, w):
        return ((x @ w).exp() @ w).sum()

    f = torch.compile(chain)
    x, w = torch.ones(4, 8), torch.ones(8, 8, requires_grad=True)
    for _ in range(3):
        f(x, w)
    # what exp gives; the arguments are the caller's
    assert f.explain().kept_bytes == 4 * 8 * 4
    with torch.no_grad():
        for _ in range(3):
            f(x, w)
    assert f.explain().kept_bytes == 0


def decays(x, w, n):
    i = torch.zeros(())
    while i < n:
        x = x * w
        i = i + 1
    return x


@needs_native
def test_loops_tell_their_turns_and_whether_they_are_native() -> None:
    f = torch.compile(decays)
    x, w = torch.ones(3), T(0.5)
    for n in (50.0, 60.0):
        f(x, w, T(n))
    (loop,) = [each for each in f.explain().loops if each["turns"]]
    assert loop["line"] == (__file__, decays.__code__.co_firstlineno + 2)
    assert not loop["native"]
    assert loop["why_not"].startswith("it has led back ")
    turns = loop["turns"]
    for n in (400.0, 400.0):
        f(x, w, T(n))
    (loop,) = [each for each in f.explain().loops if each["turns"]]
    assert loop["native"]
    assert loop["why_not"] == ""
    assert loop["turns"] > turns + 400
    text = str(f.explain())
    line = f"test_explain.py:{decays.__code__.co_firstlineno + 2}"
    assert f"loop at {line} (while i < n:), in {loop['trace']}: followed " in text
    assert "many turns in a native call" in text


def test_why_a_loop_is_not_native() -> None:
    def noisy(x, n):
        i = torch.zeros(())
        while i < n:
            x = x + torch.rand(3)
            i = i + 1
        return x

    f = torch.compile(noisy)
    for _ in range(6):
        f(torch.ones(3), T(300.0))
    loops = f.explain().loops
    assert any(each["why_not"] == "it draws random numbers" for each in loops)
    assert not any(each["native"] for each in loops)


def test_bytes_kept_by_loops() -> None:
    f = torch.compile(decays)
    x, w = torch.ones(64), T(0.999, requires_grad=True)
    for _ in range(4):
        f(x, w, T(500.0))
    # each turn keeps the x that it was given, which is multiplied by what wants a gradient
    assert 500 * 64 * 4 * 0.8 < f.explain().kept_bytes < 500 * 64 * 4 * 1.5


def test_a_report_is_made_of_plain_values() -> None:
    f = torch.compile(programs.step)
    w = T([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        f(T([0.5, 0.25]), w, 0.1)
    data = json.loads(json.dumps(f.explain().data))
    assert data["name"] == "step"
    assert data["calls"] == 3
