"""What the tests and the examples in docstrings share: a place for compiled kernels."""

import os
import shutil
import tempfile

import pytest

MADE = None
if "PYTEST_XDIST_WORKER" not in os.environ:
    # one for a run, for all its processes, and never the user's own
    MADE = os.environ["JITGRAD_CACHE_DIR"] = tempfile.mkdtemp(prefix="jitgrad-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if MADE is not None:
        shutil.rmtree(MADE, ignore_errors=True)
