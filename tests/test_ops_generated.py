"""Every operator of the table: values, dtypes, layouts, derivatives, in-place forms, errors."""

import contextlib
import dis
import importlib.util
import pkgutil
import re
import sys
import warnings

import numpy as np
import pytest

import jitgrad
from jitgrad.dispatch import TensorCore
from jitgrad.dtypes import CATEGORY, FROM_NUMPY
from jitgrad.primitive import primitives
from tests.opinfo import LAYOUTS, Call, map_arrays, outputs_of
from tests.optables import OPS

TOLERANCES = {"float16": 4e-3, "float32": 4e-6, "float64": 1e-12}

EVERY = [pytest.param(op, id=op.id) for op in OPS]
DIFFERENTIABLE = [pytest.param(op, id=op.id) for op in OPS if op.order]
INPLACE = [pytest.param(op, id=op.id) for op in OPS if op.inplace]
WRONG = [
    pytest.param(op, wrong, id=f"{op.id}-{i}") for op in OPS for i, wrong in enumerate(op.errors)
]

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def as_array(value):
    """Return the elements of a tensor of either library, or a number, as an array."""
    detached = value.detach().numpy() if hasattr(value, "detach") else value
    return np.asarray(detached)


def name_of(dtype):
    return str(dtype).removeprefix("torch.")


def check_close(found, expected, dtype, call, factor=1.0):
    found, expected = as_array(found), as_array(expected)
    assert found.shape == expected.shape, f"{call}: {found.shape}, not {expected.shape}"
    if found.dtype.kind == "f":
        bound = TOLERANCES.get(dtype, 4e-6) * call.op.rounding * factor
        if dtype in TOLERANCES and found.dtype.itemsize < np.dtype(dtype).itemsize:
            bound = max(bound, TOLERANCES[found.dtype.name])
        ceiling = float(np.finfo(found.dtype).max)
        with np.errstate(all="ignore"):
            expected = np.where(np.abs(expected) > ceiling, np.sign(expected) * np.inf, expected)
        np.testing.assert_allclose(
            found.astype(np.float64), expected.astype(np.float64), bound, bound, err_msg=str(call)
        )
    else:
        np.testing.assert_array_equal(found, expected, err_msg=str(call))


@pytest.mark.parametrize("op", EVERY)
def test_values(op):
    """In every dtype as NumPy in float64, and rounded to the result's dtype."""
    assert op.samples
    for call in op.calls():
        result = outputs_of(call.run(jitgrad))
        for each in result:
            if isinstance(each, TensorCore):
                assert each._array.dtype in FROM_NUMPY
                assert not each.requires_grad
        if op.has_reference(call.dtype) and call.sample.values:
            expected = outputs_of(call.reference())
            assert len(expected) == len(result), str(call)
            for found, true in zip(result, expected):
                check_close(found, true, call.dtype, call)


@needs_torch
@pytest.mark.parametrize("op", EVERY)
def test_torch_agrees(op):
    import torch

    for call in op.calls():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's, of what is deprecated
                expected = outputs_of(call.run(torch))
        except (RuntimeError, NotImplementedError) as error:
            # torch lacks some kernels for float16 and bool
            assert "not implemented for" in str(error), f"{call}: torch says {error}"
            continue
        result = outputs_of(call.run(jitgrad))
        assert len(result) == len(expected), str(call)
        for found, true in zip(result, expected):
            if isinstance(true, torch.Tensor):
                assert name_of(found.dtype) == name_of(true.dtype), str(call)
                assert tuple(found.shape) == tuple(true.shape), str(call)
            if call.sample.values:
                check_close(found, true, call.dtype, call, factor=2)


@pytest.mark.parametrize("op", [each for each in EVERY if each.values[0].layouts])
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "contiguous"])
def test_layouts(op, layout):
    """Strides change nothing."""
    if layout == "expanded" and not op.expandable:
        pytest.skip("equal rows are no fair input")
    for sample in op.samples:
        if not sample.values:
            continue
        call = Call(op, sample, "float64", layout)
        args, kwargs = map_arrays(call.arrays(), lambda array: np.array(array, order="C"))
        plain = Call(op, type(sample)(args, kwargs))
        for found, true in zip(outputs_of(call.run(jitgrad)), outputs_of(plain.run(jitgrad))):
            check_close(found, true, "float64", call)


