"""What all tests share."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A first call compiles, which takes longer than any deadline; and a run must be repeatable.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz", type=int, metavar="N", help="compare N random programs, others on each run"
    )
    parser.addoption(
        "--stress",
        type=int,
        metavar="N",
        help="make and free N graphs in several threads",
    )


def pytest_configure() -> None:
    """Let SIGINT raise: it is ignored in what a shell starts in the background, and tests wait."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the collector not look at what stays: 23,000 tests are a million objects of pytest's.

    And let it look at all others less often: what tests leave in caches becomes many, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 50)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Do not look for doctests in what tests share.

    Where PyTorch is missing, a module that says so when it is imported would be left behind,
    half of it, for the tests that import it.
    """
    name = collection_path.name
    return True if name.endswith(".py") and not name.startswith("test_") else None


@pytest.fixture(scope="session", autouse=True)
def _poison() -> Iterator[None]:
    """Nothing may be read that is unwritten or freed, in any test."""
    if os.name != "posix":
        yield
        return
    # Numba is loaded by processes that run tests, not by those that only collect them
    from tests.poison import poisoned

    with poisoned():
        yield
