"""What tests that interrupt programs by timers share."""

import signal

import pytest

needs_timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timers that raise signals"
)
