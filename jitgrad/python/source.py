"""From a running code object to the syntax tree it was compiled from, if that can be trusted."""

from __future__ import annotations

import ast
import linecache
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, NamedTuple

from jitgrad.bounded import Bounded

from .code import Unlowerable

__all__ = [
    "Definition",
    "Nested",
    "Node",
    "constant_key",
    "definition_of",
    "match_nested",
    "provide_text",
    "text_of",
    "type_parameters",
]

Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.GeneratorExp
Nested = Node | ast.ClassDef
"""What has a code object of its own inside that of the function around it."""
_FUTURE_FLAGS = 0x1FE0000  # CO_FUTURE_*, the flags that compile() takes
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>")
_COMPARED = (
    "co_name",
    "co_qualname",
    "co_firstlineno",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_exceptiontable",
)


class Definition(NamedTuple):
    """The syntax of one function, and the class around it, whose name mangles `__private` names."""

    node: Node
    class_name: str | None


@dataclass(frozen=True, slots=True)
class _File:
    lines: list[str]
    codes: dict[tuple[str, int], list[CodeType]]
    nodes: dict[tuple[str, int], list[Definition]]


_files: Bounded[tuple[str, int], _File] = Bounded(1 << 8)
_texts: Bounded[int, tuple[CodeType, str]] = Bounded(1 << 10)


def provide_text(code: CodeType, text: str) -> None:
    """Remember a text that may be the source of code which comes from no file."""
    _texts.put(id(code), (code, text))


def text_of(code: CodeType) -> str | None:
    """Return what was provided for code, None if nothing was."""
    known = _texts.get(id(code))
    return None if known is None else known[1]


def definition_of(code: CodeType, module_globals: dict[str, Any] | None = None) -> Definition:
    """Return the syntax tree of `code`.

    The source is believed only if compiling it again yields the running code object: an edited
    file, rewritten asserts, or code put together by hand must not be evaluated as something else.

    Raises:
        Unlowerable: there is no source, or it is not the source of the running code.
    """
    file = _file(code, module_globals)
    key = (code.co_name, code.co_firstlineno)
    for candidate in file.codes.get(key, ()):
        if _same_code(candidate, code):
            break
    else:
        raise Unlowerable("source differs from the running code", code.co_firstlineno)
    definitions = {id(d.node): d for d in file.nodes.get(key, [])}
    found = _assign([code], {id(d.node): (d.node, key) for d in definitions.values()})
    if not found:
        raise Unlowerable(f"cannot tell which {code.co_name} of the line it is", key[1])
    return definitions[id(found[0][0])]


def match_nested(code: CodeType, nodes: Sequence[Nested]) -> dict[int, CodeType]:
    """Return `id(node) -> code constant` for the functions and classes directly inside `code`.

    That of one with type parameters is the function that makes those, and then the thing itself.

    A node that CPython compiled away (`if False: ...`) has no entry.
    """
    constants = list(_nested(code))
    keys = {id(node): (node, _nested_key(node)) for node in nodes}
    found = _assign(constants, keys)
    matched = {id(constant) for _, constant in found}
    lost = {(c.co_name, c.co_firstlineno) for c in constants if id(c) not in matched}
    result = {id(node): constant for node, constant in found}
    for node in nodes:
        if id(node) in result:
            continue
        for constant in constants:
            if _box(constant) is None and _returns_constant(node, constant):
                result[id(node)] = constant
                break
        else:
            if keys[id(node)][1] in lost:
                name, line = keys[id(node)][1]
                raise Unlowerable(f"cannot tell the {name} of one line apart", line)
    return result


def _assign(
    codes: Iterable[CodeType], keys: Mapping[int, tuple[Nested, tuple[str, int]]]
) -> list[tuple[Nested, CodeType]]:
    """Pair each code with the smallest definition that encloses its instructions.

    Name and first line settle `def`; two lambdas on one line are told apart by columns.
    """
    result: list[tuple[Nested, CodeType]] = []
    for code in codes:
        wanted = code.co_name, code.co_firstlineno
        same = [node for node, key in keys.values() if key == wanted]
        if len(same) > 1:
            box = _box(code)
            if box is None:
                same = [node for node in same if _returns_constant(node, code)][:1]
            else:
                same = [node for node in same if _encloses(node, box)]
            same.sort(key=_extent)
            if len(same) > 1 and _extent(same[0]) == _extent(same[1]):
                same = []
        if same:
            result.append((same[0], code))
    return result


