"""The backward pass: what it adds up, refuses and survives."""

import pytest

import jitgrad as torch
from tests.leaves import usual_leaf as leaf

# -- errors ---------------------------------------------------------------------------------


def test_second_backward():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="a second time") as caught:
        y.backward()
    assert "retain_graph=True" in str(caught.value)


def test_second_backward_through_a_shared_part():
    x = leaf(1.0, 2.0)
    shared = x.exp()
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        (shared * 2).sum().backward()


def test_second_backward_where_nothing_is_saved():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_implicit_gradient():
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        (leaf(1.0, 2.0) * 2).backward()
    x = leaf(1.0)
    (x * 2).backward()  # one element is enough, whatever the number of dimensions
    assert x.grad.tolist() == [2]


def test_no_history():
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        torch.tensor(1.0).backward()
    x = leaf(1.0)
    with torch.no_grad():
        y = x * 2
    with pytest.raises(RuntimeError, match="does not require grad"):
        y.backward()


def test_gradient_of_another_shape():
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (leaf(1.0, 2.0) * 2).backward(torch.ones(3))


def test_number_of_gradients():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="2 gradients for 1 tensors"):
        torch.autograd.backward([x * 2], [torch.ones(1), torch.ones(1)])


def test_gradient_of_a_leaf_itself():
    x = leaf(1.0, 2.0)
    x.backward(torch.tensor([3.0, 4.0]))
    assert x.grad.tolist() == [3, 4]
    assert torch.autograd.grad(x.sum() + 0, x)[0].tolist() == [1, 1]


# -- accumulation ---------------------------------------------------------------------------


def test_accumulation():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * 4).sum().backward()
    assert x.grad is first
    assert first.tolist() == [7, 7]
    x.grad = None
    (x * 4).sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_grad_is_nobody_elses():
    x = leaf(1.0, 2.0)
    y = leaf(1.0, 2.0)
    cotangent = torch.ones(2)
    (x + y).backward(cotangent)
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]
    assert cotangent.tolist() == [1, 1]


def test_accumulation_with_create_graph():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    assert x.grad.tolist() == [24]
    (second,) = torch.autograd.grad(x.grad, x)
    assert second.tolist() == [24]


def test_leaf_used_many_times():
    x = leaf(2.0)
    (x * x * x + x).backward()
    assert x.grad.tolist() == [13]


def test_diamond():
    x = leaf(1.0, 2.0)
    a = x * 2
    b, c = a.exp(), a * 3
    (b * c + b).sum().backward()
    expected = 2 * (torch.exp(2 * x) * (6 * x + 1) + 3 * torch.exp(2 * x))
    assert torch.allclose(x.grad, expected)


def test_ladder_of_diamonds_is_linear():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.tolist() == [1]


def test_several_roots():
    x = leaf(1.0, 2.0)
    a = x * x
    torch.autograd.backward([a.sum(), (a * 3).sum()])
    assert x.grad.tolist() == [8, 16]


def test_a_root_inside_the_history_of_another():
    x = leaf(1.0, 2.0)
    a = x * x
    b = (a * 3).sum()
    torch.autograd.backward([b, a], [None, torch.ones(2)])
    assert x.grad.tolist() == [8, 16]


def test_backward_in_no_grad():
    x = leaf(3.0)
    y = x * x
    with torch.no_grad():
        y.backward()
    assert x.grad.tolist() == [6]
    assert not x.grad.requires_grad


def test_grad_dtype_follows_the_leaf():
    x = leaf(1.0, 2.0)
    (x.double() * torch.ones(2, dtype=torch.float64)).sum().backward()
    assert x.grad.dtype is torch.float32


# -- inputs= --------------------------------------------------------------------------------


def test_inputs():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [1, 2]


def test_inputs_may_be_inside():
    x = leaf(1.0, 2.0)
    y = x * 2
    (y * y).sum().backward(inputs=y)
    assert x.grad is None
    assert y.grad.tolist() == [4, 8]


def test_inputs_empty():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * 2).backward(inputs=[])
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(x * 2, [])


