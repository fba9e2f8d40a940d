"""CPython's own tests of the language, each with its body run by the evaluator.

A test must end as it does when CPython runs it. What it calls is evaluated, too, generators
included, except for the machinery of `unittest`. Functions that register code cannot say are left
to CPython, as everywhere; `UNSAID` is all that this may be for.
"""

from __future__ import annotations

import gc
import re
import sys
import unittest

import pytest

from jitgrad.python.lower import Unlowerable, code_for
from tests.python import suites

UNSAID = re.compile(r"needs the frame of its caller|looks at frames|coroutine function")

# What a test of CPython asks that evaluation does not promise.
FRAMES = "looks into Python frames, which stand in for evaluated ones in tracebacks only"
GENERATOR_FRAMES = (
    "looks at the code or frame of a generator, which is that of the evaluator's loop"
)
LIFETIMES = "a temporary lives on until its register is used again, so that a finalizer runs later"
RECURSION = "counts Python frames against the recursion limit"
TRACING = "sys.settrace sees nothing of evaluated code"
ITSELF = "replaces a builtin function that the evaluator uses itself"
ONCE = "can be run only once in a process"
TRACEBACK_OF_C = "the entry that a traceback loses in _testcapi, of all callers"

EXCUSED = {
    "test_contextlib.ContextManagerTestCase.test_nokeepref": LIFETIMES,
    "test_descr.ClassPropertiesAndMethods.test_slots": LIFETIMES,
    "test_exceptions.ExceptionTests.testExceptionCleanupState": LIFETIMES,
    "test_exceptions.ExceptionTests.testSettingException": TRACEBACK_OF_C,
    "test_exceptions.ExceptionTests.test_generator_close_cleanup_exc_state": LIFETIMES,
    "test_exceptions.ExceptionTests.test_generator_del_cleanup_exc_state": LIFETIMES,
    "test_exceptions.ExceptionTests.test_generator_next_cleanup_exc_state": LIFETIMES,
    "test_exceptions.ExceptionTests.test_generator_send_cleanup_exc_state": LIFETIMES,
    "test_exceptions.ExceptionTests.test_generator_throw_cleanup_exc_state": LIFETIMES,
    "test_exceptions.ExceptionTests.test_recursion_in_except_handler": RECURSION,
    "test_exceptions.NameErrorTests.test_name_error_suggestions": FRAMES,
    "test_exceptions.PEP626Tests.test_lineno_after_other_except": FRAMES,
    "test_exceptions.PEP626Tests.test_lineno_in_try": FRAMES,
    "test_functools.TestLRUPy.test_lru_reentrancy_with_len": ITSELF,
    "test_generators.YieldFromTests.test_generator_gi_yieldfrom": GENERATOR_FRAMES,
    "test_generators.__test__.coroutine: levels": GENERATOR_FRAMES,
    "test_generators.__test__.syntax: g.gi_code is f.__code__": GENERATOR_FRAMES,
    "test_genexps.__test__.doctests: int(max(tupleids) - min(tupleids))": LIFETIMES,
    "test_iter.TestCase.test_ref_counting_behavior": LIFETIMES,
    "test_patma.TestTracing.test_default_capture": TRACING,
    "test_patma.TestTracing.test_default_wildcard": TRACING,
    "test_patma.TestTracing.test_no_default": TRACING,
    "test_patma.TestTracing.test_only_default_capture": TRACING,
    "test_patma.TestTracing.test_only_default_wildcard": TRACING,
    "test_patma.TestTracing.test_unreachable_code": TRACING,
    "test_raise.TestContext.test_3611": LIFETIMES,
    "test_types.SubinterpreterTests.test_static_types_inherited_slots": ONCE,
    "test_yield_from.TestPEP380Operation.test_delegator_is_visible_to_debugger": FRAMES,
}

LONG = {
    "test_contextlib.TestExitStack.test_excessive_nesting",
    "test_exceptions.ExceptionTests.testExceptionCleanupState",
    "test_exceptions.ExceptionTests.test_memory_error_in_PyErr_PrintEx",
    "test_exceptions.ExceptionTests.test_memory_error_subclasses",
    "test_exceptions.ExceptionTests.test_trashcan_recursion",
    "test_exceptions.ExceptionTests.test_unraisable",
    "test_descr.ClassPropertiesAndMethods.test_cycle_through_dict",
}
"""Tests that run with the slow ones only."""

