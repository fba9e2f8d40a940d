"""In-place operations: versions, views and the histories that they get.

Each program states what PyTorch does; where torch is installed it is asked again.
"""

import importlib.util

import pytest

import jitgrad

PROGRAMS = []


def gives(expected):
    """Declare what a program returns; for an exception its class and words of its message."""

    def declare(program):
        PROGRAMS.append(pytest.param(program, expected, id=program.__name__))
        return program

    return declare


def check(program, expected, torch):
    if isinstance(expected, tuple) and isinstance(expected[0], type):
        kind, words = expected
        with pytest.raises(kind, match=words):
            program(torch)
    else:
        assert program(torch) == expected


@pytest.mark.parametrize(("program", "expected"), PROGRAMS)
def test_inplace(program, expected):
    check(program, expected, jitgrad)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(("program", "expected"), PROGRAMS)
def test_torch_agrees(program, expected):
    import torch

    check(program, expected, torch)


def leaf(torch, *values):
    return torch.tensor(values, requires_grad=True)


# -- versions -------------------------------------------------------------------------------


@gives([0, 1, 2, 2, 3])
def versions_count_writes(torch):
    x = torch.zeros(3)
    seen = [x._version]
    x.add_(1)
    seen.append(x._version)
    x[0] = 5
    seen.append(x._version)
    x + 1
    seen.append(x._version)
    x.zero_()
    seen.append(x._version)
    return seen


@gives([2, 2, 2, 0])
def views_and_detached_share_the_version(torch):
    x = torch.zeros(4)
    view, detached, data = x[1:], x.detach(), x.data
    view.add_(1)
    detached.mul_(2)
    return [x._version, view._version, detached._version, data._version]