@pytest.mark.parametrize("given", [None, 3, "x"])
def test_what_is_no_tensor(given):
    x = leaf(1.0)
    got = f"but got {type(given).__name__} for element 1"
    for call in (
        lambda: torch.autograd.grad(x * 2, [x, given]),
        lambda: torch.autograd.backward(x * 2, inputs=[x, given]),
    ):
        with pytest.raises(RuntimeError, match=f"all inputs have to be Tensors, {got}"):
            call()
    for call in (
        lambda: torch.autograd.grad([x * 2, given], [x]),
        lambda: torch.autograd.backward([x * 2, given]),
    ):
        with pytest.raises(TypeError, match="element 1 of tensors has to be a Tensor, but got"):
            call()
    if given is not None:
        for call in (
            lambda: torch.autograd.grad([x * 2, x * 3], [x], [None, given]),
            lambda: torch.autograd.backward([x * 2, x * 3], [None, given]),
        ):
            with pytest.raises(TypeError, match=f"Tensors or None, {got}"):
                call()
    assert x.grad is None


def test_what_leads_to_no_input_is_not_visited():
    class Loud(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, cotangent):
            raise AssertionError("visited")

    x, w = leaf(1.0), leaf(2.0)
    (Loud.apply(x) * w).backward(inputs=w)
    assert w.grad.tolist() == [1]


# -- grad -----------------------------------------------------------------------------------


def test_grad_leaves_grad_alone():
    x = leaf(1.0, 2.0)
    (found,) = torch.autograd.grad((x * x).sum(), x)
    assert found.tolist() == [2, 4]
    assert x.grad is None


def test_grad_of_intermediates():
    x = leaf(1.0, 2.0)
    y = x * x
    z = (y * 3).sum()
    to_y, to_x = torch.autograd.grad(z, [y, x])
    assert to_y.tolist() == [3, 3]
    assert to_x.tolist() == [6, 12]


def test_grad_unused():
    x, w = leaf(1.0), leaf(2.0)
    y = x * 2
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad(y, [x, w], retain_graph=True)
    assert torch.autograd.grad(y, [x, w], retain_graph=True, allow_unused=True)[1] is None
    assert torch.autograd.grad(y, [x, w], materialize_grads=True)[1].tolist() == [0]


def test_grad_of_what_does_not_require_it():
    x, c = leaf(1.0), torch.tensor([1.0])
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(x * c, c)


def test_grad_outputs():
    x = leaf(1.0, 2.0)
    (found,) = torch.autograd.grad(x * x, x, torch.tensor([1.0, 10.0]))
    assert found.tolist() == [2, 40]
    (found,) = torch.autograd.grad([x * x, x.sum()], x, [torch.tensor([1.0, 10.0]), None])
    assert found.tolist() == [3, 41]


def test_higher_orders():
    x = torch.tensor(1.5, requires_grad=True, dtype=torch.float64)
    y = x**5
    for power, factor in ((4, 5), (3, 20), (2, 60), (1, 120), (0, 120)):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(factor * 1.5**power)


def test_cotangents_are_differentiated_too():
    x = leaf(1.0, 2.0)
    v = leaf(3.0, 4.0)
    (first,) = torch.autograd.grad(x * x, x, v, create_graph=True)
    assert torch.autograd.grad(first.sum(), v)[0].tolist() == [2, 4]


# -- nodes ----------------------------------------------------------------------------------


def test_names_of_nodes():
    x = leaf(1.0)
    y = x * 2 + 1
    assert repr(y.grad_fn) == "<AddBackward>"
    (product, index), *_ = y.grad_fn.next_functions
    assert (product.name(), index) == ("MulBackward", 0)
    (accumulate, _), *_ = product.next_functions
    assert accumulate.variable is x


# -- layout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_lie_in_rows_as_their_leaves_do(compiled):
    """So that they can be seen in one row: `torch.cat([p.grad.view(-1) for p in parameters])`."""

    def loss(x, weight, bias):
        y = torch.nn.functional.linear(x, weight, bias)
        return (y * y).sum() + weight.t().sum() + bias.expand(4, 2).sum()

    def step(x, weight, bias):
        loss(x, weight, bias).backward()

    f, g = (torch.compile(each) if compiled else each for each in (loss, step))
    for _ in range(3):
        for inside in (False, True):
            x = torch.arange(12.0).reshape(4, 3)
            weight, bias = torch.ones(2, 3, requires_grad=True), leaf(1.0, 2.0)
            g(x, weight, bias) if inside else f(x, weight, bias).backward()
            assert (weight.grad.stride(), bias.grad.stride()) == ((3, 1), (1,))
            row = torch.cat([each.grad.view(-1) for each in (weight, bias)])
            assert row.tolist() == [901, 1041, 1181, 937, 1085, 1233, 144, 152]
