"""Results as text."""

from collections.abc import Mapping
from typing import Any

from bench import imports, memory
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
    return "\n".join([*lines, *memory_lines(found)])


def memory_lines(found: Mapping[str, Measurement]) -> list[str]:
    """Return what memory the subjects took, a line for each that was measured."""
    lines = [f"  {'':<18}{'built':>10}{'peak':>10}{'now':>10}{'by a call':>12}"]
    for subject, each in found.items():
        if each.memory is not None:
            shown = [memory.megabytes(each.memory[name]) for name in ("built", "peak", "now")]
            grown = each.memory["grown"]
            call = "–" if grown is None else f"{grown:.0f} B"
            lines.append(f"  {subject:<18}{''.join(f'{one:>10}' for one in shown)}{call:>12}")
    return lines if len(lines) > 1 else []
