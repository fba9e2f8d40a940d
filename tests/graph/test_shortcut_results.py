"""Results of calls by one function: made anew, or what came in, of every kind."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.shortcutting import described, known, takes
from tests.leaves import leaf


def test_results_are_made_anew_or_are_what_came_in() -> None:
    def several(x: Any, y: Any) -> Any:
        z = x * y
        return [z, {"x": x, "n": 3, "z": z}], (z, y), None

    x, y = leaf(1.0, 2.0), torch.tensor([3.0, 4.0])
    compiled = known(several, x, y)
    (one, inner), (again, same), nothing = compiled(x, y)
    assert takes(compiled, x, y)
    assert again is one is inner["z"]
    assert inner["x"] is x and same is y and nothing is None
    (other, other_inner), *_ = compiled(x, y)
    assert other is not one and other_inner is not inner
    one.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
    other.sum().backward()
    assert x.grad.tolist() == [6.0, 8.0]


def test_results_of_every_kind() -> None:
    def viewed(x: Any, n: float) -> Any:
        y = x * n
        rows = y.view(2, 2)
        return rows[0], rows.t(), y, range(3), (lambda: n), slice(0, 2)

    x = leaf(1.0, 2.0, 3.0, 4.0)
    compiled = known(viewed, x, 2.0)
    for n in (2.0, 3.0, 2.0):
        wanted, got = viewed(x, n), compiled(x, n)
        assert described(list(got[:3])) == described(list(wanted[:3]))
        assert got[4]() == n and got[3] == range(3) and got[5] == slice(0, 2)
        with torch.no_grad():
            got[2][0] = 70.0
        assert got[0][0].item() == got[1][0, 0].item() == 70.0
    row, *_, whole = compiled(x, 2.0)[:3]
    (row.sum() + (whole * whole).sum()).backward()
    assert x.grad.tolist() == [10.0, 18.0, 24.0, 32.0]


def test_one_result_that_depends_on_another() -> None:
    def chained(x: Any) -> Any:
        y = x.exp()
        return y, y * y, (y.sum() > 0).item()

    compiled = known(chained, leaf(0.5, 0.25))
    for use in range(3):
        found = []
        for function in (chained, compiled):
            x = leaf(0.5, 0.25)
            y, z, _ = function(x)
            made = (y, z, y + z)[use]
            found.append(
                [made.detach(), *torch.autograd.grad(made.sum(), (x, y), allow_unused=True)]
            )
        assert str(found[0]) == str(found[1])
