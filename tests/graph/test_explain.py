"""Reports: what ran where, and why."""

from __future__ import annotations

import warnings

import pytest

import jitgrad as torch
from tests.graph import programs_small as programs

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
    assert text.startswith("sign: 2 recordings, 3 segments")
    assert f"decides at {line_of(programs.sign, 1)}" in text
    assert "True: " in text
    assert f"returns at {line_of(programs.sign, 2)}" in text
    assert "False: " in text
    assert f"returns at {line_of(programs.sign, 3)}" in text


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
    assert "a tensor (2,) float32" in str(report)
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
