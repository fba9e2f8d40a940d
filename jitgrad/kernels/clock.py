"""What compiling takes."""

from __future__ import annotations

import threading


class Clock(threading.local):
    """Seconds that the present thread has spent on something so far."""

    seconds = 0.0


compiling = Clock()
"""Counts machine code that was made, and loading the compiler; not what is found on disk."""
