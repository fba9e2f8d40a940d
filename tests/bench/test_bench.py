"""`python -m bench`: it runs, compares results, and says what it leaves out."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jitgrad
from bench import (
    command,
    imports,
    memory,
    networks,
    profile,
    run,
    subjects,
    table,
    timing,
    workloads,
)
from tests.native import needs_native

ROOT = Path(__file__).parent.parent.parent


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks as a user does, as briefly as they can."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "bench", "--quick", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize(
    "name", ["two-layer", "control-flow-scalar", "eager-mul-backward", "mlp-step"]
)
def test_quick_run_of_jitgrad(name: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = bench("--only", name, "--subjects", "jitgrad*,floor", "--json", str(figures))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(figures.read_text())["workloads"][name]
    assert found["jitgrad"]["warm"] > 0
    assert ("jitgrad.compile" in found) == (not name.startswith("eager"))
    assert all(each["failed"] is None for each in found.values())


def test_results_are_those_of_torch() -> None:
    pytest.importorskip("torch")
    done = bench("--only", "control-flow-vector", "--subjects", "jitgrad*,torch")
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("workload", networks.WORKLOADS, ids=lambda each: each.name)
def test_networks_learn_as_those_of_torch(workload: workloads.Workload) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (workload.build(subjects.Tools(each)) for each in (jitgrad, torch))
    for _ in range(3):
        for got, expected in zip(ours(), theirs(), strict=True):
            np.testing.assert_allclose(
                got.detach().numpy(), expected.detach().numpy(), workload.rtol, workload.atol
            )


def test_plot_writes_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.png"
    done = bench("--only", "two-layer", "--subjects", "floor", "--plot", str(picture))
    assert (done.returncode, done.stderr) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_importing_jitgrad_imports_no_numba() -> None:
    found = run.Measurement()
    imports.one_import("jitgrad", found)
    assert found.failed is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nothing"], "no workload like 'nothing': choose from two-layer"),
        (["--subjects", "torch,tensorflow"], "no subject 'tensorflow': choose from floor"),
        (["--json", "/no/such/folder/file"], "make '/no/such/folder' first"),
        (["--plot", "picture.gif"], "does not end in .png"),
    ],
)
def test_a_bad_option_gives_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert said in error


def test_workloads_and_subjects_are_found_by_pattern() -> None:
    assert command.workload_names("control-*") == ["control-flow-scalar", "control-flow-vector"]
    assert command.workload_names("gelu") == ["gelu"]
    chosen = command.subject_list("jitgrad*,torch,jitgrad")
    assert [each.name for each in chosen] == ["jitgrad", "jitgrad.compile", "torch"]


def test_a_subject_that_computes_something_else_is_not_timed(tmp_path: Path) -> None:
    workload = workloads.WORKLOADS[0]
    for name, value in (("torch", 1.0), ("jitgrad", 1.0 + 1e-7), ("jax.jit", 1.1)):
        np.savez(tmp_path / f"{name}.npz", np.array([value]))
    found = {name: run.Measurement() for name in ("torch", "jitgrad", "jax.jit")}
    run.compare(workload, tmp_path, list(found), found)
    assert found["torch"].failed is found["jitgrad"].failed is None
    assert found["jax.jit"].failed == "computes something else than torch; not timed"


def test_what_is_missing_is_said_and_left_out() -> None:
    absent = subjects.Subject("absent", "no_such_module", subjects.Tools)
    found = run.measure(workloads.WORKLOADS[0], [absent], command.QUICK, lambda text: None)
    assert found["absent"].skipped == ("no_such_module is not installed: pip install -e '.[bench]'")
    assert "no_such_module is not installed" in table.emit_workload("two-layer", "", found)


def test_a_subject_that_fails_says_why() -> None:
    with run.Process("jitgrad", "no-such-workload") as process, pytest.raises(run.Failure):
        process.ask(do="prepare", results="nowhere.npz")


def test_reasons_and_variants() -> None:
    by_name = {each.name: each for each in workloads.WORKLOADS}
    assert "no reverse mode" in str(by_name["control-flow-scalar"].builder("jax.jit"))
    assert by_name["control-flow-scalar"].builder("floor") is None
    assert by_name["eager-add"].builder("jitgrad.compile") is None
    assert callable(by_name["gelu"].builder("jax.jit"))


def test_ratios_refer_to_the_basis() -> None:
    found = {
        "torch": run.Measurement(rounds=[2.0]),
        "jitgrad": run.Measurement(rounds=[1.0, 3.0, 1.0]),
    }
    assert table.ratio("gelu", "jitgrad", found) == 0.5
    assert table.ratio("gelu", "jitgrad", {"jitgrad": found["jitgrad"]}) is None


def test_blocks_are_long_enough_for_the_clock() -> None:
    calls = timing.calls_per_block(lambda: None)
    assert timing.time_block(lambda: None, calls) > timing.BLOCK / 5
    assert timing.time_round(lambda: None, calls, 0.01) < 1e-5


GROWS = """
from bench import memory

held = []
print(memory.growth(lambda: held.append(b"x" * (1 << 16)), 1e-2))
print(memory.growth(lambda: b"x" * (1 << 16), 1e-2))
print(memory.peak() - (len(held) << 16))
"""


def test_memory_that_grows_with_each_call_is_seen() -> None:
    if memory.resident() is None:
        pytest.skip("this system does not tell")
    done = subprocess.run(
        [sys.executable, "-c", GROWS], capture_output=True, encoding="utf-8", cwd=ROOT, check=True
    )
    grows, stays, more = map(float, done.stdout.split())
    assert 0.99 * (1 << 16) < grows < 1.1 * (1 << 16)
    assert stays == 0
    assert more > 0


def test_memory_is_told_of_each_subject(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ["--memory", "--only", "eager-add-backward", "--subjects", "jitgrad"]
    done = bench(*arguments, "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["workloads"]["eager-add-backward"]["jitgrad"]["memory"]
    if memory.resident() is not None:
        assert 0 < found["built"] <= found["now"] <= found["peak"]
        assert found["grown"] >= 0
        assert "by a call" in done.stdout


@needs_native
def test_a_profile_of_one_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile, "LAYERS", 12)
    trivial, tracked, frozen, trained = profile.replays().values()
    for each, shape, history in (
        (trivial, (8,), False),
        (tracked, (8,), True),
        (frozen, (4, 8), False),
        (trained, (4, 8), True),
    ):
        each.graph.calls = 0
        # all but the program, with its results; and what stops before it
        made = each.timed["around"]()
        assert tuple(made.shape) == shape and (made.grad_fn is not None) is history
        assert each.timed["checks"]() is None
        parts = each.parts(1, 1e-3)
        assert parts["native"] > 0
        assert sum(parts[name] for name in profile.PARTS) == pytest.approx(parts["call"])
    assert frozen.has_guards and trained.has_guards and not trivial.has_guards
    monkeypatch.setattr(profile, "replays", lambda: {"one": trivial})
    profile.main(["--rounds", "1", "--seconds", "0.001"])
    _, line, row = capsys.readouterr().out.splitlines()
    assert line.count("|") == row.count("|") == len(profile.PARTS) + 3
    assert row.startswith("| one | ")
