"""What stands in for `heapq` and for comparisons asks the same, in the same order."""

from __future__ import annotations

import heapq
import operator
import random
from typing import Any

import pytest

from jitgrad.python import ordered


class Asked:
    """A number that tells which comparisons it is asked for."""

    def __init__(self, value: int, log: list) -> None:
        self.value = value
        self.log = log

    def __lt__(self, other: Asked) -> bool:
        self.log.append(("<", self.value, other.value))
        return self.value < other.value

    def __gt__(self, other: Asked) -> bool:
        self.log.append((">", self.value, other.value))
        return self.value > other.value

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Asked)
        self.log.append(("==", self.value, other.value))
        return self.value == other.value

    __hash__ = None  # type: ignore[assignment]


def _on_heaps(module: Any, seed: int) -> list:
    """Do many things to a heap; return all comparisons and results."""
    chance, log = random.Random(seed), []
    heap = [Asked(chance.randrange(20), log) for _ in range(chance.randrange(30))]
    module.heapify(heap)
    for _ in range(60):
        act = chance.choice(["heappush", "heappop", "heapreplace", "heappushpop"])
        item = Asked(chance.randrange(20), log)
        if act == "heappop" and heap:
            log.append(module.heappop(heap).value)
        elif act == "heapreplace" and heap:
            log.append(module.heapreplace(heap, item).value)
        elif act == "heappushpop":
            log.append(module.heappushpop(heap, item).value)
        else:
            module.heappush(heap, item)
        log.append([each.value for each in heap])
    return log


@pytest.mark.parametrize("seed", range(30))
def test_heaps(seed: int) -> None:
    assert _on_heaps(ordered, seed) == _on_heaps(heapq, seed)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", [tuple, list])
def test_sequences(kind: type, seed: int) -> None:
    chance = random.Random(seed)
    left, right = ([chance.randrange(2) for _ in range(chance.randrange(4))] for _ in range(2))

    def made(values: list[int], log: list) -> Any:
        return kind(Asked(value, log) for value in values)

    for compare in (operator.lt, operator.gt):
        log: list = []
        answer = compare(made(left, log), made(right, log))
        mine: list = []
        pairs = list(zip(made(left, mine), made(right, mine)))
        assert ordered.compared(compare, pairs, (len(left), len(right))) is answer
        assert mine == log
    if len(left) == len(right):
        log, mine = [], []
        answer = made(left, log) == made(right, log)
        pairs = list(zip(made(left, mine), made(right, mine)))
        assert ordered.equal(True, pairs) is answer
        assert ordered.equal(False, pairs) is not answer
        assert mine[: len(log)] == log
