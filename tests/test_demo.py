"""`python -m jitgrad`: what it prints, and what it says about bad options."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jitgrad.demo import command, control_flow, digits, report
from tests.native import needs_native

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the main job as a user does, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "jitgrad", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        cwd=ROOT,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def row(output: str, name: str) -> list[str]:
    """Return the cells of the first row of that name."""
    (line, *_) = (line for line in output.splitlines() if line.startswith(name))
    return re.split(r" {2,}", line.removeprefix(name).strip())


@pytest.mark.slow
@needs_native
def test_the_main_job_learns_the_same_eagerly_and_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # where others have compiled the kernels before, no time is taken
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path))
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    for name in "loss (training)", "accuracy (held out)", "f(3), f'(3)", "f(-0.7), f'(-0.7)":
        eager, compiled = row(done.stdout, name)
        assert eager == compiled
    assert row(done.stdout, "f(3), f'(3)") == ["1536, 512"] * 2
    assert float(row(done.stdout, "accuracy (held out)")[0].rstrip("%")) > 88
    for name in "time compiling", "traces", "kernels", "native calls a step", "native calls a call":
        nothing, value, *_ = row(done.stdout, name)
        assert nothing == "–"
        assert float(value.split()[0]) > 0


def test_demo_is_the_default_command() -> None:
    assert command.with_command([]) == ["demo"]
    assert command.with_command(["--steps", "3"]) == ["demo", "--steps", "3"]
    assert command.with_command(["demo", "--steps", "3"]) == ["demo", "--steps", "3"]
    assert command.with_command(["--help"]) == ["--help"]
    assert command.with_command(["tarin"]) == ["tarin"]


def test_eager_only_compiles_nothing() -> None:
    program = (
        "import sys; from jitgrad.demo.command import main; "
        "status = main(['--steps', '3', '--eager-only']); "
        "sys.exit(status or ('numba' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(row(done.stdout, "loss (training)")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "'train'"),
        (["--steps", "0"], "give 1 or more"),
        (["--steps", "many"], "'many' is not a whole number"),
        (["--seed", "-1"], "out of range"),
        (["--lr", "nan"], "give a number above 0"),
        (["--lr", "0"], "give a number above 0"),
        (["--lr", "fast"], "'fast' is not a number"),
        (["--plot", "picture.pdf"], "does not end in .png"),
        (["--plot", "/no/such/folder/picture.png"], "make '/no/such/folder' first"),
        (["--no-such-option"], "--no-such-option"),
        (["--plot"], "expected one argument"),
    ],
)
def test_a_bad_option_gives_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    output, error = capsys.readouterr()
    assert ended.value.code == 2
    assert output == ""
    assert error.count("\n") == 1 and error.endswith("--help)\n")
    assert said in error


def test_a_bad_option_ends_the_process_with_status_2() -> None:
    done = run("--steps", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_a_folder_is_no_place_for_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit):
        command.main(["--plot", str(tmp_path / "folder.png")])
    assert "is a folder: name a file" in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        command.main(["--plot", str(tmp_path / "picture.png")])
    assert ended.value.code == 2
    assert "pip install 'jitgrad[plot]'" in capsys.readouterr().err


def test_plot_writes_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.png"
    done = run("demo", "--steps", "5", "--plot", str(picture))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Drawn: {picture}" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_one_line_shows_progress() -> None:
    import pty  # there is none on Windows

    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "jitgrad", "--steps", "3", "--eager-only"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=ROOT,
        check=False,
    )
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert "digits, eager: the first step" in said
    assert "\n" not in said and said.endswith("\r\x1b[K")


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (digits.weights(seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_training_learns() -> None:
    with report.Progress() as progress:
        run = digits.train("eager", 200, 0.1, 0, progress)
    assert run.losses[-1] < run.losses[0] / 3
    assert run.accuracy > 0.8


def outcome(*losses: float) -> digits.Run:
    """Return a training with these losses."""
    return digits.Run(losses[-1], 0.5, list(losses), [1.0] * len(losses), None)


def test_losses_that_differ_are_reported() -> None:
    nan = float("nan")
    assert digits.agreement({"eager": outcome(1.0)}) is None
    same = digits.agreement({"eager": outcome(1.0, nan), "compiled": outcome(1.0 + 1e-7, nan)})
    assert same is None
    differ = digits.agreement({"eager": outcome(1.0, 2.0), "compiled": outcome(1.0, 2.1)})
    assert differ is not None and "step 2" in differ


def test_slopes_that_differ_are_reported() -> None:
    values = [1.0] * len(control_flow.INPUTS)
    eager = control_flow.Run(values, values, [1.0], 1.0, None)
    other = control_flow.Run(values, [*values[:-1], 2.0], [1.0], 1.0, None)
    assert control_flow.agreement({"eager": eager, "compiled": eager}) is None
    differ = control_flow.agreement({"eager": eager, "compiled": other})
    assert differ is not None and "f(0.02)" in differ


def test_a_disagreement_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.verdict(None, None) == 0
    assert report.verdict(None, "a against b") == 1
    assert "eager and compiled disagree: a against b" in capsys.readouterr().err