# -- derivatives ----------------------------------------------------------------------------


def differentiable_call(op, sample):
    """Return a function of the leaves alone, and the leaves; None where there are none."""
    call = Call(op, sample)
    args, kwargs = call.tensors(jitgrad, requires_grad=True)
    leaves = call.leaves
    if not leaves:
        return None
    places = {id(each): i for i, each in enumerate(leaves)}

    def function(*values):
        def put(value):
            if isinstance(value, TensorCore):
                return values[places[id(value)]] if id(value) in places else value
            if isinstance(value, dict):
                return {key: put(each) for key, each in value.items()}
            if type(value) in (tuple, list):
                return type(value)(put(each) for each in value)
            return value

        outputs = outputs_of(op.of(jitgrad)(*put(args), **put(kwargs)))
        return tuple(each for each in outputs if each.dtype.is_floating_point)

    return function, leaves


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_first_derivative(op):
    checked = 0
    for sample in op.samples:
        made = differentiable_call(op, sample) if sample.smooth else None
        if made is not None:
            outputs = made[0](*made[1])
            assert any(each.requires_grad for each in outputs), str(Call(op, sample))
            jitgrad.autograd.gradcheck(*made)
            checked += 1
    assert checked or not any(sample.smooth for sample in op.samples)


@pytest.mark.parametrize("op", [each for each in DIFFERENTIABLE if each.values[0].order > 1])
def test_second_derivative(op):
    """All derivatives of the first sample, and a sum of them with random weights of the others."""
    smooth = (differentiable_call(op, sample) for sample in op.samples if sample.smooth)
    for position, made in enumerate(each for each in smooth if each is not None):
        jitgrad.autograd.gradgradcheck(*made, fast_mode=position > 0)


@needs_torch
@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_torch_agrees_on_gradients(op):
    import torch

    for sample in op.samples:
        for dtype in ("float64", "float32"):
            call = Call(op, sample, dtype)
            if not sample.values or not sample.torch_gradients:
                continue
            found, expected = gradients(call, jitgrad), gradients(call, torch)
            assert len(found) == len(expected), str(call)
            for one, other in zip(found, expected):
                assert (one is None) == (other is None), str(call)
                if one is not None:
                    assert name_of(one.dtype) == name_of(other.dtype), str(call)
                    check_close(one, other, dtype, call, factor=4)


