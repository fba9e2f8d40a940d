"""Lowering: which functions have register code, that only true source is believed, listings."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib.util
import linecache
import sys
import types

import pytest

from jitgrad.python.code import Code, Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.lower import Unlowerable, code_for
from jitgrad.python.operations import Operations
from tests.python import corpus_functions, samples


def evaluated(function, *args, **kwargs):
    return Evaluator(Operations()).call(code_for(function), function, *args, **kwargs)


def evaluated_generator(function, *args):
    code = code_for(function, generators=True)
    return Evaluator(Operations()).call(code, function, *args)


def from_source(source: str, filename: str, register: bool = True) -> dict:
    if register:
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    scope: dict = {"__name__": "made"}
    exec(compile(source, filename, "exec", dont_inherit=True), scope)
    return scope


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("generator", "generator function"),
        ("coroutine", "coroutine function"),
        ("asynchronous_generator", "asynchronous generator function"),
        ("with_locals", r"locals\(\) needs the frame"),
        ("with_vars", r"vars\(\) needs the frame"),
        ("with_dir", r"dir\(\) needs the frame"),
        ("with_eval", r"eval\(\) needs the frame"),
        ("with_exec", r"exec\(\) needs the frame"),
        ("with_getframe", "_getframe looks at frames"),
    ],
)
def test_unlowerable(name: str, reason: str) -> None:
    with pytest.raises(Unlowerable, match=reason) as info:
        code_for(getattr(samples, name))
    assert info.value.line is not None
    with pytest.raises(Unlowerable, match=reason):
        code_for(getattr(samples, name))


def test_code_is_lowered_once() -> None:
    assert code_for(samples.plain) is code_for(samples.plain)


def test_rewritten_asserts_are_not_believed() -> None:
    def rewritten_by_pytest(x):
        assert x
        return x

    with pytest.raises(Unlowerable, match="differs"):
        code_for(rewritten_by_pytest)


def test_edited_file_is_not_believed(tmp_path) -> None:
    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x + 1\n\ndef g(x):\n    return x\n")
    spec = importlib.util.spec_from_file_location("edited", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path.write_text("def f(x):\n    return x + 100\n\ndef g(x):\n    return x\n")
    with pytest.raises(Unlowerable, match="differs"):
        code_for(module.f)
    assert evaluated(module.g, 5) == 5


@pytest.mark.parametrize(
    "change", ["x + 2", "x - 1", "y + 1", "x + 1.0", "x + True", "x + 1 if x else 0"]
)
def test_any_change_is_seen(change: str) -> None:
    filename = f"<change {change}>"
    f = from_source("def f(x):\n    return x + 1\n", filename)["f"]
    source = f"def f(x):\n    return {change}\n"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    with pytest.raises(Unlowerable, match="differs"):
        code_for(f)


def test_signed_zeros_differ() -> None:
    f = from_source("def f(x):\n    return x, 0.0\n", "<zero>")["f"]
    linecache.cache["<zero>"] = (1, None, ["def f(x):\n", "    return x, -0.0\n"], "<zero>")
    with pytest.raises(Unlowerable, match="differs"):
        code_for(f)


def test_source_registered_with_linecache() -> None:
    scope = from_source("def f(x, k=2):\n    return [x * k for x in range(x)]\n", "<made 1>")
    assert evaluated(scope["f"], 3) == [0, 2, 4]


def test_no_source() -> None:
    scope = from_source("def f(x):\n    return x\n", "<nowhere>", register=False)
    with pytest.raises(Unlowerable, match="no source"):
        code_for(scope["f"])
    point = dataclasses.make_dataclass("Point", ["x"])
    with pytest.raises(Unlowerable, match="no source"):
        code_for(point.__init__)


def test_future_annotations_of_the_file() -> None:
    source = "from __future__ import annotations\ndef f():\n    def g(x: nowhere[1]) -> 'a': 0\n"
    scope = from_source(source + "    return g.__annotations__\n", "<future>")
    assert evaluated(scope["f"]) == scope["f"]() == {"x": "nowhere[1]", "return": "'a'"}


def test_lambdas_of_one_line() -> None:
    one, two, three, four = samples.lambdas
    assert [evaluated(f, 10) for f in (one, two, three)] == [11, 20, 7]
    assert evaluated(four)() == 3


def test_wrapped_and_partial_functions_are_their_own() -> None:
    code = code_for(samples.decorated)
    assert code.name == "wrapper"
    assert evaluated(samples.decorated, 2) == 4
    assert code_for(samples.decorated.__wrapped__).name == "decorated"
    assert evaluated(functools.partial(samples.plain, 1).func, 1, 2) == samples.plain(1, 2)


def test_methods_of_classes_in_functions() -> None:
    instance = samples.make_class()(5)
    assert evaluated(type(instance).get, instance) == 5


def test_generator_functions_are_lowered_for_who_asks() -> None:
    code = code_for(samples.generator, generators=True)
    assert [Op(i[0]) for i in code.instructions[:2]] == [Op.GENERATOR, Op.RETURN]
    made = evaluated_generator(samples.generator)
    assert isinstance(made, types.GeneratorType) and list(made) == [1]
    expression = samples.generator_expression()
    function = types.FunctionType(expression.gi_code, {}, "g", None, None)
    assert list(evaluated_generator(function, iter([1, 2]))) == list(expression) == [2, 4]


def test_class_bodies_are_cpythons() -> None:
    bodies = []

    def build(body, *rest):
        bodies.append(body)
        return type(*rest, (), {})

    scope = dict(vars(samples), __builtins__=dict(vars(builtins), __build_class__=build))
    function = types.FunctionType(samples.with_class.__code__, scope)
    assert evaluated(function).__name__ == "Inner"
    with pytest.raises(Unlowerable, match="class body"):
        code_for(bodies[0])


def test_inner_functions_are_cpythons() -> None:
    inner = evaluated(samples.make_inner, 1)
    assert type(inner) is types.FunctionType
    assert inner.__code__ is samples.make_inner(1).__code__
    assert type(inner.__closure__[0]) is types.CellType
    assert inner.__qualname__ == "make_inner.<locals>.inner"
    assert evaluated(inner, 2) == inner(2) == 3


def test_layout_and_listing() -> None:
    code = code_for(samples.listed)
    assert isinstance(code, Code)
    assert code.register_names[:6] == ("a", "b", "c", "d", "rest", "named")
    assert code.parameters.positional_only == 1
    assert code.parameters.positional == 3
    assert code.parameters.keyword_only == 1
    assert code.cell_names == ("total",)
    assert code_for(samples.listed(1, 2, d=3)).free_names == ("total",)
    text = str(code)
    assert "total = a + b" in text
    assert "binary" in text and "make_function" in text
    start, end, handler, register = code.exception_table[0]
    assert start < end <= handler < len(code.instructions)
    assert register < code.register_count


def test_every_pc_has_a_line_of_the_function() -> None:
    for function in vars(corpus_functions).values():
        if not isinstance(function, types.FunctionType) or function.__module__ == "functools":
            continue
        code = code_for(function)
        first = code.first_line
        assert all(first <= p.line <= p.end_line for p in code.lines)
        assert all(isinstance(Op(i[0]), Op) for i in code.instructions)
        assert len(code.live_at(0)) <= len(code.parameters.names)


def test_all_of_a_module_can_be_lowered() -> None:
    import textwrap

    for value in vars(textwrap.TextWrapper).values():
        if isinstance(value, types.FunctionType):
            assert str(code_for(value))


@pytest.mark.skipif(sys.flags.optimize > 0, reason="asserts are compiled away")
def test_checks_only_where_needed() -> None:
    ops = [i[0] for i in code_for(samples.always_bound).instructions]
    assert Op.CHECK not in ops
    ops = [i[0] for i in code_for(samples.maybe_unbound).instructions]
    assert ops.count(Op.CHECK) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax since Python 3.12")
def test_type_parameters() -> None:
    source = """
def f(k):
    def g[T: int, *Ts, **P](x: T = k, *rest: *Ts, y: T = 6) -> T:
        return T.__name__, x, y
    class A[T](list[T]):
        z: T
        def m[U](self, x: U) -> T:
            return T.__name__, U.__name__, x, k
    def h():
        def inner[T](): return T.__name__, k
        return inner()
    annotations = {name: str(kind) for name, kind in g.__annotations__.items()}
    parts = [[p.__name__ for p in each.__type_params__] for each in (g, A, A.m)]
    return g(), g(1, y=2), A([1]).m(5), parts, annotations, h(), A.__mro__[1].__name__, str(A[int])
"""
    f = from_source(source, "<type parameters>")["f"]
    assert evaluated(f, 3) == f(3)
