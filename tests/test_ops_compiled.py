"""Every operator of the table gives the same compiled as eagerly: values, dtypes, gradients."""

import itertools
import linecache

import numpy as np
import pytest

import jitgrad
from jitgrad.dispatch import TensorCore
from tests.opinfo import Call, outputs_of
from tests.optables import OPS

EVERY = [pytest.param(op, id=op.id) for op in OPS]
BOUNDS = {"float16": 5e-3, "float32": 1e-5, "float64": 1e-12}

_numbers = itertools.count()


class Program:
    """A sample call as the source of a function of its tensors, so that it can be compiled."""

    def __init__(self, call):
        self.function = call.op.of(jitgrad)
        self.tensors = []
        self.constants = {"function": self.function}
        args, kwargs = call.tensors(jitgrad)
        given = [self.text(each) for each in args]
        given += [f"{name}={self.text(each)}" for name, each in kwargs.items()]
        names = ", ".join(f"t{i}" for i in range(len(self.tensors)))
        source = f"def program({names}):\n    return function({', '.join(given)})\n"
        filename = f"<operator {next(_numbers)}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), self.constants)
        self.program = self.constants["program"]

    def text(self, value):
        """Return an argument as source; tensors become parameters."""
        if isinstance(value, TensorCore):
            self.tensors.append(value)
            return f"t{len(self.tensors) - 1}"
        if type(value) in (tuple, list):
            inner = ", ".join(self.text(each) for each in value)
            return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
        if value is None or type(value) in (bool, int, str):
            return repr(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def copies(self, wants_grad):
        """Return copies of the tensors with their strides."""
        made = []
        for each in self.tensors:
            copy = jitgrad.as_strided(each, each.shape, each.stride()).clone()
            if wants_grad and copy.dtype.is_floating_point:
                copy.requires_grad_()
            made.append(copy)
        return made


def run(function, program, wants_grad, seed):
    """Return outputs and gradients, or the exception."""
    tensors = program.copies(wants_grad)
    jitgrad.manual_seed(seed)
    try:
        outputs = outputs_of(function(*tensors))
    except Exception as error:
        return (type(error), str(error)), []
    floats = [
        each
        for each in outputs
        if isinstance(each, TensorCore) and each.requires_grad and each.numel()
    ]
    if floats:
        weights = [jitgrad.linspace(0.5, 1.5, each.numel(), dtype=each.dtype) for each in floats]
        total = sum((each.reshape(-1) * w).sum() for each, w in zip(floats, weights))
        total.backward()
    return outputs, [each.grad for each in tensors]


def check_same(found, expected, what):
    if not isinstance(expected, TensorCore):
        assert (type(found) is type(expected) and found == expected) or found is expected, what
        return
    assert found.dtype is expected.dtype and found.shape == expected.shape, what
    assert found.requires_grad == expected.requires_grad, what
    assert found.stride() == expected.stride(), what
    bound = BOUNDS.get(found.dtype.name, 0)
    np.testing.assert_allclose(
        found.detach().numpy(), expected.detach().numpy(), bound, bound, err_msg=what
    )


def elements_of(sample):
    return sum(np.size(each) for each in sample.args if isinstance(each, np.ndarray))


def samples_of(op):
    """Return two samples, the first and the one with most elements, and the dtype for each."""
    chosen = [each for each in op.samples if each.values] or list(op.samples)
    largest = max(
        chosen, key=lambda s: sum(np.size(a) for a in s.args if isinstance(a, np.ndarray))
    )
    kinds = [("float32", "f"), ("int64", "i"), ("bool", "b"), ("float64", "d"), ("float32", "w")]
    dtypes = [dtype for dtype, kind in kinds if kind in op.kinds]
    for sample in {id(each): each for each in (chosen[0], largest)}.values():
        for dtype in dtypes[:2]:
            kind = next(kind for d, kind in kinds if d == dtype)
            if sample.takes(dtype, kind):
                yield Call(op, sample, dtype)


@pytest.mark.parametrize("op", EVERY)
def test_compiled_equals_eager(op):
    for call in samples_of(op):
        program = Program(call)
        compiled = jitgrad.compile(program.program)
        for turn in range(3):
            for wants_grad in (True, False) if op.order else (False,):
                expected, true_grads = run(program.program, program, wants_grad, turn)
                found, grads = run(compiled, program, wants_grad, turn)
                what = f"{call}, turn {turn}\n{compiled.explain()}"
                if isinstance(expected, tuple):
                    assert found == expected, what
                    continue
                assert len(found) == len(expected), what
                for each, other in zip((*found, *grads), (*expected, *true_grads)):
                    check_same(each, other, what)