MODULES = [
    "test_abc",
    "test_augassign",
    "test_binop",
    "test_bool",
    "test_class",
    "test_compare",
    "test_contains",
    "test_contextlib",
    "test_dataclasses",
    "test_decorators",
    "test_defaultdict",
    "test_dictcomps",
    "test_dynamicclassattribute",
    "test_except_star",
    "test_exception_group",
    "test_exception_hierarchy",
    "test_exception_variations",
    "test_exceptions",
    "test_extcall",
    "test_fstring",
    "test_funcattrs",
    "test_generator_stop",
    "test_generators",
    "test_genexps",
    "test_global",
    "test_grammar",
    "test_isinstance",
    "test_iter",
    "test_keywordonlyarg",
    "test_listcomps",
    "test_metaclass",
    "test_named_expressions",
    "test_operator",
    "test_patma",
    "test_positional_only_arg",
    "test_property",
    "test_raise",
    "test_richcmp",
    "test_scope",
    "test_setcomps",
    "test_string_literals",
    "test_subclassinit",
    "test_super",
    "test_typechecks",
    "test_types",
    "test_unary",
    "test_unpack",
    "test_unpack_ex",
    "test_userdict",
    "test_with",
    "test_yield_from",
]
SLOW = ["test_descr", "test_enum", "test_functools", "test_list", "test_userlist"]


@pytest.fixture(autouse=True)
def _collections(monkeypatch):
    """Leave all that exists out of the many collections that these tests ask for.

    Finalizers that fail on purpose are no affair of others.
    """
    gc.collect()
    gc.freeze()
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    yield
    gc.collect()
    gc.unfreeze()


def differences(name: str, long: bool) -> tuple[int, dict[str, str]]:
    """Return how many tests of a module were compared, and those that differ without excuse."""
    try:
        module = suites.load(name)
    except ImportError as error:
        pytest.skip(f"this Python comes without test.{name}: {error}")
    compared, found = 0, {}
    for kind, tests in suites.cases_of(module).items():
        wanted = [test for test in tests if (f"{name}.{kind.__qualname__}.{test}" in LONG) == long]
        for test, by_cpython, by_evaluator in suites.compare_cases(kind, wanted, is_lowerable):
            compared += 1
            if by_cpython.partition(":")[0] != by_evaluator.partition(":")[0]:
                found[f"{name}.{kind.__qualname__}.{test}"] = f"{by_cpython} | {by_evaluator}"
    for test in [] if long else suites.doctests_of(module):
        outcomes = suites.compare_doctest(test, is_lowerable)
        compared += len(outcomes)
        for source, by_cpython, by_evaluator in outcomes:
            if by_cpython != by_evaluator:
                title = f"{test.name.removeprefix('test.')}: {source.strip()}"
                found[title.splitlines()[0]] = f"{by_cpython} | {by_evaluator}"
    return compared, {title: text for title, text in found.items() if title not in EXCUSED}


def is_lowerable(function) -> bool:
    try:
        code_for(function, generators=True)
    except Unlowerable as error:
        assert UNSAID.search(error.reason), error
        return False
    return True


@pytest.mark.parametrize(
    "name", [*MODULES, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_module(name: str) -> None:
    compared, found = differences(name, long=False)
    assert compared
    assert found == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({each.partition(".")[0] for each in LONG}))
def test_long(name: str) -> None:
    compared, found = differences(name, long=True)
    assert compared
    assert found == {}


class Sample(unittest.TestCase):
    """What the comparison must notice."""

    __test__ = False  # for pytest

    def test_passes(self):
        self.assertTrue(True)

    def test_fails(self):
        self.assertTrue(False)

    def test_skips(self):
        self.skipTest("no reason")


def test_outcomes_are_told_apart() -> None:
    ends = {}
    for test, by_cpython, by_evaluator in suites.compare_cases(
        Sample, ["test_passes", "test_fails", "test_skips"], lambda function: False
    ):
        assert by_cpython.partition(":")[0] == by_evaluator.partition(":")[0]
        ends[test] = by_cpython.partition(":")[0]
    assert ends == {"test_passes": "passed", "test_fails": "failed", "test_skips": "skipped"}
