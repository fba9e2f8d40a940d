"""What the turns of native loops need of the world outside."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.facts import SameOutcome
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Segment
from jitgrad.graph.watching import guards_for, is_familiar


class Surroundings:
    """What a segment behind the first of a path needs of the world outside.

    Decisions by numbers of run time are not among it: turns make them.
    """

    def __init__(self, segment: Segment) -> None:
        self.facts = [each for each in segment.facts if not isinstance(each, SameOutcome)]
        self._slots = segment.first_slot
        self._checked = 0
        self._guards: Any = None

    def hold(self, run: Run) -> bool:
        """Do the facts hold? What they take is in the run then."""
        run.slots += [None] * (self._slots - len(run.slots))
        if self._guards is not None:
            return self._guards(run)
        roots, slots = len(run.roots), len(run.slots)
        if not all(fact.holds(run) for fact in self.facts):
            return False
        checked = self._checked = self._checked + 1
        if is_familiar(self.facts, checked):
            self._guards = guards_for(self.facts, roots, slots)
        return True
