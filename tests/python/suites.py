"""Running CPython's own tests, the standard library's `test` package, under the evaluator."""

from __future__ import annotations

import ast
import contextlib
import doctest
import functools
import gc
import importlib
import io
import linecache
import symtable
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jitgrad.python.evaluate import Evaluator
from jitgrad.python.lower import code_for
from tests.python.comparing import EnterEverything

Run = Callable[..., Any]


class Entering(EnterEverything):
    """Enters what has source, but not the machinery of `unittest`, which is not what is tested."""

    internal_files = frozenset({*EnterEverything.internal_files, __file__})

    def call(self, frame, callee, co, args, arg_origins, kwargs, kwarg_origins):
        function = getattr(callee, "__func__", callee)
        if str(getattr(function, "__module__", "")).startswith("unittest"):
            rest = arg_origins, kwargs, kwarg_origins
            return super(EnterEverything, self).call(frame, callee, co, args, *rest)
        return super().call(frame, callee, co, args, arg_origins, kwargs, kwarg_origins)


def by_cpython(function: types.FunctionType, *args: Any) -> Any:
    return function(*args)


def by_evaluator(function: types.FunctionType, *args: Any) -> Any:
    code = code_for(function, generators=True)
    return Evaluator(Entering()).call(code, function, *args)


def load(name: str) -> types.ModuleType:
    """Import `test.name` as it is, with its asserts not rewritten.

    Raises:
        ImportError: this installation of Python has no such tests.
    """
    finders = sys.meta_path[:]
    sys.meta_path[:] = [each for each in finders if not type(each).__module__.startswith("_pytest")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(f"test.{name}")
    finally:
        sys.meta_path[:] = finders


def cases_of(module: types.ModuleType) -> dict[type[unittest.TestCase], Sequence[str]]:
    """Return the test classes of a module, each with the names of its tests."""
    return {
        value: unittest.TestLoader().getTestCaseNames(value)
        for value in list(vars(module).values())
        if isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == module.__name__
    }


def compare_cases(
    kind: type[unittest.TestCase], names: Sequence[str], is_lowerable: Callable[..., bool]
) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each test, and how it ends under CPython and under the evaluator."""
    with _quiet():
        kind.setUpClass()
    for name in names:
        run = by_evaluator if is_lowerable(getattr(kind, name)) else by_cpython
        yield name, outcome_of_case(kind, name, by_cpython), outcome_of_case(kind, name, run)
    with _quiet():
        kind.tearDownClass()
        kind.doClassCleanups()


def outcome_of_case(kind: type[unittest.TestCase], name: str, run: Run) -> str:
    """Run one test with its body run by `run`; return how it ended."""
    case = kind(name)
    method = getattr(case, name)
    function = method.__func__

    @functools.wraps(function)
    def body() -> None:
        run(function, case)

    setattr(case, name, body)
    result = unittest.TestResult()
    with _quiet():
        case.run(result)
    problems = [*result.errors, *result.failures]
    if problems:
        return "failed: " + problems[0][1]
    if result.skipped:
        return "skipped"
    return "passed" if result.testsRun and not result.expectedFailures else "failed as expected"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    limit, hook = sys.getrecursionlimit(), sys.unraisablehook
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("default")
        sys.unraisablehook = lambda unraisable: None
        try:
            yield
        finally:
            sys.setrecursionlimit(limit)
            sys.unraisablehook = hook
            if not gc.isenabled():
                gc.enable()


# -- doctests -------------------------------------------------------------------------------


def doctests_of(module: types.ModuleType) -> list[doctest.DocTest]:
    return [each for each in doctest.DocTestFinder().find(module) if each.examples]


def compare_doctest(
    test: doctest.DocTest, is_lowerable: Callable[..., bool]
) -> list[tuple[str, str, str]]:
    """Return the examples, and what each prints under CPython and under the evaluator."""
    both = [_outcomes(test, run, is_lowerable) for run in (by_cpython, by_evaluator)]
    return [(example.source, *ends) for example, *ends in zip(test.examples, *both)]


def _outcomes(test: doctest.DocTest, run: Run, is_lowerable: Callable[..., bool]) -> list[str]:
    """Run the examples, each as the body of a function, and return what each of them printed."""
    scope = dict(test.globs)
    scope["__name__"] = "__main__"
    found: list[str] = []
    for number, example in enumerate(test.examples):
        try:
            function = _as_function(example.source, f"<{test.name} {number}>", scope)
        except SyntaxError as error:
            found.append(f"SyntaxError {error.msg}")
            continue
        how = run if is_lowerable(function) else by_cpython
        output = io.StringIO()
        with _quiet(), contextlib.redirect_stdout(output):
            try:
                how(function)
            except BaseException as error:
                output.write(f"{type(error).__name__}: {error}")
        found.append(_without_addresses(output.getvalue()))
    return found


def _without_addresses(text: str) -> str:
    return " ".join("0x" if word.startswith("0x") else word for word in text.split(" "))


def _as_function(source: str, filename: str, scope: dict[str, Any]) -> types.FunctionType:
    """Return a function that does what the statements do at the top of a module."""
    tree = ast.parse(source)
    names = {
        symbol.get_name()
        for symbol in _symbols(source)
        if symbol.is_assigned() or symbol.is_imported()
    }
    body: list[ast.stmt] = [ast.Global(sorted(names))] if names else []
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            show = ast.Name("__show", ast.Load())
            statement = ast.Expr(ast.Call(show, [statement.value], []))
        body.append(statement)
    function = ast.parse("def example(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = body
    text = ast.unparse(ast.fix_missing_locations(ast.Module([function], []))) + "\n"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    scope["__show"] = lambda value: None if value is None else print(repr(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: dict[str, Any] = {}
        exec(compile(text, filename, "exec", dont_inherit=True), scope, made)
    return made["example"]


def _symbols(source: str) -> list[symtable.Symbol]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return symtable.symtable(source, "<example>", "exec").get_symbols()