def gradients(call, torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of what is deprecated
        outputs = {
            position: each
            for position, each in enumerate(outputs_of(call.run(torch, requires_grad=True)))
            if isinstance(each, torch.Tensor) and each.requires_grad
        }
    if not outputs:
        return [None] * len(call.leaves)
    cotangents = [
        torch.tensor(np.random.default_rng(position).random(tuple(each.shape)), dtype=each.dtype)
        for position, each in outputs.items()
    ]
    return torch.autograd.grad(tuple(outputs.values()), call.leaves, cotangents, allow_unused=True)


def test_no_gradient_where_there_is_none():
    for op in OPS:
        # in place there is no leaf that may be written
        if not op.order and not op.path.endswith("_"):
            for sample in op.samples:
                call = Call(op, sample, op.usual())
                for each in outputs_of(call.run(jitgrad, requires_grad=True)):
                    assert not isinstance(each, TensorCore) or not each.requires_grad, str(call)


# -- in place -------------------------------------------------------------------------------


@pytest.mark.parametrize("op", INPLACE)
def test_inplace(op):
    checked = 0
    for call in op.calls():
        expected = call.run(jitgrad)
        (target, *rest), kwargs = call.tensors(jitgrad)
        if not isinstance(target, TensorCore):
            continue
        method = getattr(target, op.inplace)
        high = CATEGORY[expected._array.dtype] > CATEGORY[target._array.dtype]
        if expected.shape != target.shape or high:
            with pytest.raises(RuntimeError):
                method(*rest, **kwargs)
            continue
        version = target._version
        assert method(*rest, **kwargs) is target, str(call)
        assert target._version == version + 1, str(call)
        assert target._array.dtype.name == call.dtype, str(call)
        check_close(target, expected.to(target.dtype), call.dtype, call)
        checked += 1
    assert checked


@pytest.mark.parametrize("op", [each for each in INPLACE if each.values[0].order])
def test_inplace_gradients(op):
    for sample in op.samples:
        call = Call(op, sample)
        found = []
        for inplace in (False, True):
            (target, *rest), kwargs = call.tensors(jitgrad, requires_grad=True)
            if not isinstance(target, TensorCore):
                break
            target = target * 1
            if inplace:
                result = getattr(target, op.inplace)(*rest, **kwargs)
            else:
                result = op.of(jitgrad)(target, *rest, **kwargs)
                if result.shape != target.shape:
                    break
            found.append(jitgrad.autograd.grad(result.sum(), call.leaves, materialize_grads=True))
        for one, other in zip(*found) if len(found) == 2 else ():
            check_close(one, other, "float64", call)


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "wrong"), WRONG)
def test_errors(op, wrong):
    def make(array):
        return jitgrad.tensor(array.astype(np.float32) if array.dtype == np.float64 else array)

    args, kwargs = map_arrays(wrong.args, make), map_arrays(wrong.kwargs, make)
    with pytest.raises(wrong.error, match=wrong.match or None) as caught:
        op.of(jitgrad)(*args, **kwargs)
    assert re.search(op.name, str(caught.value)), f"{caught.value!r} does not name {op.name}"


@needs_torch
@pytest.mark.parametrize(("op", "wrong"), WRONG)
def test_torch_raises_the_same(op, wrong):
    import torch

    def make(array):
        return torch.tensor(array.astype(np.float32) if array.dtype == np.float64 else array)

    args, kwargs = map_arrays(wrong.args, make), map_arrays(wrong.kwargs, make)
    with pytest.raises(wrong.error) as caught:
        op.of(torch)(*args, **kwargs)
    assert type(caught.value) is wrong.error


# -- completeness ---------------------------------------------------------------------------


def every_call():
    """Yield each sample in the widest dtype, and where it is another one in int64."""
    for op in OPS:
        for sample in op.samples:
            yield Call(op, sample, op.usual())
            if "i" in op.kinds and sample.takes("int64", "i"):
                yield Call(op, sample, "int64")


def exercise(call):
    """Run a call, its first two derivatives, and its in-place form."""
    order = call.op.order
    outputs = [
        each
        for each in outputs_of(call.run(jitgrad, requires_grad=bool(order)))
        if isinstance(each, TensorCore) and each.requires_grad
    ]
    if outputs and call.leaves:
        first, *_ = jitgrad.autograd.grad(
            outputs,
            call.leaves,
            [jitgrad.ones_like(each) for each in outputs],
            create_graph=order > 1,
            materialize_grads=True,
        )
        if first.requires_grad:
            jitgrad.autograd.grad(first.sum(), call.leaves, allow_unused=True)
    (target, *rest), kwargs = call.tensors(jitgrad)
    if call.op.inplace and isinstance(target, TensorCore):
        # test_inplace looks at those that raise
        with contextlib.suppress(RuntimeError):
            getattr(target, call.op.inplace)(*rest, **kwargs)


def own_primitives():
    """Return the library's primitives: those that a module of it holds, not other tests'."""
    for each in pkgutil.iter_modules(jitgrad.ops.__path__, "jitgrad.ops."):
        importlib.import_module(each.name)  # some are loaded when they are first used
    held = {
        id(value)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "jitgrad"
        for value in list(vars(module).values())
    }
    tables = [
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "jitgrad"
        for value in list(vars(module).values())
        if type(value) in (dict, list, tuple)
    ]
    for table in tables:
        held.update(map(id, table.values() if isinstance(table, dict) else table))
    found = [each for each in primitives() if id(each) in held]
    assert len(found) > 100
    return found


