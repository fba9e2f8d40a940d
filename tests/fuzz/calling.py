"""Draws how random programs are called, and what happens between the calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st

CHANGES = [
    "helper", "class", "shift", "train", "parameter", "frozen", "items", "table", "rate", "grad",
    "same objects", "dtype", "default", "flag", "item", "keys",
]  # fmt: skip
"""What may be changed between two calls; see `running.change`."""

CHANGE = st.sampled_from(CHANGES)


@st.composite
def calls(draw: Callable) -> list[dict[str, Any]]:
    """Draw how the program is called: what changes from call to call, and what does not."""
    usual = draw(kinds_of_call())
    # a second kind of call, which differs in one respect, so that both are replayed
    other = dict(usual)
    name = draw(st.sampled_from([*sorted(usual), "alias", "alias", "grad_enabled", "k", "n"]))
    other[name] = draw(kinds_of_call())[name]
    if not draw(st.integers(0, 5)):
        # tensors that are as before, but share memory now
        usual["alias"], usual["history"] = "none", draw(st.sampled_from(["none", "x"]))
        usual["layout"], usual["shape"] = "plain", (3,)
        alias = draw(st.sampled_from(["detached", "data", "view", "overlap", "base", "part"]))
        other = {**usual, "alias": alias}
    changes = draw(st.lists(CHANGE, max_size=2))
    # so that the facts of a call have become familiar before something is different
    steady = draw(st.sampled_from([0, 2, 3, 4]))
    made: list[dict[str, Any]] = []
    for at in range(draw(st.sampled_from([6, 4, 3, 9, 12, 16]))):
        kind = usual if at < steady else draw(st.sampled_from([usual, usual, other]))
        call = {**kind, **draw(values_of_call()), "change": ""}
        call["n"] += draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
        if made and draw(st.booleans()):
            # so that the same path is taken again
            call["values"], call["number"] = made[-1]["values"], made[-1]["number"]
        if changes and at >= steady and draw(st.booleans()):
            call["change"] = draw(st.sampled_from(changes))
        made.append(call)
    # so often that whole calls with their loops are done by one function, by these ways or those
    again = draw(st.sampled_from([0, 0, 0, 16]))
    return [dict(made[at % 2]) for at in range(again)] + made


def kinds_of_call() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "shape": st.sampled_from([(3,), (3,), (3,), (2, 3), (1,), (3, 3)]),
            "dtype": st.sampled_from(["float64"] * 6 + ["float32", "int64"]),
            "layout": st.sampled_from(["plain", "plain", "strided", "transposed", "shared"]),
            "alias": st.sampled_from(
                ["none", "none", "same", "view", "part", "detached", "number", "base", "overlap",
                 "weight", "last", "item", "data", "data"]
            ),
            "history": st.sampled_from(["both", "both", "none", "x", "y", "computed", "view"]),
            "grad_enabled": st.sampled_from([True, True, True, False]),
            "k": st.sampled_from([1.0, 1.0, 1.0, 1, True]),
            "by_name": st.booleans(),
            "n": st.sampled_from([1, 1, 1, 2, 2, 0, 3, 3, 5, 9, 40, 100]),
        }
    )  # fmt: skip


def values_of_call() -> st.SearchStrategy:
    small = st.integers(-3, 3)
    return st.fixed_dictionaries(
        {
            "values": st.lists(small, min_size=18, max_size=18),
            "number": st.sampled_from([1, 1, 1, 0, 2, -1, -3]),
            "again": st.sampled_from(["", "", "", "x", "last", "result", "kept"]),
            "write": st.sampled_from(["", "", "", "x", "y", "result", "last", "weight"]),
            "how": st.sampled_from(["in place", "in place", "data", "numpy"]),
            "backward": st.sampled_from(
                [
                    "",
                    "once",
                    "once",
                    "later",
                    "twice",
                    "second order",
                    "between",
                    "together",
                    "one by one",
                    "in part",
                ]
            ),
        }
    )


def settings() -> st.SearchStrategy:
    """Draw the settings of the compiler: small ones, with which what is rare happens soon."""
    return st.fixed_dictionaries(
        {
            "unroll": st.sampled_from([32, 2, 4, 1, 1]),
            "first_turns": st.sampled_from([1, 1, 2, 32]),
            "short_runs": st.sampled_from([8, 2, 3]),
            "max_range": st.sampled_from([128, 3, 8, 0]),
            "max_arrivals": st.sampled_from([64, 64, 4]),
            "max_outcomes": st.sampled_from([32, 32, 2, 1]),
            "familiar": st.sampled_from([1, 1, 1, 10**9]),
            "warm": st.sampled_from([2, 2, 64]),
            "slice": st.sampled_from([1 << 16, 1 << 16, 7]),
            "program": st.sampled_from(["native", "python", "native", "native"]),
        }
    )
