"""Writing under autograd, through views, by positions and masks, against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, torch


def through_a_view_of_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[1:][:, 0].copy_(v[:2])
    return y * y


def through_a_transposed_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.t()[0].mul_(v)
    return y * y


def base_written_while_views_exist(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    row, column = y[0], y[:, 1]
    y.mul_(v)
    return y, row * row, column * 2


def a_view_written_while_others_exist(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    row, column, same = y[0], y[:, 1], y.view(9)
    row.mul_(v)
    return y * y, row, column * column, same * 3


def a_diagonal(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.diagonal().mul_(v)
    y.diagonal(1).zero_()
    return y * y


def windows(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.unfold(0, 2, 2)[0, 1].fill_(v[0])
    return y * y


def narrowed(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.narrow(0, 1, 2).add_(v)
    y.select(1, 2).mul_(3)
    y.unsqueeze(0).permute(2, 1, 0)[1].mul_(v.view(3, 1))
    return y * y


def twice(t: Any, x: Any, v: Any) -> Any:
    y = x.clone()
    part = y[0]
    part[0] = v[0]
    part[1] = y[0, 0] * 2
    y[1] = part
    return y * y


def masked_through_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[1:][t.tensor([True, False])] = v
    y[:2].masked_fill_(t.tensor([False, True, False]), v[1])
    return y * y


def indexed_through_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[:, 1:][t.tensor([2, 0]), t.tensor([0, 1])] = v[:2]
    y.t().index_add_(0, t.tensor([0, 0]), v.expand(2, 3))
    y[0].scatter_(0, t.tensor([2]), v[:1])
    return y * y


def into_a_plain_tensor(t: Any, x: Any, v: Any) -> Any:
    y = t.zeros(3, 3, dtype=t.float64)
    view = y[1]
    view.copy_(v)
    y[0, :2] = x[0, 1:]
    return y * y, view


def zeroed_and_refilled(t: Any, x: Any, v: Any) -> Any:
    y = x * 2
    y.zero_()
    y += v
    return y * y


def of_another_dtype(t: Any, x: Any, v: Any) -> Any:
    y = t.zeros(3, 3, dtype=t.float32)
    y[0] = v
    y[1:, 0] = v[1]
    return y * y


@pytest.mark.parametrize(
    "program",
    [
        through_a_view_of_a_view,
        through_a_transposed_view,
        base_written_while_views_exist,
        a_view_written_while_others_exist,
        a_diagonal,
        windows,
        narrowed,
        twice,
        masked_through_a_view,
        indexed_through_a_view,
        into_a_plain_tensor,
        zeroed_and_refilled,
        of_another_dtype,
    ],
)
def test_writes_with_history(program: Any) -> None:
    compare(program, array(3, 3), array(3, seed=1))


def after(program: Any, t: Any) -> Any:
    """Return the gradient of what `program` makes of a leaf, or the class of its error."""
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    try:
        program(t, x).backward()
    except RuntimeError:
        return RuntimeError
    return x.grad.tolist()


def square(y: Any) -> Any:
    return (y * y).sum()


def saved_index_may_not_change(t: Any, x: Any) -> Any:
    index = t.tensor([0, 1])
    made = square(x[index])
    index.zero_()
    return made


def indexed_input_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y[t.tensor([0, 1])])
    y.zero_()
    return made


def gathered_input_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y.gather(0, t.tensor([0, 1])))
    y.zero_()
    return made


def saved_mask_may_not_change(t: Any, x: Any) -> Any:
    mask = t.tensor([True, False, True])
    made = square(x.masked_fill(mask, 0))
    mask.zero_()
    return made


def joined_inputs_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(t.cat([y, y]))
    y.zero_()
    return made


def copied_source_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    z = t.zeros(3)
    z.copy_(y)
    made = square(z)
    y.zero_()
    return made


def saved_through_detached(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y)
    y.detach().zero_()
    return made


def saved_through_data(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y)
    y.data.zero_()
    return made


def a_leaf_assigned(t: Any, x: Any) -> Any:
    x[0] = 1
    return square(x)


def a_leaf_assigned_by_mask(t: Any, x: Any) -> Any:
    x[x > 1] = 1
    return square(x)


def a_leaf_assigned_unrecorded(t: Any, x: Any) -> Any:
    with t.no_grad():
        x[0] = 7
        x[x > 6] += 1
        x[t.tensor([1])] = 5
    return square(x)


@pytest.mark.parametrize(
    "program",
    [
        saved_index_may_not_change,
        indexed_input_may_change,
        gathered_input_may_change,
        saved_mask_may_not_change,
        joined_inputs_may_change,
        copied_source_may_change,
        saved_through_detached,
        saved_through_data,
        a_leaf_assigned,
        a_leaf_assigned_by_mask,
        a_leaf_assigned_unrecorded,
    ],
)
def test_versions(program: Any) -> None:
    assert after(program, jitgrad) == after(program, torch)


@pytest.mark.parametrize("seed", range(60))
def test_random_assignments(seed: int) -> None:
    """Chains of views and writes, drawn at random, leave the same values and gradients."""

    def program(t: Any, x: Any, v: Any) -> Any:
        random = np.random.default_rng(seed)
        held = [x * 1]
        for _ in range(8):
            target = held[random.integers(len(held))]
            choice = random.integers(8)
            if target.dim() == 0 or choice == 0:
                target.mul_(2)
            elif choice == 1:
                held.append(target[random.integers(target.shape[0])])
            elif choice == 2:
                held.append(target[int(random.integers(target.shape[0])) :])
            elif choice == 3:
                held.append(target.transpose(0, -1))
            elif choice == 4:
                target[0] = v[random.integers(3)]
            elif choice == 5:
                target[..., -1] += v[0]
            elif choice == 6:
                target[t.tensor([0])] = target[t.tensor([-1])] * 2
            else:
                held.append(target.unsqueeze(0))
        return [each * each for each in held]

    compare(program, array(3, 4), array(3, seed=1))