def _nested(code: CodeType) -> Iterator[CodeType]:
    """Yield nested code constants; those of list, set and dict displays count as the function's."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name in _INLINE:
                yield from _nested(constant)
            else:
                yield constant


def _file(code: CodeType, module_globals: dict[str, Any] | None) -> _File:
    filename = code.co_filename
    text = text_of(code)
    if text is None:
        linecache.checkcache(filename)
        lines = linecache.getlines(filename, module_globals)
    else:
        filename, lines = text, text.splitlines(keepends=True)
    if not lines:
        raise Unlowerable("no source", code.co_firstlineno)
    flags = code.co_flags & _FUTURE_FLAGS
    file = _files.get((filename, flags))
    if file is None or (file.lines is not lines and file.lines != lines):
        file = _read(lines, filename, flags)
        _files.pop((filename, flags), None)
        _files.put((filename, flags), file)
    return file


def _read(lines: list[str], filename: str, flags: int) -> _File:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(
                "".join(lines), filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True
            )
            module = compile(tree, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Unlowerable(f"the source does not compile: {error}") from None
    codes: dict[tuple[str, int], list[CodeType]] = {}
    todo = [module]
    while todo:
        for constant in todo.pop().co_consts:
            if isinstance(constant, CodeType):
                codes.setdefault((constant.co_name, constant.co_firstlineno), []).append(constant)
                todo.append(constant)
    nodes: dict[tuple[str, int], list[Definition]] = {}
    pending: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while pending:
        node, class_name = pending.pop()
        if isinstance(node, Node):
            nodes.setdefault(_key(node), []).append(Definition(node, class_name))
        outer = class_name
        if isinstance(node, ast.ClassDef):
            class_name = node.name
        for child in ast.iter_child_nodes(node):
            inside = not isinstance(node, ast.ClassDef) or child in node.body
            pending.append((child, class_name if inside else outer))
    return _File(lines, codes, nodes)


def _nested_key(node: Nested) -> tuple[str, int]:
    name, line = _key(node)
    return (f"<generic parameters of {name}>" if type_parameters(node) else name), line


def type_parameters(node: Nested) -> list[ast.AST]:
    """Return the type parameters of a definition, which Python has since 3.12."""
    return getattr(node, "type_params", [])


def _key(node: Nested) -> tuple[str, int]:
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    if isinstance(node, ast.GeneratorExp):
        return "<genexpr>", node.lineno
    first = node.decorator_list[0] if node.decorator_list else node
    return node.name, first.lineno


def _body_box(node: Nested) -> tuple[int, int, int, int]:
    """Return (line, column, end line, end column) of what runs inside the function."""
    if isinstance(node, ast.GeneratorExp):
        first: ast.AST = node
        last: ast.AST = node
    elif isinstance(node, ast.Lambda):
        first = last = node.body
    else:
        first, last = node.body[0], node.body[-1]
    return first.lineno, first.col_offset, last.end_lineno, last.end_col_offset  # type: ignore


def _extent(node: Nested) -> tuple[int, int]:
    line, column, end_line, end_column = _body_box(node)
    return end_line - line, end_column - column


def _encloses(node: Nested, box: tuple[int, int, int, int]) -> bool:
    own = _body_box(node)
    return own[:2] <= box[:2] and box[2:] <= own[2:]


def _returns_constant(node: Nested, code: CodeType) -> bool:
    """Tell whether the code could be that of a lambda with a constant as its body.

    Python 3.12 notes no columns for these; any two that agree here do the same.
    """
    if not isinstance(node, ast.Lambda) or _key(node) != (code.co_name, code.co_firstlineno):
        return False
    try:
        value = constant_key(ast.literal_eval(node.body))
    except (ValueError, TypeError):
        return False
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return list(code.co_varnames) == names and value in map(constant_key, code.co_consts)


def _box(code: CodeType) -> tuple[int, int, int, int] | None:
    """Return what the instructions of `code` span, without those that set up the frame."""
    starts: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if end_column == 0 and column == 0:
            continue
        starts.append((line, column))
        ends.append((end_line, end_column))
    return (*min(starts), *max(ends)) if starts else None


def constant_key(value: object) -> object:
    """Return a key under which only constants that nothing can tell apart are equal."""
    if isinstance(value, tuple):
        return tuple, tuple(constant_key(item) for item in value)
    if isinstance(value, frozenset):
        return frozenset, frozenset(constant_key(item) for item in value)
    if isinstance(value, float):
        return float, struct.pack("d", value)
    if isinstance(value, complex):
        return complex, struct.pack("dd", value.real, value.imag)
    return type(value), value


def _same_code(left: CodeType, right: CodeType) -> bool:
    if left is right:
        return True
    if any(getattr(left, name) != getattr(right, name) for name in _COMPARED):
        return False
    if left.co_linetable != right.co_linetable and list(left.co_lines()) != list(right.co_lines()):
        return False
    if len(left.co_consts) != len(right.co_consts):
        return False
    for a, b in zip(left.co_consts, right.co_consts):
        if isinstance(a, CodeType) and isinstance(b, CodeType):
            if not _same_code(a, b):
                return False
        elif (
            isinstance(a, CodeType) or isinstance(b, CodeType) or constant_key(a) != constant_key(b)
        ):
            return False
    return True
