"""Compiled functions without native code: because none is asked for, or because there is none."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, watching
from jitgrad.graph.ir import Compute, Memory, Step, Value
from jitgrad.kernels import availability, cpu, linking, watches
from jitgrad.kernels.availability import Unavailable
from jitgrad.kernels.program import lower
from jitgrad.locks import LOWERING
from tests.kernels import records as r
from tests.native import needs_native
from tests.processes import run_program

pytestmark = needs_native

PROGRAM = """
import sys
import warnings

import numpy as np

{before}
import jitgrad as torch
from jitgrad.graph import cycles, watching

cycles.WARM, watching.STEADY = 2, 1
told = []
warnings.showwarning = lambda message, kind, file, line, *rest: told.append((str(message), file))
model = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(4)), torch.nn.Conv1d(3, 2, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)


def step(x):
    optimizer.zero_grad()
    y = model(x)
    loss = y.square().sum() + torch.randn(()) * 0
    n = 0
    while loss > 0.5:
        loss = loss * 0.9
        n += 1
    loss.backward()
    optimizer.step()
    return loss.item(), n, model[0].weight.sum().item()


def run(function):
    torch.manual_seed(0)
    for each in model:
        each.reset_parameters()
    optimizer.state.clear()
    return [function(torch.arange(9.0).reshape(1, 3, 3)[0]) for _ in range(12)]


with torch.eager():
    expected = run(step)
compiled = torch.compile(step)
for (one, n, weight), (other, m, found) in zip(expected, run(compiled)):
    assert n == m
    assert np.allclose([one, weight], [other, found], rtol=1e-4), (one, other, weight, found)