@gives((RuntimeError, "modified by an inplace operation"))
def saved_input_written(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    z.backward()


@gives((RuntimeError, "modified by an inplace operation"))
def saved_output_written(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x.exp()
    z = y.sum()
    y.mul_(0)
    z.backward()
    y.sum().backward()


@gives((RuntimeError, "modified by an inplace operation"))
def saved_written_through_a_view(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y[:1].zero_()
    z.backward()


@gives((RuntimeError, "modified by an inplace operation"))
def saved_written_through_detach(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x.exp()
    y.detach().zero_()
    y.sum().backward()


@gives([1.0, 1.0])
def what_is_not_saved_may_be_written(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x + 1
    z = y + 3
    y.zero_()
    z.sum().backward()
    return x.grad.tolist()


@gives([6.0, 8.0])
def the_other_operand_alone_is_saved(torch):
    x = leaf(torch, 1.0, 2.0)
    c = torch.tensor([6.0, 8.0])
    y = x * 1
    z = y * c
    y.zero_()
    z.sum().backward()
    return x.grad.tolist()


@gives((RuntimeError, "modified by an inplace operation"))
def a_leaf_written_under_no_grad(torch):
    x = leaf(torch, 1.0, 2.0)
    y = (x * x).sum()
    with torch.no_grad():
        x.add_(1)
    y.backward()


@gives([0.0, 0.0])
def data_writes_unseen(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.data.zero_()
    z.backward()
    return x.grad.tolist()


# -- leaves ---------------------------------------------------------------------------------


@gives((RuntimeError, "a leaf Variable that requires grad"))
def a_leaf_is_not_written(torch):
    leaf(torch, 1.0, 2.0).add_(1)


@gives((RuntimeError, "a view of a leaf Variable that requires grad"))
def a_view_of_a_leaf_is_not_written(torch):
    leaf(torch, 1.0, 2.0)[:1].add_(1)


@gives((RuntimeError, "a leaf Variable that requires grad"))
def a_leaf_is_not_assigned_to(torch):
    leaf(torch, 1.0, 2.0)[0] = 1


@gives([[5.0, 2.0], True, True, 1])
def a_leaf_is_written_under_no_grad(torch):
    x = leaf(torch, 1.0, 2.0)
    with torch.no_grad():
        x[0] = 5
    return [x.tolist(), x.is_leaf, x.requires_grad, x._version]


@gives([[0.0, 0.0], True, False])
def a_plain_tensor_gets_a_history(torch):
    x = leaf(torch, 3.0)
    y = torch.zeros(2)
    y.mul_(x)
    before = y.tolist()
    y.sum().backward()
    return [before, y.requires_grad, y.is_leaf]


# -- histories ------------------------------------------------------------------------------


@gives([[4.0, 4.0], True])
def the_same_object_continues(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y
    y *= 2
    y.sum().backward()
    return [x.grad.tolist(), z is y]


@gives([2.0, 0.0, 2.0])
def zeroed_part_gets_nothing(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 2
    y[1] = 0
    y.sum().backward()
    return x.grad.tolist()


@gives([[2.0, 0.0], [5.0]])
def an_assigned_part_takes_the_gradient(torch):
    x, v = leaf(torch, 1.0, 2.0), leaf(torch, 7.0)
    y = x * 2
    y[1:] = v * 5
    y.sum().backward()
    return [x.grad.tolist(), v.grad.tolist()]


@gives([2.0, 20.0, 20.0, 2.0])
def a_view_rebases_its_base(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    y = x * 2
    y[1:3].mul_(10)
    y.sum().backward()
    return x.grad.tolist()


@gives([[20.0, 20.0], [2.0, 2.0]])
def the_base_renews_its_views(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    view = y.view(2, 1)
    y.mul_(10)
    view.sum().backward()
    first = x.grad.tolist()
    x.grad = None
    (x * 2).view(2, 1).sum().backward()
    return [first, x.grad.tolist()]


@gives([2.0, 6.0, 30.0, 10.0])
def siblings_see_each_other(torch):
    x = leaf(torch, 1.0, 1.0, 1.0, 1.0)
    y = x * 2
    left, right = y[:3], y[1:]
    left[1:].mul_(3)
    right[1:].mul_(5)
    (left.sum() + right[2]).backward()
    return x.grad.tolist()


@gives([[6.0, 0.0, 6.0], True])
def a_view_of_a_view(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 2
    inner = y[:].view(3, 1)[1]
    inner.zero_()
    (y * 3).sum().backward()
    return [x.grad.tolist(), inner.requires_grad]


@gives([[1.0, 1.0, 2.0], [8.0]])
def a_plain_base_gets_a_history_from_its_view(torch):
    v = leaf(torch, 4.0)
    base = torch.tensor([1.0, 1.0, 1.0])
    view = base[2:]
    view += v * v - 15
    base.sum().backward()
    return [base.tolist(), v.grad.tolist()]


@gives([[2.0, 2.0], [1.0, 1.0]])
def transposed_view(torch):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    y.t()[0].mul_(2)
    y.sum().backward()
    return x.grad.t().tolist()


@gives((RuntimeError, "modified by an inplace operation"))
def a_square_in_place_overwrites_its_factor(torch):
    y = leaf(torch, 1.0, 2.0) * 1
    y.mul_(y)
    y.sum().backward()


@gives([12.0, 24.0])
def a_square_with_a_copy(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    y.mul_(y.clone()).mul_(3)
    (y * 2).sum().backward()
    return x.grad.tolist()


@gives([2.0, 1.0])
def masked_assignment(torch):
    x = leaf(torch, 2.0, -2.0)
    y = x * 1
    y[x > 0] *= 2
    y.sum().backward()
    return x.grad.tolist()


@gives([[1.0, 0.0, 1.0], [2.0]])
def index_assignment_keeps_the_last_value(torch):
    x, v = leaf(torch, 1.0, 2.0, 3.0), leaf(torch, 5.0)
    y = x * 1
    y[torch.tensor([1])] = v * 2
    y.sum().backward()
    return [x.grad.tolist(), v.grad.tolist()]


@gives([3.0, 3.0])
def copy_cuts_the_past(torch):
    x, v = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    y = x * 100
    y.copy_(v * 3)
    y.sum().backward()
    assert x.grad is None or x.grad.tolist() == [0, 0]
    return v.grad.tolist()


@gives([False, True, False])
def detach_cuts_it_too(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.detach_()
    return [y.requires_grad, y.is_leaf, y.grad_fn is not None]


@gives([0.5, 0.25])
def second_derivative_through_a_write(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x.log()
    y.mul_(2)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    return (second / -4 * torch.tensor([1.0, 2.0])).tolist()


# -- results --------------------------------------------------------------------------------


@gives((RuntimeError, "can't be cast"))
def integers_take_no_floats(torch):
    torch.tensor([1, 2]).mul_(0.5)


@gives((RuntimeError, "doesn't match the broadcast shape"))
def the_shape_does_not_grow(torch):
    torch.zeros(3).add_(torch.zeros(2, 3))


@gives((RuntimeError, "more than one element of the written-to tensor"))
def expanded_memory_is_not_written(torch):
    torch.zeros(1).expand(3).add_(1)


@gives([[1.0, 1.0], "torch.float32"])
def the_dtype_stays(torch):
    x = torch.zeros(2)
    x.add_(torch.ones(2, dtype=torch.float64))
    return [x.tolist(), str(x.dtype)]


@gives([0.0, 0.0, 1.0, 2.0])
def overlapping_memory_is_read_first(torch):
    x = torch.arange(4.0)
    x[1:] = x[:-1].clone()
    return x.tolist()


@gives([[1, 2, 3], [9, 2, 3]])
def augmented_names_share(torch):
    x = torch.tensor([1, 2, 3])
    before = x.tolist()
    y = x
    y[0] = 9
    return [before, x.tolist()]


def test_view_made_without_grad_refuses_history():
    base = jitgrad.ones(2, 2) * 1
    weight = jitgrad.tensor(3.0, requires_grad=True)
    with jitgrad.no_grad():
        view = base[0]
        view.mul_(2)
    assert base.tolist() == [[2.0, 2.0], [1.0, 1.0]]
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        view.mul_(weight)
    view.mul_(2)
    assert base.tolist() == [[4.0, 4.0], [1.0, 1.0]]
