"""The examples: they learn, the same compiled as eagerly, and run as scripts."""

import doctest
import importlib
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.native import IS_NATIVE

FOLDER = Path(__file__).parents[2] / "examples"
TEXT = (FOLDER / "data" / "sonnets.txt").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """An example on a small setting, and what it reaches there.

    Attributes:
        sizes: the small setting.
        reached: the figure of a run that is judged; better is below `bar`, or above it if `up`.
        agree: the numbers of a run in which eager and compiled must agree, within `tolerance`.
        compiled: the function of the example that is compiled.
    """

    name: str
    sizes: dict[str, Any]
    reached: str
    bar: float
    up: bool = False
    agree: str = "losses"
    work: str = "train"
    compiled: str = "step"
    tolerance: float = 1e-3


CASES = (
    Case("digits_mlp", {"epochs": 12}, "accuracies", 0.93, up=True),
    Case("digits_convnet", {"epochs": 6}, "accuracy", 0.92, up=True),
    Case(
        "char_gpt",
        {"text": TEXT, "steps": 100, "context": 32, "width": 32, "sample": 50},
        "held_out",
        2.65,
    ),
    Case("lstm_sequence", {"steps": 250, "length": 8}, "error", 0.12),
    Case("vae", {"epochs": 30}, "held_out", 24.7),
    Case("neural_ode", {"steps": 300, "batch": 32}, "error", 0.05),
    Case(
        "hmc_logistic",
        {"count": 200},
        "distance",
        0.35,
        agree="samples",
        work="sample",
        compiled="transition",
    ),
    Case(
        "rosenbrock_lbfgs",
        {},
        "distance",
        1e-8,
        work="minimize",
        compiled="evaluate",
    ),
)

COMPARED = 15
"""So many numbers are compared: rounding errors grow while a model learns."""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the examples be found, as when they are run as scripts."""
    monkeypatch.syspath_prepend(str(FOLDER))


def work(module: ModuleType, case: Case, eager: bool) -> Any:
    """Do what an example does, on its small setting."""
    jitgrad.manual_seed(0)
    with jitgrad.eager() if eager else nullcontext():
        return getattr(module, case.work)(**case.sizes)


def figure(run: Any, name: str) -> float:
    """Return a figure of a run: the last one of several."""
    found = getattr(run, name)
    return found[-1] if isinstance(found, list) else found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_learns_and_compiled_is_what_eager_is(case: Case) -> None:
    module = importlib.import_module(case.name)
    eager = work(module, case, eager=True)
    compiled = work(module, case, eager=False)
    for run in eager, compiled:
        reached = figure(run, case.reached)
        assert reached > case.bar if case.up else reached < case.bar
    expected, got = (np.array(getattr(run, case.agree))[:COMPARED] for run in (eager, compiled))
    np.testing.assert_allclose(got, expected, rtol=case.tolerance, atol=1e-6)
    report = getattr(module, case.compiled).explain()
    assert report.native_calls > 0 or report.exits or not IS_NATIVE
    assert not report.eager


def test_every_example_has_a_case_and_a_row() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"common"}
    assert scripts == {case.name for case in CASES}
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.py)" in page for name in scripts)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digits_mlp", ["--epochs=1", "--hidden=16"]),
        ("digits_convnet", ["--epochs=1", "--channels=8"]),
        ("char_gpt", ["--steps=2", "--context=8", "--width=8", "--sample=5"]),
        ("lstm_sequence", ["--steps=2", "--length=5"]),
        ("vae", ["--epochs=1"]),
        ("neural_ode", ["--steps=2"]),
        ("hmc_logistic", ["--count=20"]),
        ("rosenbrock_lbfgs", ["--dimensions=4"]),
    ],
)
def test_main_says_what_came_out_and_draws_it(
    name: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    module = importlib.import_module(name)
    picture = tmp_path / "picture.png"
    status = module.main([*arguments, "--eager", "--explain", "--plot", str(picture)])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "(eager)" in printed.out and f"drawn: {picture}" in printed.out
    assert printed.out.endswith("reached\n" if status == 0 else "missed\n")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_it_runs_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "rosenbrock_lbfgs.py"), "--explain"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "recording and compiling" in done.stdout
    assert "evaluate: " in done.stdout
    assert done.stdout.endswith("goal: a distance below 1e-08: reached\n")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("digits_mlp", ["--epochs", "0"], "give 1 or more"),
        ("vae", ["--lr", "fast"], "'fast' is not a number"),
        ("char_gpt", ["--heads", "5"], "5 heads do not divide 64"),
        ("char_gpt", ["--text", "no/such/file"], "cannot be read"),
        ("char_gpt", ["--context", "100000"], "too short"),
        ("rosenbrock_lbfgs", ["--dimensions", "1"], "a valley has 2 or more"),
        ("neural_ode", ["--eager", "--compile"], "not allowed with"),
    ],
)
def test_a_bad_option_gives_one_line_and_status_2(
    name: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main(arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in error and error.count("\n") == 1


def test_the_seed_decides(capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("hmc_logistic")
    said = []
    for seed in 1, 1, 2:
        module.main(["--eager", "--count=10", f"--seed={seed}"])
        said.append(capsys.readouterr().out.partition("\n")[2])
    first, again, other = said
    assert first == again != other


def test_examples_in_docstrings() -> None:
    found = doctest.testmod(importlib.import_module("common"))
    assert found.attempted > 0 and found.failed == 0
