"""Work in several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any


def in_threads(work: Callable[[Any], None], arguments: Iterable[Any]) -> None:
    """Call `work` with each of `arguments` in a thread of its own, and wait for all of them."""
    workers = [threading.Thread(target=work, args=(each,)) for each in arguments]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