report = compiled.explain()
assert sum(each["hits"] for entry in report.entries for each in entry["segments"]) > 30
print(report.kernels, report.why_not_native)
print([name for name in ("llvmlite", "numba") if sys.modules.get(name) is not None])
print(*[text + file[file.rfind("/") :] for text, file in told], sep="\\n")
"""


def printed(path: Path, before: str = "", **environment: str) -> tuple[str, str, list[str]]:
    """Run a training step in a process; return what it says, what it imported, and the warnings."""
    out = run_program(path, PROGRAM.replace("{before}", before), environment)
    said, imported, *told = out.strip().split("\n")
    return said, imported, told


# -- asked for -------------------------------------------------------------------------------------


def test_nothing_that_makes_native_code_is_imported(tmp_path: Path) -> None:
    said, imported, told = printed(tmp_path, JITGRAD_PROGRAM="python")
    assert (said, imported, told) == ("0 jitgrad.config.program is 'python'", "[]", [])
    said, imported, told = printed(tmp_path)
    assert not said.startswith("0 ") and "llvmlite" in imported and told == []


def test_what_the_switch_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("numpy", "Python", "", None, True):
        with pytest.raises(ValueError, match=r"program=.*: it must be 'native' or 'python'"):
            monkeypatch.setattr(config, "program", given)
    assert config.program == "native"
    with pytest.raises(AssertionError, match="JITGRAD_PROGRAM='pyton': it must be 'native' or"):
        run_program(tmp_path, "import jitgrad", {"JITGRAD_PROGRAM": "pyton"})


def grow(x: Any, turns: int) -> Any:
    n = 0
    while x.sum() < 100 and n < turns:
        x = x * 1.5 + x.sin().exp()
        n += 1
    return x


def check(function: Callable, turns: int = 40) -> None:
    x, y = (torch.tensor([0.5, 0.25], requires_grad=True) for _ in range(2))
    found, wanted = function(x, turns), grow(y, turns)
    found.sum().backward()
    wanted.sum().backward()
    assert torch.allclose(found, wanted)
    assert x.grad is not None and y.grad is not None and torch.allclose(x.grad, y.grad)


def test_what_is_lowered_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 2)
    monkeypatch.setattr(cycles, "WARM", 2)
    native, interpreted = torch.compile(grow), torch.compile(grow)
    for _ in range(6):
        check(native)
    before = native.explain()
    assert before.kernels and any(each["native"] for each in before.loops)
    monkeypatch.setattr(config, "program", "python")
    for _ in range(6):
        check(native)
        check(interpreted)
    assert native.explain().kernels == before.kernels
    report = interpreted.explain()
    assert report.kernels == 0 and not any(each["native"] for each in report.loops)
    (loop,) = (each for each in report.loops if each["why_not"])
    assert loop["why_not"] == report.why_not_native == "jitgrad.config.program is 'python'"
    assert "  without native code: jitgrad.config.program is 'python'" in str(report)
    assert "without native code" not in str(before)
    monkeypatch.setattr(config, "program", "native")
    check(interpreted)
    assert interpreted.explain().kernels == 0


def test_what_would_be_watched_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "STEADY", 1)
    monkeypatch.setattr(config, "program", "python")
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(6)))
    f = torch.compile(lambda x: model(x).sum())
    x = torch.ones(3, 2)
    for _ in range(12):
        assert torch.allclose(f(x), model(x).sum())
    (segment,) = f.graph.segments
    assert len(segment.facts) > watching.LEAST and segment.guards is not None
    assert getattr(segment.guards, "_watched", None) is None
    with torch.no_grad():
        model[3].weight = torch.nn.Parameter(torch.full((2, 2), 2.0))
    assert torch.allclose(f(x), model(x).sum())
    assert watches.watch([]) is None


def test_interpreted_results_lie_as_they_were_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "program", "python")
    x = torch.arange(6.0).reshape(2, 3).t()

    def f(x: Any) -> Any:
        y = x * 2
        z = y[1:]
        z += 1
        return y, z, x, x[0], torch.cat([x, y])

    g = torch.compile(f)
    for _ in range(3):
        given, same = torch.empty(2, 3).t().copy_(x), x
        found, wanted = g(given), f(same)
        for one, other in zip(found, wanted):
            assert one.stride() == other.stride() and torch.equal(one, other)
        assert found[2] is given and found[1]._array.base is not None
        assert np.shares_memory(found[0]._array, found[1]._array)
        assert not np.shares_memory(found[0]._array, given._array)


def test_interpreted_excerpts_are_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "program", "python")
    monkeypatch.setattr(config, "verify", True)

    def f(x: Any, w: Any, place: Any) -> Any:
        # both are kept for the backward pass, and lie in memory of their own there
        return (x[place] * w[place]).exp()

    g = torch.compile(f)
    for at in (2, 0, 1, 2, -1):
        grads = []
        for function in (f, g):
            x = torch.arange(3.0, dtype=torch.float64)
            w = torch.arange(6.0, dtype=torch.float64).reshape(3, 2).requires_grad_()
            function(x, w, torch.tensor(at)).sum().backward()
            grads.append(w.grad)
        assert torch.equal(*grads)


def test_an_interpreter_holds_nothing_longer_than_needed() -> None:
    alive: list[int] = []
    live: set[int] = set()

    class Counted(np.ndarray):
        """An array that tells when it ends."""

        def __del__(self) -> None:
            live.discard(id(self))

    def made(given: Any) -> Any:
        array = (np.asarray(given) + 1).view(Counted)
        live.add(id(array))
        alive.append(len(live))
        return array

    primitive = r.elementwise("counted", made, "{0} + 1")
    first = Value((4,), (1,), np.dtype(np.float64), Memory())
    steps: list[Step] = []
    last = first
    for _ in range(10):
        after = Value((4,), (1,), np.dtype(np.float64), Memory())
        steps.append(Compute(primitive, (last,), {}, after))
        last = after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "program", "python")
        program = lower(steps, [first], [last])
    (result,) = program.run(np.zeros(4))
    assert (result == 10).all() and max(alive) <= 2
    assert program.why_not and program.kernels == ()


# -- because there is none -------------------------------------------------------------------------

WITHOUT = "sys.modules[{name!r}] = None"
UNLINKABLE = """
from jitgrad.kernels import linking
def link(code): raise linking.LinkError("a test says so")
linking.link = link
"""
OLD = "import llvmlite; llvmlite.__version__ = '0.44.1'"
OTHER_PYTHON = "sys.implementation.name = 'python of another kind'"


@pytest.mark.parametrize(
    "before, why",
    [
        (WITHOUT.format(name="llvmlite"), "llvmlite cannot be imported (ModuleNotFoundError: "),
        (WITHOUT.format(name="numba"), "Numba cannot be imported (ModuleNotFoundError: "),
        (OLD, "llvmlite cannot be imported (ImportError: 0.44.1 is older than 0.45)"),
        (UNLINKABLE, "machine code cannot be linked (a test says so)"),
        (OTHER_PYTHON, "this Python is python of another kind, and native code knows how"),
    ],
    ids=["llvmlite", "numba", "old", "link", "python"],
)
def test_without_what_native_code_needs(tmp_path: Path, before: str, why: str) -> None:
    said, _, told = printed(tmp_path, before, JITGRAD_CACHE_DIR="")
    assert said.startswith(f"0 {why}")
    (warning,) = told
    assert warning.startswith(f"jitgrad: {why}")
    assert "performed by NumPy" in warning and "JITGRAD_PROGRAM=python" in warning
    # it is the user's line that is named
    assert warning.endswith("/program.py")


@pytest.fixture
def _process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of this process yet, and nothing is when the test is done."""
    monkeypatch.setattr(availability, "_process", availability._Process())


