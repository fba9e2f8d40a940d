"""The loops of a function: where they begin, and which instructions may end them."""

from __future__ import annotations

from typing import Final

from jitgrad.python.code import ROLES, Code, Op, next_edges

Loop = tuple[int, int]
"""The first and the last instruction; the last one jumps back to the first."""

_RAISING: Final = frozenset({Op.RAISE, Op.RERAISE})
_CONDITIONAL: Final = frozenset({Op.JUMP_IF_TRUE, Op.JUMP_IF_FALSE})


class Loops:
    """The loops of a function.

    Args:
        code: the function.
    """

    def __init__(self, code: Code) -> None:
        self.instructions = code.instructions
        ends: dict[int, int] = {}
        for end, instruction in enumerate(self.instructions):
            if ROLES[instruction[0]].endswith("t") and instruction[-1] <= end:
                ends[instruction[-1]] = end
        self._loops = sorted(ends.items(), key=lambda loop: loop[1] - loop[0])
        self._exits: dict[Loop, list[int]] = {}

    def around(self, pc: int) -> list[Loop]:
        """Return the loops around an instruction, the innermost first."""
        return [(start, end) for start, end in self._loops if start <= pc <= end]

    def head_of(self, loop: Loop) -> int | None:
        """Return the first instruction of a loop that may end it, None if it has none."""
        exits = self._exits_of(loop)
        return exits[0] if exits else None

    def turns_by_condition(self, pc: int) -> bool:
        """Is the innermost loop around `pc` one that a condition ends, and no iterator?"""
        around = self.around(pc)
        return bool(around) and self.instructions[around[0][0]][0] != Op.ADVANCE

    def may_end(self, pc: int) -> bool:
        """May this instruction end the innermost loop around it?

        Not so a `break` in a loop over an iterator, which knows its end besides.
        """
        around = self.around(pc)
        if around and not self.turns_by_condition(pc):
            return pc == around[0][0]
        return bool(around) and pc in self._exits_of(around[0])

    def may_end_by_call(self, pc: int) -> bool:
        """May what this instruction calls end the innermost loop, by its result or the negation?"""
        if ROLES[self.instructions[pc][0]][:1] != "d":
            return False
        result = self.instructions[pc][1]
        for following in range(pc + 1, len(self.instructions)):
            op, *operands = self.instructions[following]
            if op in (Op.NOT, Op.MOVE) and operands[1] == result:
                result = operands[0]
                continue
            return op in _CONDITIONAL and operands[0] == result and self.may_end(following)
        return False

    def _exits_of(self, loop: Loop) -> list[int]:
        """Return the instructions of a loop, of none within it, behind which it may be left.

        To raise is no way to leave it.
        """
        found = self._exits.get(loop)
        if found is None:
            start, end = loop
            inside = [(pc, self.instructions[pc]) for pc in range(start, end + 1)]
            turning = {start, *(pc for pc, each in inside if each[0] in _RAISING)}
            size = 0
            while size != len(turning):
                size = len(turning)
                for pc, each in inside:
                    if any(to in turning for to, _ in next_edges(each, pc)):
                        turning.add(pc)
            found = self._exits[loop] = [
                pc
                for pc, each in inside
                if pc in turning
                and self.around(pc)[0] == loop
                and any(to not in turning for to, _ in next_edges(each, pc))
            ]
        return found


def loops_of(code: Code) -> Loops:
    """Return the loops of a function, which are found once."""
    if code.loops is None:
        code.loops = Loops(code)
    return code.loops
