"""Shapes, strides and shared memory of views, joining and moving, against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error, flat, torch

# what is done to a tensor before it is looked at, so that strides are of every kind
LAYOUTS = {
    "plain": lambda x: x,
    "transposed": lambda x: x.transpose(0, -1),
    "every second": lambda x: x[..., ::2],
    "from the second": lambda x: x[1:],
    "expanded": lambda x: x[:1].expand(3, *x.shape[1:]),
}

VIEWS = {
    "view": lambda t, x: x.view(-1),
    "view_same": lambda t, x: x.view(x.shape),
    "view_split": lambda t, x: x.view(*x.shape[:-1], 1, -1),
    "view_ones": lambda t, x: x.view(1, *x.shape, 1),
    "reshape": lambda t, x: x.reshape(-1),
    "reshape_two": lambda t, x: t.reshape(x, (-1, x.shape[-1])),
    "reshape_split": lambda t, x: x.reshape(x.shape[0], -1, 1),
    "expand": lambda t, x: x.unsqueeze(1).expand(-1, 2, *[-1] * (x.dim() - 1)),
    "expand_front": lambda t, x: x.expand(2, 1, *x.shape),
    "expand_as": lambda t, x: x[:1].expand_as(x),
    "broadcast_to": lambda t, x: t.broadcast_to(x, (2, *x.shape)),
    "permute": lambda t, x: x.permute(*range(1, x.dim()), 0),
    "permute_negative": lambda t, x: t.permute(x, tuple(range(-x.dim(), 0))),
    "transpose": lambda t, x: t.transpose(x, 0, -1),
    "swapaxes": lambda t, x: t.swapaxes(x, 0, 1),
    "swapdims": lambda t, x: x.swapdims(-1, -2),
    "movedim": lambda t, x: t.movedim(x, 0, -1),
    "movedims": lambda t, x: t.movedim(x, (0, 1), (-1, 0)),
    "mT": lambda t, x: x.mT,
    "mH": lambda t, x: x.mH,
    "adjoint": lambda t, x: x.adjoint(),
    "unsqueeze": lambda t, x: t.unsqueeze(x, 0),
    "unsqueeze_last": lambda t, x: x.unsqueeze(-1),
    "unsqueeze_inside": lambda t, x: x.unsqueeze(-2),
    "squeeze": lambda t, x: t.squeeze(x.unsqueeze(1).unsqueeze(0)),
    "squeeze_one": lambda t, x: x.unsqueeze(1).squeeze(1),
    "squeeze_none": lambda t, x: x.squeeze(-1),
    "squeeze_some": lambda t, x: x.unsqueeze(1).unsqueeze(0).squeeze((0, 1)),
    "flatten": lambda t, x: t.flatten(x),
    "flatten_part": lambda t, x: x.flatten(1, -1),
    "ravel": lambda t, x: t.ravel(x),
    "unflatten": lambda t, x: t.unflatten(x, -1, (-1, 1)),
    "select": lambda t, x: t.select(x, 1, -1),
    "narrow": lambda t, x: t.narrow(x, 0, 1, 1),
    "narrow_negative": lambda t, x: x.narrow(-1, -2, 2),
    "split": lambda t, x: t.split(x, 2, dim=-1),
    "split_sizes": lambda t, x: x.split([1, x.shape[0] - 1]),
    "chunk": lambda t, x: t.chunk(x, 2, -1),
    "tensor_split": lambda t, x: t.tensor_split(x, 2),
    "tensor_split_at": lambda t, x: x.tensor_split((1, 5, 2), dim=-1),
    "unbind": lambda t, x: t.unbind(x, 1),
    "diagonal": lambda t, x: t.diagonal(x),
    "diagonal_above": lambda t, x: x.diagonal(1, 0, -1),
    "diagonal_below": lambda t, x: x.diagonal(-1, -1, 0),
    "diagonal_outside": lambda t, x: x.diagonal(9),
    "unfold": lambda t, x: x.unfold(-1, 2, 1),
    "unfold_steps": lambda t, x: x.unfold(0, 1, 2),
    "atleast_3d": lambda t, x: t.atleast_3d(x),
    "as_strided": lambda t, x: x.as_strided((2, 2), (1, 1)),
    "contiguous": lambda t, x: x.contiguous(),
}

COPIES = {
    "cat": lambda t, x: t.cat([x, x[:1], x], 0),
    "cat_last": lambda t, x: t.cat((x, x * 2), -1),
    "concat": lambda t, x: t.concat([x, x]),
    "concatenate": lambda t, x: t.concatenate([x, x], dim=1),
    "stack": lambda t, x: t.stack([x, x + 1]),
    "stack_last": lambda t, x: t.stack((x, x, x), -1),
    "hstack": lambda t, x: t.hstack([x, x]),
    "vstack": lambda t, x: t.vstack([x, x]),
    "dstack": lambda t, x: t.dstack([x, x]),
    "column_stack": lambda t, x: t.column_stack([x, x]),
    "flip": lambda t, x: t.flip(x, (0, -1)),
    "flip_nothing": lambda t, x: x.flip(()),
    "fliplr": lambda t, x: t.fliplr(x),
    "flipud": lambda t, x: t.flipud(x),
    "roll": lambda t, x: t.roll(x, 1),
    "roll_dims": lambda t, x: x.roll((1, -2), (0, -1)),
    "rot90": lambda t, x: t.rot90(x),
    "rot180": lambda t, x: t.rot90(x, 2),
    "rot270": lambda t, x: t.rot90(x, -1, (0, -1)),
    "rot0": lambda t, x: t.rot90(x, 4),
    "tile": lambda t, x: t.tile(x, (2,)),
    "tile_front": lambda t, x: x.tile(2, *[1] * x.dim()),
    "repeat": lambda t, x: x.repeat(*[2] * x.dim()),
    "repeat_ones": lambda t, x: x.repeat(*[1] * x.dim()),
    "repeat_zero": lambda t, x: x.repeat(0, *[1] * x.dim()),
    "repeat_interleave": lambda t, x: t.repeat_interleave(x, 2),
    "repeat_interleave_dim": lambda t, x: x.repeat_interleave(2, dim=-1),
    "repeat_interleave_one": lambda t, x: x.repeat_interleave(1, dim=0),
    "repeat_unevenly": lambda t, x: x.repeat_interleave(t.arange(x.shape[0]), dim=0),
    "tril": lambda t, x: t.tril(x),
    "tril_above": lambda t, x: x.tril(1),
    "triu": lambda t, x: t.triu(x),
    "triu_below": lambda t, x: x.triu(-1),
    "diag_embed": lambda t, x: t.diag_embed(x),
    "diag_embed_dims": lambda t, x: t.diag_embed(x, 1, 0, -1),
    "diag_embed_back": lambda t, x: t.diag_embed(x, 1, -1, 0),
    "diagflat": lambda t, x: t.diagflat(x, -1),
}


def looked_at(library: Any, function: Any, layout: Any, values: np.ndarray) -> list:
    """Return shape, strides, offset of each result, and whether it shares memory; or the error."""
    x = library.tensor(values)
    try:
        start = layout(x)
        made = flat(function(library, start))
    except (RuntimeError, IndexError) as error:
        return [type(error)]
    found = []
    for each in made:
        strides = [step if size > 1 else None for size, step in zip(each.shape, each.stride())]
        shares = bool(each.numel()) and (
            x.data_ptr() <= each.data_ptr() < x.data_ptr() + x.numel() * x.element_size()
        )
        found.append((tuple(each.shape), shares))
        if shares:
            found.append((strides, each.storage_offset(), each.is_contiguous()))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", VIEWS | COPIES)
def test_layouts(name: str, layout: str) -> None:
    function = (VIEWS | COPIES)[name]
    for values in (array(3, 4), array(2, 3, 4), array(2, 0, 4)):
        seen = [looked_at(each, function, LAYOUTS[layout], values) for each in (jitgrad, torch)]
        assert seen[0] == seen[1]
        if values.size and not isinstance(seen[1][0], type):
            compare(lambda t, x: function(t, LAYOUTS[layout](x)), values)


def test_fewer_dimensions() -> None:
    for values in (array(), array(1), array(3), array(0)):
        for name in (
            *("view_ones", "reshape", "expand_front", "permute_negative", "flatten", "ravel"),
            *("unsqueeze", "unsqueeze_last", "squeeze_none", "atleast_3d", "stack", "hstack"),
            *("vstack", "dstack", "column_stack", "flip_nothing", "roll", "tile_front", "diagflat"),
            *("repeat_interleave", "contiguous", "transpose"),
        ):
            function = (VIEWS | COPIES)[name]
            seen = [
                looked_at(each, function, LAYOUTS["plain"], values) for each in (jitgrad, torch)
            ]
            assert seen[0] == seen[1], (name, values.shape)
            if not isinstance(seen[1][0], type):
                compare(function, values)
    compare(lambda t, x: x.unfold(0, 1, 1), array())
    compare(lambda t, x: x.t(), array())
    compare(lambda t, x: x.t(), array(3))
    compare(lambda t, x: x.T, array(3, 2))
    compare(lambda t, x: x.H, array(3, 2))
    compare(lambda t, x: x.movedim(0, 0), array())
    compare(lambda t, x: x.diagonal(), array(0, 3))


def test_several_tensors() -> None:
    compare(lambda t, x, y: t.cat([x, y], 1), array(2, 3), array(2, 1, seed=1))
    compare(lambda t, x, y: t.cat([x, y]), array(3), array(0))
    compare(lambda t, x, y: t.cat([x, y]), array(0), array(0))
    compare(lambda t, x, y: t.cat([x, y]), array(3), array(2, dtype="float32"))
    compare(lambda t, x, y: t.cat([x, y]), array(3), array(2, dtype="int64"))
    compare(lambda t, x, y: t.cat([x, y]), array(3, dtype="uint8"), array(2, dtype="int8"))
    compare(lambda t, x, y: t.stack([x, y]), array(3), array(3, dtype="float32"))
    compare(lambda t, x, y: t.hstack([x, y]), array(), array(2))
    compare(lambda t, x, y: t.vstack([x, y]), array(2), array(3, 2))
    compare(lambda t, x, y: t.column_stack([x, y]), array(3), array(3, 2))
    compare(lambda t, x, y: t.block_diag(x, y, x), array(2, 3), array(2))
    compare(lambda t, x, y: t.block_diag(x, y), array(), array(0, 2))
    compare(lambda t, x, y: t.broadcast_tensors(x, y), array(2, 1), array(3))
    compare(lambda t, x, y: t.meshgrid(x, y, indexing="ij"), array(2), array(3))
    compare(lambda t, x, y: t.meshgrid([x, y], indexing="xy"), array(2), array(3))
    compare(lambda t, x, y: t.meshgrid(x, y, x, indexing="xy"), array(2), array())
    compare(lambda t, x, y: t.atleast_2d(x, y), array(), array(2))
    compare(lambda t, x, y: x.view_as(y) + x.reshape_as(y), array(6), array(2, 3))
    compare(lambda t, x: t.diag(x) + t.diag(x, 0), array(3))
    compare(lambda t, x: (t.diag(x), t.diag(x, -1), x.diag(2)), array(3, 4))
    compare(lambda t, x: t.hsplit(x, 2), array(3, 4))
    compare(lambda t, x: t.vsplit(x, [1]), array(3, 4))
    compare(lambda t, x: t.dsplit(x, 2), array(3, 4, 2))


@pytest.mark.parametrize("offset", [-2, 0, 1, 5])
@pytest.mark.parametrize("size", [(3, 4), (4, 2), (0, 3)])
def test_indices_of_triangles(size: tuple, offset: int) -> None:
    compare(lambda t: t.tril_indices(*size, offset))
    compare(lambda t: t.triu_indices(*size, offset, dtype=t.int32))


def test_names_of_arguments() -> None:
    compare(lambda t, x: t.flip(x, dims=[0, 1]), array(2, 3))
    compare(lambda t, x: t.permute(x, dims=(1, 0)), array(2, 3))
    compare(lambda t, x: t.reshape(x, shape=(3, 2)), array(2, 3))
    compare(lambda t, x: t.tile(x, dims=(2, 1)), array(2, 3))
    compare(lambda t, x: x.view(size=(6,)).expand(size=(2, 6)), array(2, 3))
    compare(lambda t, x: x.repeat(repeats=(2, 1)), array(2, 3))
    compare(lambda t, x: x.view(dtype=t.float64), array(2, 3), grad=False)
    compare(lambda t, x: x[0, 0].view(()).reshape(()).view(t.Size([])), array(2, 3))
    compare(lambda t, x: x[0, 0].view(1).view([]).permute(()).expand(()), array(2, 3))


def test_in_place() -> None:
    compare(lambda t, x: x.clone().tril_(), array(3, 3))
    compare(lambda t, x: (x * 1).triu_(1), array(2, 3, 3))


def test_metadata() -> None:
    for t in (jitgrad, torch):
        x = t.zeros(2, 3, 4).transpose(0, 2)[1:]
        assert (x.dim(), x.ndimension(), x.numel(), x.nelement(), t.numel(x)) == (3, 3, 18, 18, 18)
        assert (x.stride(), x.stride(-1), x.storage_offset()) == ((1, 4, 12), 12, 1)
        assert (x.element_size(), x.itemsize, x.nbytes) == (4, 4, 72)
        assert not x.is_contiguous()
        assert x.contiguous().is_contiguous()
        assert x.data_ptr() == x.detach().data_ptr() == x[0].data_ptr()
        assert t.zeros(2, 0, 3).stride() == (3, 3, 1)
        assert t.zeros(0).data_ptr() == 0


def test_bits_as_another_dtype() -> None:
    for t in (jitgrad, torch):
        x = t.tensor([1.0, -2.0])
        seen = x.view(t.int32)
        assert seen.tolist() == [0x3F800000, -0x40000000]
        seen[0] = 0
        assert x.tolist() == [0, -2]


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t.zeros(2, 3).view(4),
        lambda t: t.zeros(2, 3).view(-1, -1),
        lambda t: t.zeros(2, 3).view(-2, 3),
        lambda t: t.zeros(0, 3).view(0, -1),
        lambda t: t.zeros(2, 3).t().view(6),
        lambda t: t.zeros(2, 3).view(1.5),
        lambda t: t.zeros(2, 3).reshape(7),
        lambda t: t.zeros(2, 3).reshape(-1, 4),
        lambda t: t.zeros(2, 3).expand(2, 4),
        lambda t: t.zeros(2, 3).expand(3),
        lambda t: t.zeros(3).expand(-1, 3),
        lambda t: t.zeros(2, 3).permute(0),
        lambda t: t.zeros(2, 3).permute(0, 0),
        lambda t: t.zeros(2, 3).permute(0, 2),
        lambda t: t.zeros(2, 3).transpose(0, 2),
        lambda t: t.zeros(2, 3, 4).t(),
        lambda t: t.zeros(3).mT,
        lambda t: t.zeros(3).movedim((0, 0), (0, 0)),
        lambda t: t.zeros(3, 2).movedim((0, 1), (0,)),
        lambda t: t.zeros(3).unsqueeze(3),
        lambda t: t.zeros(3).squeeze(1),
        lambda t: t.zeros(3, 2).flatten(1, 0),
        lambda t: t.zeros(6).unflatten(0, (4, -1)),
        lambda t: t.zeros(6).unflatten(0, ()),
        lambda t: t.zeros(3).select(0, 3),
        lambda t: t.tensor(1.0).select(0, 0),
        lambda t: t.zeros(3).narrow(0, 2, 2),
        lambda t: t.zeros(3).narrow(0, 4, 0),
        lambda t: t.zeros(3).narrow(0, 0, -1),
        lambda t: t.cat([]),
        lambda t: t.cat(t.zeros(3)),
        lambda t: t.cat([t.zeros(3), 1]),
        lambda t: t.cat([t.zeros(()), t.zeros(())]),
        lambda t: t.cat([t.zeros(2, 3), t.zeros(3, 2)]),
        lambda t: t.cat([t.zeros(2, 3), t.zeros(2)]),
        lambda t: t.cat([t.zeros(2)], 1),
        lambda t: t.stack([]),
        lambda t: t.stack([t.zeros(2), t.zeros(3)]),
        lambda t: t.zeros(4).split([1, 2]),
        lambda t: t.zeros(4).split(0),
        lambda t: t.zeros(4).chunk(0),
        lambda t: t.zeros(4).tensor_split(0),
        lambda t: t.zeros(3, 3).hsplit(2),
        lambda t: t.tensor(1.0).unbind(),
        lambda t: t.zeros(2, 2).flip(0, 0),
        lambda t: t.zeros(2).fliplr(),
        lambda t: t.tensor(1.0).flipud(),
        lambda t: t.zeros(2).roll((1, 2), (0,)),
        lambda t: t.zeros(2, 2).rot90(1, (0, 0)),
        lambda t: t.zeros(2).rot90(),
        lambda t: t.zeros(2, 2).repeat(2),
        lambda t: t.zeros(2).repeat(-1),
        lambda t: t.zeros(2).repeat_interleave(-1),
        lambda t: t.zeros(2).repeat_interleave(t.tensor([1, 2, 3])),
        lambda t: t.meshgrid(t.zeros(2, 2), indexing="ij"),
        lambda t: t.meshgrid(t.zeros(2), indexing="no"),
        lambda t: t.zeros(2).diagonal(),
        lambda t: t.zeros(2, 2).diagonal(0, 1, 1),
        lambda t: t.zeros(2, 2, 2).diag(),
        lambda t: t.zeros(2).tril(),
        lambda t: t.tril_indices(-1, 2),
        lambda t: t.zeros(3).unfold(0, 4, 1),
        lambda t: t.zeros(3).unfold(0, 1, 0),
        lambda t: t.zeros(3).as_strided((4,), (1,)),
        lambda t: t.zeros(3).as_strided((2,), (-1,)),
        lambda t: t.zeros(3).as_strided((2, 2), (1,)),
    ],
)
def test_errors(function: Any) -> None:
    compare_error(function)


def test_view_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"view size is not compatible .* Use .reshape\(...\)"):
        jitgrad.zeros(2, 3).t().view(6)


def test_as_strided_reaches_the_memory() -> None:
    for t in (jitgrad, torch):
        x = t.arange(6)[2:4]
        assert x.as_strided((3,), (1,), 1).tolist() == [1, 2, 3]
        assert x.as_strided((2,), (1,)).tolist() == [2, 3]
        assert x.as_strided((3,), (1,), 3).tolist() == [3, 4, 5]


def test_second_derivatives_of_views() -> None:
    for name, function in VIEWS.items():
        if name in ("view_ones", "as_strided", "unfold", "diagonal", "select", "permute", "expand"):
            found = []
            for t in (jitgrad, torch):
                x = t.tensor(array(3, 3), requires_grad=True)
                made = function(t, x)
                (first,) = t.autograd.grad((made**3).sum(), x, create_graph=True)
                (second,) = t.autograd.grad((first**2).sum(), x)
                found.append(second.numpy())
            np.testing.assert_allclose(*found)