@pytest.mark.usefixtures("_process")
def test_a_kernel_that_cannot_be_compiled_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cpu._made

    def made(make: Callable) -> Any:
        if made.fails:  # type: ignore[attr-defined]
            raise Unavailable("a kernel cannot be compiled (a test says so)", "Wait.")
        return real(make)

    monkeypatch.setattr(cpu, "_made", made)
    monkeypatch.setattr(config, "cache_dir", None)
    monkeypatch.setattr(cpu, "_kernels", {})
    made.fails = True  # type: ignore[attr-defined]
    f = torch.compile(lambda x: (x * 1.25 + 3).sin())
    x = torch.ones(3)
    f(x)
    with pytest.warns(UserWarning, match=r"a kernel cannot be compiled .* Wait\."):
        f(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.allclose(f(x), (x * 1.25 + 3).sin())
        assert "a test says so" in f.explain().why_not_native
        # others are not concerned
        made.fails = False  # type: ignore[attr-defined]
        g = torch.compile(lambda x: (x * 1.125 + 3).sin())
        for _ in range(3):
            assert torch.allclose(g(x), (x * 1.125 + 3).sin())
    assert g.explain().kernels == 1 and g.explain().why_not_native == ""


@pytest.mark.usefixtures("_process")
def test_a_warning_is_given_where_no_lock_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "unsuited", lambda: "a test says so")
    held: list[bool] = []
    monkeypatch.setattr(
        warnings,
        "warn",
        lambda text, stacklevel: held.append(LOWERING._is_owned()),  # type: ignore[attr-defined]
    )
    f = torch.compile(grow)
    for _ in range(4):
        check(f, 3)
    assert held == [False]
    assert f.explain().why_not_native == "a test says so"


def test_this_python_is_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert availability.unsuited() == ""
    monkeypatch.setattr(availability, "DATA", availability.TYPE)
    assert "do not lie" in availability.unsuited()
    monkeypatch.setattr(availability.sysconfig, "get_config_var", lambda name: 1)
    assert "no interpreter lock" in availability.unsuited()
    monkeypatch.setattr(availability.ctypes, "sizeof", lambda kind: 4)
    assert "32 bits" in availability.unsuited()
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert "is pypy" in availability.unsuited()


def test_llvm_that_fails_is_an_error_of_linking(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine() -> Any:
        raise RuntimeError("no target")

    monkeypatch.setattr(linking, "_engine", engine)
    with pytest.raises(linking.LinkError, match="no target"):
        linking.link(linking.Code("symbol", (), b""))
