"""Functions that have to be recorded too often run eagerly for a while, each time for longer."""

from __future__ import annotations

import warnings

from jitgrad import config

FIRST_REST, LONGEST_REST = 256, 1 << 16
"""For how many calls a function rests."""


class Resting:
    """Whether recording a function pays.

    Attributes:
        misses: how many calls in a row had to be recorded.
        left: for how many calls it rests now.
        why: the reason of the last rest.
    """

    def __init__(self) -> None:
        self.misses = 0
        self.left = 0
        self.why = ""
        self._latest = 0

    def rests(self) -> bool:
        """Does it rest at this call?"""
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def count_miss(self, name: str, is_full: bool, ended: tuple[str, int] | None) -> None:
        """Count a call that had to be recorded; let the function rest where that does not pay.

        Args:
            name: of the function.
            is_full: too much has been recorded.
            ended: the file and line at which the last recording ended.
        """
        self.misses += 1
        if is_full:
            what = f"{config.max_segments} segments were recorded"
        elif self.misses > config.max_misses:
            what = f"{self.misses} calls in a row had to be recorded"
        else:
            return
        was_told = self._latest > 0
        self._latest = self.left = min(max(4 * self._latest, FIRST_REST), LONGEST_REST)
        # so that it rests again soon if nothing has changed
        self.misses = max(config.max_misses - 2, 0)
        file, line = ("?", 0) if ended is None else ended
        self.why = f"{what}; the last one ended at {file}:{line}"
        if not was_told:
            warnings.warn(
                f"jitgrad.compile: {name} runs eagerly for {self.left} calls: {self.why}. "
                "Values that differ at every call and decide what Python does make new traces: "
                "lengths, names, integers that are sizes or positions. Keep them out of the "
                "function, or raise jitgrad.config.max_segments and max_misses.",
                stacklevel=4,
            )
