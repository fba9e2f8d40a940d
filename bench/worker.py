"""A process that measures one subject on one workload, told what to do over a pipe.

Thread pools of different libraries disturb one another, and a first call is only once the first:
so each pair of subject and workload has a process of its own. It reads a line of JSON and answers
with one: ``{"do": "prepare", "results": FILE}``, then any number of ``{"do": "round"}``, and
``{"do": "memory"}`` at the end.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from bench import memory, subjects
from bench.timing import START, calls_per_block, time_block, time_once, time_round
from bench.workloads import WORKLOADS, Run


def as_arrays(results: Sequence[Any]) -> list[np.ndarray]:
    """Return copies of tensors of any library as NumPy arrays."""
    bare = (each.detach().clone() if hasattr(each, "detach") else each for each in results)
    return [np.array(each) for each in bare]


def build(subject: str, workload: str) -> Run:
    """Import the library and build the workload on it."""
    make = next(each for each in WORKLOADS if each.name == workload).builder(subject)
    if make is None or isinstance(make, str):
        raise ValueError(f"{workload} on {subject}: {make}")
    return make(subjects.find(subject).load())


def serve(subject: str, workload: str, answers: TextIO) -> None:
    """Answer the requests on standard input until it closes."""
    run, calls, built = None, 0, None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "prepare":
            run = build(subject, workload)
            built = memory.resident()
            first, results = time_once(run)
            np.savez(asked["results"], *as_arrays(results))
            start = first + time_block(run, START - 1)
            calls = calls_per_block(run)
            answer = {"first": first, "start": start}
        elif run is not None and asked["do"] == "memory":
            grown = memory.growth(run, time_block(run, 1))
            answer = {"built": built, "now": memory.resident(), "grown": grown}
            answer["peak"] = memory.peak()
        elif run is not None:
            answer = {"warm": time_round(run, calls, asked["seconds"])}
        else:
            raise ValueError("asked for a figure before anything was prepared")
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    # What libraries print must not get between the answers.
    with os.fdopen(os.dup(1), "w") as pipe:
        os.dup2(2, 1)
        serve(sys.argv[1], sys.argv[2], pipe)
