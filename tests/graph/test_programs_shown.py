"""`explain(program=True)`: what runs, for which lines of the source, and in what memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, hot, tape
from tests.native import needs_native

T = torch.tensor


def first_line(function: Any) -> int:
    return function.__code__.co_firstlineno


def told(compiled: Any, what: str) -> list[dict[str, Any]]:
    """Return what is told of some programs, which is as plain as JSON."""
    data = compiled.explain(program=True).data
    json.dumps(data)
    return [each for each in data["programs"] if each["what"] == what]


def lines_of(program: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the primitives of a program, with their lines."""
    steps = [step for each in program["instructions"] for step in each["steps"]]
    return [
        (each["text"].split(" = ")[1].split("(")[0], each["line"] and each["line"][1])
        for each in steps
    ]


def layer(x, w, n):
    y = (x @ w).tanh()
    if y.sum() > 0:
        n = n + 1
        return torch.linalg.inv(y * n)
    print("negative")
    return y


@needs_native
def test_instructions_and_their_lines() -> None:
    f = torch.compile(layer)
    w = torch.eye(3, requires_grad=True)
    for n in (1, 2, 3, 4):
        f(torch.eye(3) + 1, w, n).sum().backward()
    f(-torch.eye(3), w, 1)
    f(-torch.eye(3), w, 1)
    first = first_line(layer)
    head, positive, negative = told(f, "forward pass")
    assert lines_of(head) == [
        ("mm", first + 1), ("tanh", first + 1), ("sum", first + 2), ("gt", first + 2)
    ]  # fmt: skip
    assert [each["does"] for each in head["instructions"]] == ["product", "kernel"]
    assert {name for each in head["instructions"] for name in each["kernels"]} <= {
        each.name for each in f.explain().kernel_list
    }
    assert (head["ends"], head["line"][1]) == ("decides", first + 2)
    assert (head["native"], head["why_not"]) == (True, "")
    assert head["takes"] == ["x0: x, (3, 3) float32", "x1: w, (3, 3) float32"]
    assert positive["takes"] == ["x0: n, a number (int)", "x1: (3, 3) float32"]
    # what decides and what is kept: a truth, and two matrices of float32
    assert head["result_bytes"] == 1 + 36 and head["temporary_bytes"] >= 36
    does = {each["does"]: each for each in positive["instructions"]}
    assert does.keys() == {"Python", "kernel", "NumPy"}
    assert does["NumPy"]["steps"][0]["text"].endswith("linalg_inv(v3): (3, 3) float32")
    assert first + 3 in [line for _, line in lines_of(positive)]
    assert positive["ends"] == "returns" and positive["kept_bytes"] >= 36
    assert (negative["ends"], negative["reason"]) == ("hands over to Python", "call of print")
    for each in told(f, "backward pass"):
        assert lines_of(each) and all(first < line <= first + 4 for _, line in lines_of(each))
    text = str(f.explain(program=True))
    assert f"test_programs_shown.py:{first + 1}" in text and "hands over to Python: call" in text
    assert "programs:" not in str(f.explain()) and "programs" not in f.explain().data


def test_what_is_not_lowered_is_not_told() -> None:
    f = torch.compile(layer)
    assert "nothing has been lowered yet" in str(f.explain(program=True))
    assert f.explain(program=True).programs == []


def settle(x, n):
    while x.norm() > 0.01:
        x = x.sin() * 0.9
        if n > 4:
            x = x * 0.5
        n = n + 1
    return x, n


@needs_native
def test_native_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 2)
    monkeypatch.setattr(cycles, "WARM", 2)
    f = torch.compile(settle)
    for _ in range(6):
        x = torch.ones(2, requires_grad=True)
        f(x, 0)[0].sum().backward()
    first = first_line(settle)
    (loop,) = told(f, "native loop")
    assert {each["way"] for each in loop["instructions"]} == {1, 2}
    assert loop["line"][1] == first + 1
    own = [each for each in loop["instructions"] if each["way"] == 1]
    does = [each["does"] for each in own]
    # what is tested is a number, made where it is tested
    assert does[:2] == ["numbers", "test"] and {"kernel", "tape", "carry"} < set(does)
    assert "way 2 is tried" in "".join(each["text"] for each in own)
    # what the derivative of the sine needs, for each turn
    (tape,) = (each["text"] for each in own if each["does"] == "tape")
    assert tape.endswith("(8 bytes)") and loop["kept_bytes"] >= 8
    names = [name for name, _ in lines_of({"instructions": own}) if name != "item"]
    assert names[:2] == ["sin", "mul"] and ("sin", first + 2) in lines_of({"instructions": own})
    carried = own[-1]["text"]
    assert carried.count("becomes") == 3
    (back,) = told(f, "way back through the native loop")
    computed = [each for each in lines_of(back) if each[0] != "add"]
    assert ("cos", first + 2) in computed and ("mul", first + 4) in computed
    assert "a turn on the tape" in str(f.explain(program=True))
    # that the turns which are recorded one by one are alike is said once
    assert "that are alike" in str(f.explain(program=True)) or config.unroll < 4


@needs_native
def test_whole_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hot, tape):
        monkeypatch.setattr(module, "WARM", 4)
    monkeypatch.setattr("jitgrad.graph.replay.WARM", 4)

    def f(x):
        y = x * 2
        if y.sum() > 0:
            y = y * x
        if y.sum() > 1:
            y = y.sin()
        return y

    g = torch.compile(f)
    for _ in range(20):
        x = torch.ones(2, requires_grad=True)
        g(x).sum().backward()
    (whole,) = told(g, "whole path in one program")
    (back,) = told(g, "backward pass of the whole path")
    assert [name for name, _ in lines_of(whole)][:2] == ["mul", "sum"]
    assert whole["ends"] == "returns"
    assert [each["does"] for each in whole["instructions"]] == ["kernel", "Python"]
    assert lines_of(back)[0] == ("cos", first_line(f) + 5)


@pytest.mark.parametrize("program", config.PROGRAMS)
def test_memory(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "program", program)

    def f(x, w):
        for _ in range(4):
            x = torch.linalg.inv(x @ w)
        return x, x[0]

    g = torch.compile(f)
    for _ in range(3):
        g(torch.eye(16), torch.eye(16))
    (told_of,) = told(g, "forward pass")
    size = 16 * 16 * 4
    assert told_of["result_bytes"] == size and told_of["native"] == (program == "native")
    # four products and three inverses; an interpreter frees what is not needed any longer
    if program == "python":
        assert told_of["temporary_bytes"] == 2 * size
        assert {each["does"] for each in told_of["instructions"]} == {"NumPy"}
    else:
        assert size <= told_of["temporary_bytes"] <= 5 * size
    assert f"results {size:,}" in str(g.explain(program=True))


def test_programs_that_check_themselves() -> None:
    f = torch.verify(layer)
    for _ in range(3):
        f(torch.eye(3) + 1, torch.eye(3, requires_grad=True), 1).sum().backward()
    assert len(told(f, "forward pass")) == 2 and told(f, "backward pass")


def test_objects_are_explained_in_the_same_way() -> None:
    model = torch.compile(torch.nn.Linear(2, 2))
    for _ in range(3):
        model(torch.ones(1, 2))
    assert model.explain(program=True).programs
