"""The command line of the benchmarks."""

import argparse
import fnmatch
import io
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import imports, plot, table
from bench.run import Effort, Measurement, measure
from bench.subjects import SUBJECTS, Subject
from bench.workloads import WORKLOADS
from jitgrad.demo.options import OneLineParser, png, positive, writable
from jitgrad.demo.report import Progress

NAMES = (*(workload.name for workload in WORKLOADS), imports.NAME)
SUMMARIES = {**{each.name: each.summary for each in WORKLOADS}, imports.NAME: imports.SUMMARY}
QUICK = Effort(rounds=1, seconds=0.02)

Results = Mapping[str, Mapping[str, Measurement]]


def subject_list(text: str) -> list[Subject]:
    """Read names of subjects between commas, or one pattern for several."""
    chosen = []
    for name in text.split(","):
        matching = [each for each in SUBJECTS if fnmatch.fnmatchcase(each.name, name.strip())]
        if not matching:
            known = ", ".join(each.name for each in SUBJECTS)
            raise argparse.ArgumentTypeError(f"no subject {name.strip()!r}: choose from {known}")
        chosen += [each for each in matching if each not in chosen]
    return chosen


def workload_names(text: str) -> list[str]:
    """Read a pattern for names of workloads, or a part of a name."""
    chosen = [name for name in NAMES if fnmatch.fnmatchcase(name, text) or text in name]
    if not chosen:
        known = ", ".join(NAMES)
        raise argparse.ArgumentTypeError(f"no workload like {text!r}: choose from {known}")
    return chosen


def build_parser() -> OneLineParser:
    """Return the parser of ``python -m bench``."""
    parser = OneLineParser(
        prog="python -m bench",
        description="Run workloads by jitgrad and its peers, in turns, and compare the medians.",
    )
    parser.add_argument(
        "--only",
        type=workload_names,
        default=list(NAMES),
        metavar="PATTERN",
        help="workloads whose name matches, as in 'control-*' or 'gelu'",
    )
    parser.add_argument(
        "--subjects",
        type=subject_list,
        default=list(SUBJECTS),
        metavar="NAMES",
        help=f"some of {','.join(each.name for each in SUBJECTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="one short round: does it run at all?")
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="of each library; 1 gives steady figures on a busy machine (each library's choice)",
    )
    parser.add_argument(
        "--memory", action="store_true", help="measure the memory of each process, too"
    )
    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--plot", type=png, metavar="FILE", help="draw the ratios as a PNG")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m bench``; return 1 if a subject failed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    if options.list:
        for name in options.only:
            print(f"{name:<22}{SUMMARIES[name]}")
        return 0
    try:
        results = run(options)
    except KeyboardInterrupt:
        return 130
    if options.json is not None:
        write_json(options.json, results)
    if options.plot is not None:
        plot.draw(options.plot, results)
    return int(any(each.failed for found in results.values() for each in found.values()))


def run(options: argparse.Namespace) -> dict[str, dict[str, Measurement]]:
    """Measure what was asked for, printing each workload's table as it is done."""
    effort = QUICK if options.quick else Effort()
    effort = replace(effort, threads=options.threads, memory=options.memory)
    results: dict[str, dict[str, Measurement]] = {}
    print(table.emit_machine(machine()))
    warn_if_busy()
    for name in options.only:
        with Progress() as progress:
            if name == imports.NAME:
                found = imports.measure(effort, progress.say)
            else:
                workload = next(each for each in WORKLOADS if each.name == name)
                found = measure(workload, options.subjects, effort, progress.say)
        results[name] = found
        print("\n" + table.emit_workload(name, SUMMARIES[name], found), flush=True)
    return results


def warn_if_busy() -> None:
    """Say so if others use the machine: waiting threads then distort all figures."""
    if not hasattr(os, "getloadavg"):
        return  # Windows keeps no such number
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(
            f"The machine is busy (load {load:.1f} on {cores} cores), and figures "
            "will mislead: measure again when it is quiet, or with --threads 1"
        )


def machine() -> dict[str, Any]:
    """Return what the figures depend on: machine and versions."""
    versions = {}
    for name in ("jitgrad", "numpy", "numba", "torch", "jax"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }


def write_json(path: Path, results: Results) -> None:
    """Write every figure, in seconds."""
    content = {
        "machine": machine(),
        "workloads": {
            name: {subject: each.as_json() for subject, each in found.items()}
            for name, found in results.items()
        },
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
