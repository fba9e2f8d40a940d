"""One function for each instruction: it takes operands from the registers to the operation.

What a step answers: None, go on to the next instruction; a pair, the value and origin for the
register that the instruction writes; an int, the next pc; `Enter`; or one of the marks below.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import CellType
from typing import Any, Final

from . import matching
from .code import ROLES, Instruction, Op
from .frames import UNBOUND, Frame
from .operations import ABSENT, EXHAUSTED, Enter, GiveBack, Operations

__all__ = ["BEGUN", "GIVING_BACK", "RETURNED", "STEPS", "WRITING", "YIELDED", "Step", "raise_as_is"]

Step = Callable[[Operations, Frame, Instruction], Any]

RETURNED: Final = object()
"""The answer of a return; the value is in the register that the instruction names."""
YIELDED: Final = object()
"""The answer of a `yield` and a `yield from`; the value is in the second register of the two."""
BEGUN: Final = object()
"""The answer of the instruction that makes a generator of its frame."""


def raise_as_is(exception: BaseException) -> None:
    """Raise without touching the exception's context and traceback."""
    context, entries = exception.__context__, exception.__traceback__
    try:
        raise exception
    except BaseException:
        exception.__context__ = context
        exception.__traceback__ = entries
        raise


def _const(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return i[2], ops.constant(i[2])


def _move(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return frame.values[i[2]], frame.origins[i[2]]


def _check(ops: Operations, frame: Frame, i: Instruction) -> Any:
    if frame.values[i[1]] is UNBOUND:
        raise matching.unbound_error(i[2], i[3])


def _unbind(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return UNBOUND, None


def _load_global(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.load_global(frame, i[2])


def _store_global(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.store_global(frame, i[1], frame.values[i[2]], frame.origins[i[2]])


def _delete_global(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.delete_global(frame, i[1])


def _make_cell(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.make_cell(frame, i[2])


def _closure_cell(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.closure_cell(frame, i[2], i[3])


def _load_cell(ops: Operations, frame: Frame, i: Instruction) -> Any:
    cell = frame.values[i[2]]
    if i[4] and matching.is_empty(cell):
        raise matching.unbound_error(i[3], True)
    return ops.load_cell(frame, cell, frame.origins[i[2]], i[3])


def _store_cell(ops: Operations, frame: Frame, i: Instruction) -> Any:
    values, origins = frame.values, frame.origins
    return ops.store_cell(frame, values[i[1]], origins[i[1]], i[2], values[i[3]], origins[i[3]])


def _delete_cell(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.delete_cell(frame, frame.values[i[1]], frame.origins[i[1]], i[2])


def _get_attribute(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.get_attribute(frame.values[i[2]], frame.origins[i[2]], i[3])


def _set_attribute(ops: Operations, frame: Frame, i: Instruction) -> Any:
    values, origins = frame.values, frame.origins
    return ops.set_attribute(values[i[1]], origins[i[1]], i[2], values[i[3]], origins[i[3]])


def _delete_attribute(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.delete_attribute(frame.values[i[1]], frame.origins[i[1]], i[2])


def _unary(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.unary(i[2], frame.values[i[3]], frame.origins[i[3]])


def _not(ops: Operations, frame: Frame, i: Instruction) -> Any:
    truth = ops.truth(frame.values[i[2]], frame.origins[i[2]])
    if isinstance(truth, Enter):
        return truth
    return not truth, ops.constant(not truth)


def _binary(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, op, left, right = i
    values, origins = frame.values, frame.origins
    return ops.binary(op, values[left], origins[left], values[right], origins[right])


def _inplace(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, op, left, right = i
    values, origins = frame.values, frame.origins
    return ops.inplace(op, values[left], origins[left], values[right], origins[right])


def _compare(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, op, left, right = i
    values, origins = frame.values, frame.origins
    return ops.compare(op, values[left], origins[left], values[right], origins[right])


def _build(ops: Operations, frame: Frame, i: Instruction) -> Any:
    values, origins = frame.values, frame.origins
    return ops.build(i[2], [values[r] for r in i[3]], [origins[r] for r in i[3]])


def _one(name: str, at: int) -> Step:
    """Return the step of an instruction whose operation takes one register, at operand `at`."""

    def step(ops: Operations, frame: Frame, i: Instruction) -> Any:
        return getattr(ops, name)(frame.values[i[at]], frame.origins[i[at]], *i[at + 1 :])

    return step


def _two(name: str, at: int) -> Step:
    """Return the step of an instruction whose operation takes two registers and what follows."""

    def step(ops: Operations, frame: Frame, i: Instruction) -> Any:
        values, origins = frame.values, frame.origins
        left, right = i[at], i[at + 1]
        return getattr(ops, name)(
            values[left], origins[left], values[right], origins[right], *i[at + 2 :]
        )

    return step


def _three(name: str) -> Step:
    """Return the step of an instruction that takes three registers and writes none."""

    def step(ops: Operations, frame: Frame, i: Instruction) -> Any:
        values, origins = frame.values, frame.origins
        _, a, b, c = i
        return getattr(ops, name)(
            values[a], origins[a], values[b], origins[b], values[c], origins[c]
        )

    return step


def _spread_tuple(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, value, callee = i
    values, origins = frame.values, frame.origins
    return ops.arguments_tuple(values[callee], origins[callee], values[value], origins[value])


def _join_string(ops: Operations, frame: Frame, i: Instruction) -> Any:
    values, origins = frame.values, frame.origins
    return ops.join_string([values[r] for r in i[2]], [origins[r] for r in i[2]])


def _format(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, value, conversion, spec = i
    values, origins = frame.values, frame.origins
    if spec is None:
        return ops.format_value(values[value], origins[value], conversion)
    return ops.format_value(values[value], origins[value], conversion, values[spec], origins[spec])


def _unpack(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, targets, source, before, has_star, after = i
    values, origins = frame.values, frame.origins
    parts = ops.unpack(values[source], origins[source], before, has_star, after)
    if isinstance(parts, Enter):
        return parts
    for register, (value, origin) in zip(targets, parts):
        values[register] = value
        origins[register] = origin
    return None


def _advance(ops: Operations, frame: Frame, i: Instruction) -> Any:
    answer = ops.advance(frame.values[i[2]], frame.origins[i[2]])
    return i[3] if answer is EXHAUSTED else answer


def _call(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, callee, arguments, names, keywords = i
    values, origins = frame.values, frame.origins
    return ops.call(
        frame,
        values[callee],
        origins[callee],
        [values[r] for r in arguments],
        [origins[r] for r in arguments],
        {name: values[r] for name, r in zip(names, keywords)} if names else {},
        {name: origins[r] for name, r in zip(names, keywords)} if names else {},
    )


def _call_spread(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, callee, args, kwargs = i
    values, origins = frame.values, frame.origins
    if kwargs is None:
        spread = ops.spread(values[args], origins[args], None, None)
    else:
        spread = ops.spread(values[args], origins[args], values[kwargs], origins[kwargs])
    return ops.call(frame, values[callee], origins[callee], *spread)


def _call_super(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, callee, cell, first = i
    values, origins = frame.values, frame.origins
    if values[callee] is not builtins.super:
        return ops.call(frame, values[callee], origins[callee], [], [], {}, {})
    if first is None:
        raise RuntimeError("super(): no arguments")
    if values[first] is UNBOUND:
        raise RuntimeError("super(): arg[0] deleted")
    if cell is None:
        raise RuntimeError("super(): __class__ cell not found")
    given = values[first], origins[first]
    if isinstance(values[first], CellType):
        if matching.is_empty(values[first]):
            raise RuntimeError("super(): arg[0] deleted")
        given = ops.load_cell(frame, *given, frame.code.parameters.names[0])
    if matching.is_empty(values[cell]):
        raise RuntimeError("super(): empty __class__ cell")
    owner = ops.load_cell(frame, values[cell], origins[cell], "__class__")
    assert isinstance(owner, tuple) and isinstance(given, tuple)
    return ops.call(
        frame,
        values[callee],
        origins[callee],
        [owner[0], given[0]],
        [owner[1], given[1]],
        {},
        {},
    )


def _make_function(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, _, code, qualname, defaults, keyword_defaults, annotations, cells = i
    values, origins = frame.values, frame.origins
    parts: list[Any] = []
    for register in (defaults, keyword_defaults, annotations):
        parts += (None, None) if register is None else (values[register], origins[register])
    parts += [values[r] for r in cells], [origins[r] for r in cells]
    return ops.make_function(frame, code, qualname, *parts)


def _import_name(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.import_name(frame, i[2], i[3], i[4])


def _jump(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return i[1]


def _jump_if_true(ops: Operations, frame: Frame, i: Instruction) -> Any:
    truth = ops.truth(frame.values[i[1]], frame.origins[i[1]])
    return i[2] if truth is True else None if truth is False else truth


def _jump_if_false(ops: Operations, frame: Frame, i: Instruction) -> Any:
    truth = ops.truth(frame.values[i[1]], frame.origins[i[1]])
    return i[2] if truth is False else None if truth is True else truth


def _jump_unless_caught(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, exception, wanted, target = i
    values, origins = frame.values, frame.origins
    caught = ops.caught(values[exception], origins[exception], values[wanted], origins[wanted])
    return None if caught else target


def _return(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return RETURNED


def _raise(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, exception, cause = i
    values, origins = frame.values, frame.origins
    operands = [ABSENT, None] if exception is None else [values[exception], origins[exception]]
    if cause is not None:
        operands += [values[cause], origins[cause]]
    return ops.raise_exception(*operands)


def _reraise(ops: Operations, frame: Frame, i: Instruction) -> Any:
    raise_as_is(frame.values[i[1]])


def _forget(ops: Operations, frame: Frame, i: Instruction) -> Any:
    for register in i[1]:
        frame.values[register] = UNBOUND
        frame.origins[register] = None


def _load_build_class(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return ops.load_build_class(frame)


def _split_group(ops: Operations, frame: Frame, i: Instruction) -> Any:
    _, targets, exception, wanted = i
    values, origins = frame.values, frame.origins
    parts = ops.split_group(values[exception], origins[exception], values[wanted], origins[wanted])
    for register, (value, origin) in zip(targets, parts):
        values[register] = value
        origins[register] = origin


def _generator(ops: Operations, frame: Frame, i: Instruction) -> Any:
    return BEGUN


def _yield(ops: Operations, frame: Frame, i: Instruction) -> Any:
    ops.hand_out(frame)
    return YIELDED


def _yield_from(ops: Operations, frame: Frame, i: Instruction) -> Any:
    answer = ops.delegate(frame, frame.values[i[2]], frame.origins[i[2]])
    return YIELDED if answer is None else answer


_TABLE: Final[dict[Op, Step]] = {
    Op.CONST: _const,
    Op.MOVE: _move,
    Op.CHECK: _check,
    Op.UNBIND: _unbind,
    Op.LOAD_GLOBAL: _load_global,
    Op.STORE_GLOBAL: _store_global,
    Op.DELETE_GLOBAL: _delete_global,
    Op.MAKE_CELL: _make_cell,
    Op.CLOSURE_CELL: _closure_cell,
    Op.LOAD_CELL: _load_cell,
    Op.STORE_CELL: _store_cell,
    Op.DELETE_CELL: _delete_cell,
    Op.GET_ATTRIBUTE: _get_attribute,
    Op.SET_ATTRIBUTE: _set_attribute,
    Op.DELETE_ATTRIBUTE: _delete_attribute,
    Op.GET_ITEM: _two("get_item", 2),
    Op.SET_ITEM: _three("set_item"),
    Op.DELETE_ITEM: _two("delete_item", 1),
    Op.UNARY: _unary,
    Op.NOT: _not,
    Op.BINARY: _binary,
    Op.INPLACE: _inplace,
    Op.COMPARE: _compare,
    Op.BUILD: _build,
    Op.APPEND: _two("append", 1),
    Op.ADD_TO_SET: _two("add_to_set", 1),
    Op.STORE_IN_DICT: _three("store_in_dict"),
    Op.EXTEND_LIST: _two("extend_list", 1),
    Op.UPDATE_SET: _two("update_set", 1),
    Op.UPDATE_DICT: _two("update_dict", 1),
    Op.MERGE_KEYWORDS: _three("merge_keywords"),
    Op.SPREAD_TUPLE: _spread_tuple,
    Op.LIST_TO_TUPLE: _one("list_to_tuple", 2),
    Op.JOIN_STRING: _join_string,
    Op.FORMAT: _format,
    Op.UNPACK: _unpack,
    Op.ITERATE: _one("iterate", 2),
    Op.ADVANCE: _advance,
    Op.CALL: _call,
    Op.CALL_SPREAD: _call_spread,
    Op.CALL_SUPER: _call_super,
    Op.MAKE_FUNCTION: _make_function,
    Op.IMPORT_NAME: _import_name,
    Op.IMPORT_FROM: _one("import_from", 2),
    Op.LOAD_SPECIAL: _one("load_special", 2),
    Op.MATCH_SEQUENCE: _one("match_sequence", 2),
    Op.MATCH_MAPPING: _one("match_mapping", 2),
    Op.MATCH_KEYS: _two("match_keys", 2),
    Op.MATCH_CLASS: _two("match_class", 2),
    Op.GET_LENGTH: _one("get_length", 2),
    Op.JUMP: _jump,
    Op.JUMP_IF_TRUE: _jump_if_true,
    Op.JUMP_IF_FALSE: _jump_if_false,
    Op.JUMP_UNLESS_CAUGHT: _jump_unless_caught,
    Op.RETURN: _return,
    Op.RAISE: _raise,
    Op.RERAISE: _reraise,
    Op.EXCEPTION_PART: _one("exception_part", 2),
    Op.LOAD_BUILD_CLASS: _load_build_class,
    Op.SPLIT_GROUP: _split_group,
    Op.JOIN_GROUPS: _two("join_groups", 2),
    Op.GENERATOR: _generator,
    Op.YIELD: _yield,
    Op.YIELD_FROM: _yield_from,
    Op.FORGET: _forget,
}
STEPS: Final[list[Step]] = [_TABLE[op] for op in Op]


def _give_back(ops: Operations, frame: Frame, i: Instruction) -> Any:
    raise GiveBack


GIVING_BACK: Final[list[Step]] = [_give_back] * len(STEPS)
"""The steps of an evaluator that is to go on without the frames of generators."""
WRITING: Final = frozenset(op for op in Op if ROLES[op].startswith("d"))
