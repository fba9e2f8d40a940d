"""Thousands of graphs that grow, run and are freed at once, in little memory; see `stress`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.processes import run_program

FEW = 150
"""Graphs in a usual run of the tests; `--stress N` makes and frees N."""

PER_GRAPH = 0.5
"""Seconds, on a busy machine."""

FREES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_PERTURB_": "34",
}
"""An environment in which large blocks that are freed are given back, and others overwritten."""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell what is limited here"
)
def test_graphs_come_and_go_in_many_threads(
    pytestconfig: pytest.Config, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    count = pytestconfig.getoption("--stress")
    graphs, seed = count or FEW, 0 if count is None else count
    arguments = ["--graphs", str(graphs), "--seed", str(seed)]
    source = f"from tests.graph.stress import main\n\nmain({arguments})\n"
    told = run_program(tmp_path, source, FREES, seconds=120 + PER_GRAPH * graphs)
    found = re.fullmatch(r"(\d+) graphs, (\d+) calls, (\d+) backward passes, (\d+) MB .*\n", told)
    assert found is not None, told
    made, calls, passes, _ = map(int, found.groups())
    assert made >= graphs
    assert calls > 3 * graphs
    assert passes > graphs
    if count is not None:
        with capsys.disabled():
            print(told, end="")
