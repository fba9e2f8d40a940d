"""Texts: what is known of them, and which numbers of run time are written in them.

A number does not change once it is there. So a text with numbers of run time need not be made where
the program makes it: it has an origin that says how, and a replay makes it where somebody sees it,
an effect, a result, or what Python does. What asks for its contents is for Python.
"""

from __future__ import annotations

import functools
import operator
import re
import string
from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.contents import content_class
from jitgrad.graph.knowledge import is_plain_tensor
from jitgrad.graph.operators import NUMBERS, OperatorRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Field, Origin, Parts, Runtime, Text, parts
from jitgrad.graph.performing import PLAIN_TYPES
from jitgrad.python import protocols, stand_ins
from jitgrad.python.operations import ABSENT

CONVERSIONS: dict[str, Callable] = {"s": str, "r": repr, "a": ascii}
TEXT_METHODS = (
    "capitalize", "casefold", "center", "expandtabs", "ljust", "lower", "lstrip", "removeprefix",
    "removesuffix", "replace", "rjust", "rstrip", "strip", "swapcase", "title", "upper", "zfill",
)  # fmt: skip
"""Those that make a text of any text, whatever is in it."""
DIGITS = (bin, hex, oct)
BRACKETS = {list: "[]", tuple: "()", dict: "{}"}
FLOATING = "eEfFgG%n"
"""What ends a format that turns an integer into a float."""
TEMPLATE = re.compile(r"%(?:%|[#0\- +]*\d*(?:\.\d*)?[hlL]?([a-zA-Z]))")
"""A conversion of `text % values`, but for those by name and those that take their widths."""

Found = tuple[Any, Any]
"""A value and its origin."""


def _percent(template: str, value: Any) -> str:
    return template % (value,)


def _formatted(spec: str, value: Any) -> str:
    return format(value, spec)


def _called(name: str, given: tuple) -> str:
    return getattr(str, name)(*given)


def joined(found: Any) -> Found:
    """Return what texts are together."""
    found = list(found)
    pieces: list[str | Field] = []
    for value, origin in found:
        for each in origin.pieces if isinstance(origin, Text) else (value,):
            if type(each) is str and pieces and type(pieces[-1]) is str:
                pieces[-1] += each
            elif each != "":
                pieces.append(each)
    whole = "".join([value for value, _ in found])
    known = all(type(each) is str for each in pieces)
    return whole, KNOWN if known else Text(tuple(pieces))


def plan_of(template: str, count: int) -> tuple | None:
    """Return how `template % values` is put together; None if that is not known.

    Returns:
        Known texts, each with the number of the value behind it, what converts that, and how it is
        written.
    """
    plan, at, begin = [], 0, 0
    while (percent := template.find("%", begin)) >= 0:
        found = TEMPLATE.match(template, percent)
        if found is None:
            return None
        literal, begin = template[begin:percent], found.end()
        if found[1] is None:
            plan.append((literal + "%", None, None, ""))
            continue
        convert, template_of_one = CONVERSIONS.get(found[1]), found[0]
        if convert is not None:
            template_of_one = f"{template_of_one[:-1]}s"
        plan.append((literal, at, convert, template_of_one))
        at += 1
    plan.append((template[begin:], None, None, ""))
    return tuple(plan) if at == count else None


def fields_of(template: str, count: int, names: list[str]) -> tuple | None:
    """Return the same of `template.format(*values, **named)`, whose values are in one row."""
    plan: list[tuple] = []
    automatic = 0
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            if name is None:
                plan.append((literal, None, None, ""))
                continue
            if not name:
                at = automatic
                automatic += 1
            else:
                at = count + names.index(name) if name in names else int(name)
                if name.isdigit() and automatic:
                    return None
            if "{" in (spec or "") or at >= count + len(names):
                return None
            plan.append((literal, at, CONVERSIONS[conversion] if conversion else None, spec))
    except (KeyError, ValueError):
        return None
    return tuple(plan)


