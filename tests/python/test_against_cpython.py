"""A corpus of small functions, run by CPython and by the evaluator in several modes."""

from __future__ import annotations

import pytest

from tests.python import corpus_expressions
from tests.python.comparing import MODES, by_cpython, functions_of, outcome

MODULES = [corpus_expressions]
CORPUS = {f"{f.__name__}": f for module in MODULES for f in functions_of(module)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CORPUS)
def test_same_as_cpython(name: str, mode: str) -> None:
    function = CORPUS[name]
    assert outcome(MODES[mode], function) == outcome(by_cpython, function)