# Primitives that only traces hold, each with the reason.
UNSAMPLED = {
    "tensor": "eager mode makes tensors from Python's numbers without a primitive",
    # see tests/ops/test_select.py
    "select": "what is at a number that is known is a slice",
    "select_backward": "as select",
    "placed": "writes there are to a slice",
    # see tests/ops/test_rewriting.py
    "part": "a view of what has been written is one of its base",
    "part_backward": "as part",
    "part_scatter": "a write to a view is one to its base",
}


def test_every_primitive_is_sampled(monkeypatch):
    computed = set()

    def noting(primitive, implementation):
        def compute(*args, **kwargs):
            computed.add(primitive)
            return implementation(*args, **kwargs)

        return compute

    every = own_primitives()
    for each in every:
        monkeypatch.setattr(each, "numpy", noting(each, each.numpy))
    for call in every_call():
        exercise(call)
    missing = sorted({each.name for each in every if each not in computed} - set(UNSAMPLED))
    assert not missing, f"no sample of tests/optables computes {', '.join(missing)}"


# Primitives that share memory with what they are given, each with the reason.
SHARING = {
    "copy": "it is given the memory to which it writes",
    "fill": "as copy",
    "checked": "distributions have the parameters that they were given",
}


def test_only_views_share_memory_with_what_they_are_given(monkeypatch):
    """Autograd and compiled code know of views; another result is written to as its own."""
    sharing = set()

    def watching(primitive, implementation):
        def compute(*args, **kwargs):
            made = implementation(*args, **kwargs)
            given = [each for each in args if isinstance(each, np.ndarray)]
            if isinstance(made, np.ndarray) and any(np.shares_memory(made, x) for x in given):
                sharing.add(primitive.name)
            return made

        return compute

    for each in own_primitives():
        if not each.is_view:
            monkeypatch.setattr(each, "numpy", watching(each, each.numpy))
    for call in every_call():
        exercise(call)
    assert sharing <= set(SHARING)


def test_functions_that_change_nothing_copy():
    """They have nothing to do for these sizes, and PyTorch copies all the same."""
    functional = jitgrad.nn.functional
    x = jitgrad.arange(4.0).reshape(1, 1, 2, 2).requires_grad_()
    for function in (
        lambda x: functional.pad(x, (0, 0)),
        lambda x: functional.pad(x, (-1, 0)),
        lambda x: functional.pad(x, (0, 0, 0, 0), mode="reflect"),
        lambda x: functional.unfold(x, 2),
        lambda x: functional.unfold(x, 1),
        lambda x: functional.fold(functional.unfold(x, 1), (2, 2), 1),
        lambda x: functional.adaptive_avg_pool2d(x, 2),
        lambda x: functional.interpolate(x, size=(2, 2)),
        jitgrad.nn.ZeroPad2d(0),
    ):
        for each in (function, jitgrad.compile(function)):
            for _ in range(3):
                given = x * 1
                made = each(given)
                made.mul_(0)
                assert given.tolist() == x.tolist()
                (given.sum() + made.sum()).backward()
                assert x.grad.tolist() == [[[[1, 1], [1, 1]]]]
                x.grad = None


def rules():
    for primitive in own_primitives():
        given = primitive.vjp or ()
        for rule in (given,) if callable(given) else given:
            if rule is not None:
                yield primitive, rule


def test_rules_read_only_what_is_saved():
    """A parameter spelled with an underscore arrives as a spec: a rule must not use it."""
    for primitive, rule in rules():
        code = rule.__code__
        unsaved = {name for name in code.co_varnames[: code.co_argcount] if name.startswith("_")}
        read = {
            each.argval
            for each in dis.get_instructions(code)
            if each.opname.startswith("LOAD") and isinstance(each.argval, str)
        }
        assert not unsaved & (read | set(code.co_cellvars)), f"{primitive} reads {unsaved & read}"


def test_rules_take_what_the_primitive_takes():
    for primitive in own_primitives():
        assert primitive.variadic or primitive.vjp is None or isinstance(primitive.vjp, tuple)


def test_one_name_one_line():
    ids = [op.id for op in OPS]
    assert len(set(ids)) == len(ids)
