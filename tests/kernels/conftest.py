"""What all tests of kernels share: they are tests of native code."""

import pytest

from tests.native import IS_NATIVE, SWITCHED_OFF


@pytest.fixture(scope="session", autouse=True)
def _native() -> None:
    if not IS_NATIVE:
        pytest.skip(SWITCHED_OFF)
