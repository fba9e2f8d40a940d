"""What a recording notes, and when a call needs no new one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import jitgrad as torch
from jitgrad.errors import CompileError
from jitgrad.graph.ir import Compute, Write
from jitgrad.graph.segment import Branch, Exit, Return
from tests.graph import programs_small as programs

T = torch.tensor


def test_a_straight_line_is_recorded_once() -> None:
    f = torch.compile(programs.double)
    for value in (1.0, 2.0, 3.0):
        f(T([value]))
    (segment,) = f.graph.segments
    assert f.graph.traces == 1
    assert segment.hits == 2
    assert [type(each) for each in segment.steps] == [Compute]
    assert isinstance(segment.end, Return)


def test_steps_name_their_lines() -> None:
    f = torch.compile(programs.double)
    f(T([1.0]))
    file, line = f.graph.segments[0].steps[0].line
    assert file == programs.__file__
    assert line == programs.double.__code__.co_firstlineno + 1


def test_a_write_is_a_step() -> None:
    f = torch.compile(programs.writes)
    f(T([1.0]))
    assert [type(each) for each in f.graph.segments[0].steps] == [Compute, Write, Compute]


def test_loops_over_lists_go_on_after_a_handover() -> None:
    f = torch.compile(programs.collects)
    for value in (1.0, 1.0, -1.0, 2.0, -2.0):
        f(T([value]))
    assert f.graph.traces == 2
    assert not any(isinstance(each.end, Exit) for each in f.graph.segments)


def test_unseen_trip_counts_add_to_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "first_turns", torch.config.unroll)
    f = torch.compile(programs.grow)
    for value in (60.0, 30.0, 1.0, 20.0, 3.0):
        f(T([value]))
        f(T([value]))
    # each number of trips leaves the path at another site
    assert f.graph.traces == 5
    assert sum(isinstance(each.end, Branch) for each in f.graph.segments) == 8


def test_floats_are_tracked_from_the_first_call() -> None:
    f = torch.compile(programs.scaled)
    for rate in (0.1, 0.2, -0.0, float("nan")):
        f(T([1.0]), rate)
    assert f.graph.traces == 1


def test_a_training_step_is_one_trace() -> None:
    f = torch.compile(programs.step)
    w = T([1.0, 2.0], requires_grad=True)
    for rate in (0.1, 0.2, 0.3, 0.4):
        f(T([0.5, 0.25]), w, rate)
    # with and without .grad before
    assert f.graph.traces == 2
    assert not any(isinstance(each.end, Exit) for each in f.graph.segments)


def test_strings_and_truths_are_part_of_the_key() -> None:
    f = torch.compile(programs.tagged)
    for tag in ("a", "b", "a", b"a", "b"):
        f(T([1.0]), tag)
    assert f.graph.traces == 3


def test_fullgraph_refuses_what_runs_in_python() -> None:
    f = torch.compile(programs.prints, fullgraph=True)
    line = programs.prints.__code__.co_firstlineno + 2
    with pytest.raises(CompileError, match=rf"call of print.* at .*programs_small\.py:{line}"):
        f(T([1.0]))
    g = torch.compile(programs.generates, fullgraph=True)
    with pytest.raises(CompileError, match="generat"):
        g(T([1.0]))


def test_fullgraph_lets_a_whole_step_pass() -> None:
    f = torch.compile(programs.step, fullgraph=True)
    w = T([1.0], requires_grad=True)
    for _ in range(3):
        f(T([0.5]), w, 0.1)
    assert f.graph.traces == 2


def test_too_many_misses_in_a_row_end_in_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "max_misses", 4)
    f = torch.compile(programs.tagged)
    for n in range(4):
        f(T([1.0]), "x" * n)
    told = r"tagged runs eagerly for 256 calls: 5 calls in a row"
    with pytest.warns(UserWarning, match=told) as caught:
        f(T([1.0]), "x" * 4)
    # it points to the call
    assert [each.filename for each in caught] == [__file__]
    for n in range(5, 9):
        assert f(T([2.0]), "x" * n).item() == 2 * n
    assert f.graph.traces == 5
    assert "runs eagerly" in str(f.explain())


def test_replays_between_misses_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "max_misses", 2)
    f = torch.compile(programs.tagged)
    for n in range(8):
        f(T([1.0]), "x" * n)
        f(T([1.0]), "x" * n)
    assert f.graph.traces == 8


def test_too_many_segments_end_in_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "max_segments", 3)
    f = torch.compile(programs.grow)
    with pytest.warns(UserWarning, match="segments were recorded; the last one ended at"):
        f(T([1.0]))
    assert f(T([1.0])).item() == 128


def test_eager_mode_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    f = torch.compile(programs.double)
    with torch.eager():
        f(T([1.0]))
    monkeypatch.setattr(torch.config, "eager", True)
    f(T([1.0]))
    assert f.graph.traces == 0


@pytest.mark.parametrize("wrong", [3, "text", len, torch.Tensor])
def test_only_functions_compile(wrong: object) -> None:
    with pytest.raises(TypeError, match="only Python functions, methods and objects"):
        torch.compile(wrong)


def test_compiling_twice_and_decorating() -> None:
    f = torch.compile(programs.double)
    assert torch.compile(f) is f
    assert f.__name__ == "double"
    assert repr(f) == "<compiled double>"
    g = torch.compile(fullgraph=True)(programs.double)
    assert g(T([1.0])).item() == 2


def test_integers_that_change_become_numbers_of_run_time() -> None:
    box = SimpleNamespace(n=0)

    @torch.compile
    def f(x: torch.Tensor, k: int) -> torch.Tensor:
        box.n += 1
        return x * k + (1 - 0.9**box.n)

    for k in range(100):
        assert f(T([1.0]), k).item() == pytest.approx(k + 1 - 0.9 ** (k + 1))
    assert box.n == 100
    explained = f.explain()
    # as constants first, then with the argument tracked, then with the counter, too
    assert (explained.traces, explained.exits) == (3, [])
    assert not f.graph.reason
