"""What tests of native code share: they are left out where it is switched off."""

import pytest

from jitgrad import config

IS_NATIVE = config.program == "native"
"""Is native code asked for, as it is unless `JITGRAD_PROGRAM` says otherwise?"""

SWITCHED_OFF = "JITGRAD_PROGRAM=python switches native code off"

needs_native = pytest.mark.skipif(not IS_NATIVE, reason=SWITCHED_OFF)
