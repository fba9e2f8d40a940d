"""Lowering of `match`: patterns test and take apart; names are bound when the whole has matched."""

from __future__ import annotations

import ast

from .builder import Label
from .calls import Calls
from .code import Op

__all__ = ["Patterns"]

Captures = dict[str, int]


class Patterns(Calls):
    """Each pattern jumps to `fails`, or goes on with its captures noted."""

    def pattern(self, node: ast.pattern, subject: int, fails: Label, captures: Captures) -> None:
        method = getattr(self, "pattern_" + type(node).__name__)
        with self.located(node):
            method(node, subject, fails, captures)

    def pattern_MatchValue(
        self, node: ast.MatchValue, subject: int, fails: Label, captures: Captures
    ) -> None:
        value = self.expression(node.value)
        self.emit(Op.JUMP_IF_FALSE, self.make(Op.COMPARE, "==", subject, value), fails)

    def pattern_MatchSingleton(
        self, node: ast.MatchSingleton, subject: int, fails: Label, captures: Captures
    ) -> None:
        value = self.constant(node.value)
        self.emit(Op.JUMP_IF_FALSE, self.make(Op.COMPARE, "is", subject, value), fails)

    def pattern_MatchAs(
        self, node: ast.MatchAs, subject: int, fails: Label, captures: Captures
    ) -> None:
        if node.pattern is not None:
            self.pattern(node.pattern, subject, fails, captures)
        if node.name is not None:
            captures[node.name] = subject

    def pattern_MatchStar(
        self, node: ast.MatchStar, subject: int, fails: Label, captures: Captures
    ) -> None:
        if node.name is not None:
            captures[node.name] = subject

    def pattern_MatchOr(
        self, node: ast.MatchOr, subject: int, fails: Label, captures: Captures
    ) -> None:
        matched = Label()
        common: Captures = {}
        for index, alternative in enumerate(node.patterns):
            last = index == len(node.patterns) - 1
            following = fails if last else Label()
            found: Captures = {}
            self.pattern(alternative, subject, following, found)
            for name, register in found.items():
                if name not in common:
                    common[name] = self.temporary()
                self.emit(Op.MOVE, common[name], register)
            if not last:
                self.emit(Op.JUMP, matched)
                self.place(following)
        self.place(matched)
        captures.update(common)

    def pattern_MatchSequence(
        self, node: ast.MatchSequence, subject: int, fails: Label, captures: Captures
    ) -> None:
        self.emit(Op.JUMP_IF_FALSE, self.make(Op.MATCH_SEQUENCE, subject), fails)
        parts = node.patterns
        size = len(parts)
        star = next((i for i, p in enumerate(parts) if isinstance(p, ast.MatchStar)), None)
        if star is None:
            self._check_length(subject, "==", size, fails)
        elif size > 1:
            self._check_length(subject, ">=", size - 1, fails)
        starred = None if star is None else parts[star]
        if all(map(_is_wildcard, parts)):
            return
        if star is not None and starred is not None and _is_wildcard(starred):
            self._by_index(parts, star, subject, fails, captures)
            return
        before = size if star is None else star
        after = 0 if star is None else size - star - 1
        registers = tuple(self.temporary() for _ in parts)
        self.emit(Op.UNPACK, registers, subject, before, star is not None, after)
        for part, register in zip(parts, registers):
            self.pattern(part, register, fails, captures)

    def _check_length(self, subject: int, op: str, size: int, fails: Label) -> None:
        length = self.make(Op.GET_LENGTH, subject)
        result = self.make(Op.COMPARE, op, length, self.constant(size))
        self.emit(Op.JUMP_IF_FALSE, result, fails)

    def _by_index(
        self,
        parts: list[ast.pattern],
        star: int,
        subject: int,
        fails: Label,
        captures: Captures,
    ) -> None:
        """Take items one by one, since `[a, *_, b]` needs no list of the middle."""
        for index, part in enumerate(parts):
            if index == star or _is_wildcard(part):
                continue
            if index < star:
                key = self.constant(index)
            else:
                length = self.make(Op.GET_LENGTH, subject)
                key = self.make(Op.BINARY, "-", length, self.constant(len(parts) - index))
            self.pattern(part, self.make(Op.GET_ITEM, subject, key), fails, captures)

    def pattern_MatchMapping(
        self, node: ast.MatchMapping, subject: int, fails: Label, captures: Captures
    ) -> None:
        self.emit(Op.JUMP_IF_FALSE, self.make(Op.MATCH_MAPPING, subject), fails)
        size = len(node.keys)
        if not size and node.rest is None:
            return
        if size:
            self._check_length(subject, ">=", size, fails)
        keys = tuple(self.copied(self.expression(key)) for key in node.keys)
        key_tuple = self.make(Op.BUILD, "tuple", keys)
        found = self.make(Op.MATCH_KEYS, subject, key_tuple)
        self.jump_if_none(found, fails)
        registers = tuple(self.temporary() for _ in keys)
        self.emit(Op.UNPACK, registers, found, size, False, 0)
        for part, register in zip(node.patterns, registers):
            self.pattern(part, register, fails, captures)
        if node.rest is not None:
            rest = self.make(Op.BUILD, "dict", ())
            self.emit(Op.UPDATE_DICT, rest, subject)
            for key in keys:
                self.emit(Op.DELETE_ITEM, rest, key)
            captures[node.rest] = rest

    def jump_if_none(self, register: int, target: Label) -> None:
        result = self.make(Op.COMPARE, "is", register, self.constant(None))
        self.emit(Op.JUMP_IF_TRUE, result, target)

    def pattern_MatchClass(
        self, node: ast.MatchClass, subject: int, fails: Label, captures: Captures
    ) -> None:
        wanted = self.expression(node.cls)
        positional = len(node.patterns)
        names = tuple(node.kwd_attrs)
        found = self.make(Op.MATCH_CLASS, subject, wanted, positional, names)
        self.jump_if_none(found, fails)
        parts = [*node.patterns, *node.kwd_patterns]
        registers = tuple(self.temporary() for _ in parts)
        self.emit(Op.UNPACK, registers, found, len(parts), False, 0)
        for part, register in zip(parts, registers):
            self.pattern(part, register, fails, captures)


def _is_wildcard(node: ast.pattern) -> bool:
    if isinstance(node, ast.MatchStar):
        return node.name is None
    return isinstance(node, ast.MatchAs) and node.name is None and node.pattern is None
