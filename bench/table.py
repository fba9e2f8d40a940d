"""Results as text."""

from collections.abc import Mapping
from typing import Any

from bench import imports
from bench.run import Measurement
from bench.subjects import BASIS
from bench.timing import START
from jitgrad.demo.report import duration


def basis_of(name: str) -> str:
    """Return the subject that a workload's ratios refer to."""
    return imports.BASIS if name == imports.NAME else BASIS


def ratio(name: str, subject: str, found: Mapping[str, Measurement]) -> float | None:
    """Return a subject's time over that of the basis, None where one has none."""
    basis = found.get(basis_of(name))
    warm = found[subject].warm
    if basis is None or basis.warm is None or warm is None:
        return None
    return warm / basis.warm


def emit_machine(machine: Mapping[str, Any]) -> str:
    """Return the machine and the versions in a line."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def emit_workload(name: str, summary: str, found: Mapping[str, Measurement]) -> str:
    """Return the table of one workload: a line for each subject."""
    lines = [
        f"{name}: {summary}",
        f"  {'':<18}{'time':>10}{'/ ' + basis_of(name):>10}{'first call':>12}"
        f"{f'first {START}':>10}",
    ]
    for subject, each in found.items():
        remark = each.failed or each.skipped
        if remark:
            lines.append(f"  {subject:<18}{'FAILED' if each.failed else '–':>10}   {remark}")
            continue
        time = duration(each.warm) if each.warm else "–"
        part = ratio(name, subject, found)
        shown = "–" if part is None else f"{part:.3g}"
        first = "–" if each.first is None else duration(each.first)
        start = "–" if each.start is None else duration(each.start)
        lines.append(f"  {subject:<18}{time:>10}{shown:>10}{first:>12}{start:>10}")
    return "\n".join(lines)
