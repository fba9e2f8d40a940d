"""A corpus of small functions, run by CPython and by the evaluator in several modes."""

from __future__ import annotations

import pytest

from tests.python import (
    corpus_classes,
    corpus_exceptions,
    corpus_expressions,
    corpus_functions,
    corpus_generators,
    corpus_groups,
    corpus_statements,
)
from tests.python.comparing import MODES, by_cpython, functions_of, outcome

MODULES = [
    corpus_expressions,
    corpus_statements,
    corpus_exceptions,
    corpus_functions,
    corpus_generators,
    corpus_classes,
    corpus_groups,
]
CORPUS = {
    f"{module.__name__.rpartition('_')[2]}.{function.__name__}": function
    for module in MODULES
    for function in functions_of(module)
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CORPUS)
def test_same_as_cpython(name: str, mode: str) -> None:
    function = CORPUS[name]
    assert outcome(MODES[mode], function) == outcome(by_cpython, function)