class TextRules(OperatorRules):
    """What makes a text, and what makes one of others."""

    def field(self, function: Callable, shown: str, value: Any, origin: Origin) -> Any:
        """Return what a function makes of a value: a text, whatever the value is."""
        try:
            made = function(value)
        except BaseException as error:
            self.leave(f"it raised {type(error).__name__}")
            raise
        return made, Text((Field(function, shown, value, origin),))

    # -- one value ----------------------------------------------------------------------------

    def _has_plain_text(self, value: Any) -> bool:
        if type(value) is tuple:
            return all(map(self._has_plain_text, value))
        return type(value) in PLAIN_TYPES and type(value) is not slice

    def shown(self, function: Callable, value: Any, origin: Any) -> Any:
        """Do what `str`, `repr` or `ascii` does; None if that is not known."""
        if origin is KNOWN and self._has_plain_text(value):
            return self._folded(function, (value,))
        if isinstance(origin, Text) and function is str:
            return value, origin
        if isinstance(origin, (Runtime, Text)):
            return self.field(function, f"{function.__name__}({{0}})", value, origin)
        inside = self._inside(ascii if function is ascii else repr, value, origin, ())
        return self._user_text(function, value, origin) if inside is None else inside

    def _inside(self, function: Callable, value: Any, origin: Any, within: tuple) -> Any:
        """Return the text of a container with those of its elements; None if it is not known."""
        kind = type(value)
        if kind not in BRACKETS or any(value is each for each in within):
            return None
        if isinstance(self.object(value), int) or (kind is tuple and not isinstance(origin, Parts)):
            # how long it is, and what is in it, would be guarded
            return None
        found = self._all_elements(value, origin)
        if found is None:
            return None
        texts = []
        for each, known in found:
            if type(each) in BRACKETS and known is not KNOWN:
                texts.append(self._inside(function, each, known, (*within, value)))
            else:
                plain = isinstance(known, (Runtime, Text)) or known is KNOWN
                texts.append(self.shown(function, each, known) if plain else None)
            if type(texts[-1]) is not tuple:
                return None
        if kind is dict:
            texts = [joined((key, (": ", KNOWN), item)) for key, item in
                     zip(texts[::2], texts[1::2])]  # fmt: skip
        begin, end = BRACKETS[kind]
        between = [each for text in texts for each in ((", ", KNOWN), text)][1:]
        comma = "," if kind is tuple and len(texts) == 1 else ""
        return joined([(begin, KNOWN), *between, (comma + end, KNOWN)])

    def _user_text(self, function: Callable, x: Any, xo: Any, spec: str = "") -> Any:
        """Do the same for an object with a method of its own; None if it has none."""
        kind = self.operand_class(x, xo)
        if kind is None or function is ascii:
            return None
        name = "__str__"
        method = self._method(kind, name) if function is str else None
        if method is None:
            # that of `object` asks for the other one
            name = "__repr__"
            method = self._method(kind, name)
        given, origins = (method, x, name, spec), (KNOWN, xo, KNOWN, KNOWN)
        return self.protocol(protocols.shown, given, origins) if method else None

    def formatted(self, value: Any, origin: Any, spec: str, begun: bool = False) -> Any:
        """Do what `format(value, spec)` does; None if that is not known.

        Args:
            begun: the instruction at hand has computed something already.
        """
        if isinstance(value, TensorCore):
            return self._formatted_tensor(value, spec)
        if origin is KNOWN and self._has_plain_text(value):
            return self._folded(format, (value, spec))
        if isinstance(origin, Runtime) and type(value) in NUMBERS:
            return self._formatted_number(value, origin, spec, begun)
        if isinstance(origin, Text):
            return self._formatted_text(value, origin, spec)
        kind = self.operand_class(value, origin)
        method = None if kind is None else self._method(kind, "__format__")
        if method:
            given, origins = (method, value, spec), (KNOWN, origin, KNOWN)
            return self.protocol(protocols.formatted, given, origins)
        if spec or (method is False and not _formats_as_text(type(value))):
            return None
        return self.shown(str, value, origin)

    def _formatted_tensor(self, tensor: Any, spec: str) -> Any:
        if not is_plain_tensor(tensor) or tensor._array.ndim or self.entry(tensor) is None:
            return None
        found = self._item(tensor)
        if found is None or not self.active:
            return None
        return self.formatted(found[0], found[1], spec, begun=True)

    def _formatted_number(self, value: Any, origin: Any, spec: str, begun: bool) -> Any:
        if spec.endswith("c"):
            origin = self.fixed(value, origin)
            return self._folded(format, (value, spec)) if origin is KNOWN else None
        if type(value) is int and spec.endswith(tuple(FLOATING)):
            # which is too large for a float, it may be
            value, origin = self._number("float({0})", float, (value,), (origin,), True, begun)
            if not self.active:
                return None
        if not spec:
            return self.field(str, "str({0})", value, origin)
        function = functools.partial(_formatted, spec)
        return self.field(function, f"format({{0}}, {_quoted(spec)})", value, origin)

    def _formatted_text(self, value: str, origin: Text, spec: str) -> Any:
        if not spec:
            return value, origin
        function = functools.partial(_formatted, spec)
        return self.field(function, f"format({{0}}, {_quoted(spec)})", value, origin)

    def _item(self, tensor: Any) -> Any:
        """Read the number in a tensor."""
        raise NotImplementedError

    # -- f-strings ----------------------------------------------------------------------------

    def join_string(self, parts: Any, origins: Any) -> Any:
        if all(each is KNOWN or isinstance(each, Text) for each in origins):
            return joined(zip(parts, origins))
        return self.leave("a string of values of run time").join_string(parts, origins)

    def format_value(
        self,
        value: Any,
        origin: Any,
        conversion: str | None,
        spec: Any = ABSENT,
        spec_origin: Any = None,
    ) -> Any:
        wanted, known = ("", KNOWN) if spec is ABSENT else self.exactly(spec, spec_origin)
        answer = None
        if known is KNOWN and self.active:
            answer = self._converted(value, origin, conversion, wanted)
        if answer is not None:
            return answer
        return self.leave("formatting a value of run time").format_value(
            value, origin, conversion, spec, spec_origin
        )

    def exactly(self, text: str, origin: Any) -> Found:
        """Make sure of a text in which only integers are written, by sites."""
        if not isinstance(origin, Text):
            return text, origin
        if any(self.fixed(each.value, each.origin) is not KNOWN for each in origin.fields):
            return text, origin
        return text, KNOWN if self.active else None

    def _converted(self, value: Any, origin: Any, conversion: str | None, spec: str) -> Any:
        if conversion is None:
            return self.formatted(value, origin, spec)
        function = CONVERSIONS[conversion]
        if self.operand_class(value, origin) is not None:
            return self._user_text(function, value, origin, spec)
        made = self.shown(function, value, origin)
        if made is None or not self.active:
            return None
        return self.formatted(made[0], made[1], spec)

    # -- functions and methods ----------------------------------------------------------------

    def _str(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return ("", KNOWN) if not args and not kwargs else self._text(str, args, ao, kwargs, ko)

    def _text(self, function: Callable, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return None if kwargs or len(args) != 1 else self.shown(function, args[0], ao[0])

    def _digits(self, function: Callable, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1 or type(args[0]) not in (int, bool):
            return None
        if ao[0] is KNOWN:
            return self._folded(function, args)
        if not isinstance(ao[0], Runtime):
            return None
        return self.field(function, f"{function.__name__}({{0}})", args[0], ao[0])

    def _format(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) not in (1, 2):
            return None
        spec, known = self.exactly(args[1], ao[1]) if len(args) == 2 else ("", KNOWN)
        if known is not KNOWN or type(spec) is not str:
            return None
        return self.formatted(args[0], ao[0], spec)

    def text_attribute(self, text: str, origin: Text, name: str) -> Any:
        if name not in TEXT_METHODS and name != "join":
            return None
        method = getattr(text, name)
        self.register_method(method, origin)
        return method, IDENTIFIED

    def text_method(
        self, method: Any, origin: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        """Call a method of a text; None if there is no rule."""
        text, name = method.__self__, method.__name__
        whole = [(text, origin), *zip(args, ao), *((kwargs[each], ko[each]) for each in kwargs)]
        if all(known is KNOWN and self._has_plain_text(value) for value, known in whole):
            return None
        if name == "join" and len(args) == 1 and not kwargs:
            return self._join(method, origin, *args, *ao)
        if name == "format" and origin is KNOWN:
            plan = fields_of(text, len(args), list(kwargs))
            given = (*args, *kwargs.values()), parts((*ao, *ko.values()))
            return self._put_together(stand_ins.formatted, plan, *given)
        ao = [self.fixed(*each) for each in zip(args, ao)]
        if kwargs or name not in TEXT_METHODS or not self.active:
            return None
        if not all(o is KNOWN or isinstance(o, Text) for o in ao):
            return None
        given = (text, *args), parts((origin, *ao))
        return self.field(functools.partial(_called, name), f"str.{name}(*{{0}})", *given)

    def _join(self, method: Any, origin: Any, texts: Any, to: Any) -> Any:
        found = self._elements(texts, to)
        if found is None:
            given = [method.__self__, texts], [origin, to]
            return self.over(stand_ins.joined, texts, *given)
        if not all(
            type(value) is str and (known is KNOWN or isinstance(known, Text))
            for value, known in found
        ):
            return None
        separator = method.__self__, origin
        return joined([each for text in found for each in (separator, text)][1:])

    def over(self, model: Any, iterable: Any, args: Any, ao: Any, **named: Any) -> Any:
        """Evaluate a model in place of a C function that iterates over `iterable`."""
        raise NotImplementedError

    # -- operators ----------------------------------------------------------------------------

    def _of_containers(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        texts = [type(v) is str and (o is KNOWN or isinstance(o, Text)) for v, o in
                 ((l, lo), (r, ro))]  # fmt: skip
        if op == "+" and all(texts):
            return joined(((l, lo), (r, ro)))
        if op == "*" and any(texts) and int in map(type, (l, r)):
            text, (count, known) = ((l, lo), (r, ro)) if texts[0] else ((r, ro), (l, lo))
            if self.fixed(count, known) is KNOWN:
                return joined([text] * count)
        if op == "%" and texts[0] and lo is KNOWN:
            return self._interpolated(l, r, ro)
        return super()._of_containers(op, l, lo, r, ro, in_place)

    def _interpolated(self, template: str, given: Any, origin: Any) -> Any:
        """Do what `template % given` does; None if that is not known."""
        values, known = (given, origin) if type(given) is tuple else ((given,), parts((origin,)))
        if known is KNOWN and all(type(each) in (*NUMBERS, str) for each in values):
            return self._folded(operator.mod, (template, given))
        if not isinstance(known, Parts):
            return None
        plan = plan_of(template, len(values))
        if len(values) != 1 or plan is None or plan[0][0] or plan[-1][0] or len(plan) != 2:
            return self._put_together(stand_ins.interpolated, plan, values, known)
        return self._one(template, values[0], known.items[0])

    def _put_together(self, model: Any, plan: Any, values: tuple, origin: Any) -> Any:
        if plan is None:
            return None
        return self._enter(model, KNOWN, [plan, values], [KNOWN, origin], {}, {})

    def _one(self, template: str, value: Any, origin: Any) -> Any:
        """Do what `template % (value,)` does, where the template is one conversion."""
        kind = template[-1]
        if isinstance(value, TensorCore):
            plain = is_plain_tensor(value) and not value._array.ndim and kind in FLOATING
            found = self._item(value) if plain and self.entry(value) is not None else None
            if found is None or not self.active:
                return None
            value, origin = found
        if kind in CONVERSIONS:
            found = self.shown(CONVERSIONS[kind], value, origin)
            if type(found) is not tuple or not self.active:
                return None
            value, origin = found
            template = f"{template[:-1]}s"
        elif kind not in "diouxXeEfFgG" or type(value) not in NUMBERS:
            return None
        elif isinstance(origin, Runtime) and type(value) is (int if kind in FLOATING else float):
            # which may be too large, or no number
            wanted = float if kind in FLOATING else int
            if wanted is int and kind not in "diu":
                return None
            text = f"{wanted.__name__}({{0}})"
            value, origin = self._number(text, wanted, (value,), (origin,), True)
            if not self.active:
                return None
        function = functools.partial(_percent, template)
        if origin is KNOWN:
            return self._folded(function, (value,))
        if not isinstance(origin, (Runtime, Text)):
            return None
        return self.field(function, f"{_quoted(template)} % {{0}}", value, origin)

    def text_item(self, text: str, origin: Text, key: Any, known: Any) -> Any:
        if type(key) is not slice or known is not KNOWN:
            return None
        return self.field(operator.itemgetter(key), f"{{0}}[{key!r}]", text, origin)


def _formats_as_text(kind: type) -> bool:
    """Does a class derived from a built-in one ask for the text where it is given no format?"""
    base = content_class(kind)
    own = lookups.type_lookup(kind, "__format__")
    return base in (float, int, str) and own is vars(base)["__format__"]


def _quoted(value: Any) -> str:
    """Return the text of a constant in an expression that is a template itself."""
    return repr(value).replace("{", "{{").replace("}", "}}")
