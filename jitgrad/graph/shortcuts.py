"""Whole calls as one Python function each, for paths that are taken again and again.

Following the graph asks at each step what comes next. A shortcut is straight Python code instead,
written for one path: it checks what decides about the entry and its facts, calls one program, and
makes the results and their history. Where it does not apply nothing has happened, and the call
follows the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.guards import Unknown
from jitgrad.graph.hot import MOST, PATIENCE, HotPath
from jitgrad.graph.path_writer import MISSED, STALE, WRONG, Unfit
from jitgrad.graph.segment import Segment
from jitgrad.graph.shortcut_functions import Writer
from jitgrad.locks import SHARED

Direct = tuple[tuple | None, Callable[[Any, tuple, dict], Any]]
"""Shortcuts, and a function that does what the first of them does, see `Shortcut.direct`."""

NO_DIRECT: Direct = (None, lambda graph, args, kwargs: MISSED)
"""No shortcut is tried before all else."""


class Shortcut(NamedTuple):
    """A path with a function that takes it.

    Attributes:
        first: the segment with which it begins.
        hot: the path, or the route.
        run: given the values of the call and the names of the last of them, returns its result;
            or MISSED or WRONG.
        direct: the same of a whole call, given the graph and the arguments; None if it is none.
    """

    first: Segment
    hot: Any
    run: Callable[[Sequence[Any], tuple[str, ...]], Any]
    direct: Callable[[Any, tuple, dict], Any] | None

    @property
    def stages(self) -> tuple:
        """What a call has gone through by it, see `Routes`."""
        return (self,) if isinstance(self.hot, HotPath) else self.hot.stages

    def direct_at(self, shortcuts: tuple) -> Direct:
        """Return what calls try first, where this one of `shortcuts` has applied.

        That is this one, if it is the first of them, as it was for another call before.
        """
        if self.direct is None or self.hot.credit < PATIENCE or shortcuts[0] is not self:
            return NO_DIRECT
        return shortcuts, self.direct

    def give_up(self) -> None:
        """Guess the path no longer, until it is found hot again."""
        first = self.first
        with SHARED:
            first.hot = tuple(each for each in first.hot if each is not self.hot)


class Usual(NamedTuple):
    """What has applied at an entrance, for calls of which nothing is known but their values.

    Attributes:
        shortcuts: those of the entrance then.
        shortcut: the one that has applied.
    """

    entrance: Entrance
    shortcuts: tuple
    shortcut: Shortcut

    def take(self, values: list) -> Any:
        """Return the result of a call by it; MISSED where another one may have to be tried."""
        entrance, shortcuts, (first, hot, run, _) = self
        if entrance.shortcuts is not shortcuts or hot.credit < PATIENCE or first.cycles:
            return MISSED
        result = run(values, ())
        return MISSED if result is WRONG or result is STALE else result


def add_shortcut(entrance: Entrance, first: Segment, hot: HotPath) -> None:
    """Let calls at an entrance try a path from `first`, if a shortcut can be written."""
    hot.is_tried = True
    key = next((key for key, each in list(entrance.entries.items()) if first in each), None)
    if key is None:
        return
    try:
        writer = Writer(first, hot, key)
        direct = writer.direct() if entrance.layout is None else None
        made = Shortcut(first, hot, writer.function(), direct)
    except Unknown:
        return
    except Unfit as unfit:
        hot.is_tried = not unfit.early
        return
    try_first(entrance, made, is_new=True)


def try_first(entrance: Entrance, shortcut: Shortcut, is_new: bool = False) -> None:
    """Try a shortcut before all others, unless another thread has dropped it meanwhile."""
    with SHARED:
        others = [each for each in entrance.shortcuts if each is not shortcut]
        if is_new or len(others) < len(entrance.shortcuts):
            entrance.shortcuts = (shortcut, *others[: MOST - 1])


def replace(entrance: Entrance, shortcut: Shortcut, other: Shortcut) -> None:
    """Try another shortcut in the place of one, unless that has been dropped meanwhile."""
    with SHARED:
        entrance.shortcuts = tuple(
            other if each is shortcut else each for each in entrance.shortcuts
        )


def take_shortcut(
    entrance: Entrance, values: list, names: tuple[str, ...] = (), going: Going | None = None
) -> Any:
    """Return the shortcut that applies and the result of the call, None where none does.

    Args:
        going: where the call comes from, if it does not begin here.
    """
    shortcuts: Sequence[Shortcut] = entrance.shortcuts
    tried: Iterable[Shortcut] = shortcuts if going is None else _likely(shortcuts, going)
    for each in tried:
        result = each.run(values, names)
        if result is MISSED:
            continue
        hot = each.hot
        if result is WRONG:
            hot.credit -= 1
            if hot.credit < 0:
                entrance.drop_shortcut(each)
                each.give_up()
                hot.last.given_up += 1
            return None
        if result is STALE:
            entrance.drop_shortcut(each)
            hot.is_tried = False
            return None
        hot.confirm()
        if going is not None:
            going.came_to(hot.last)
        elif each is not shortcuts[0]:
            try_first(entrance, each)
        return each, result
    return None


def _likely(shortcuts: Sequence[Shortcut], going: Going) -> Iterator[Shortcut]:
    """Yield what is tried for a call that goes on: first the path that it took the last time.

    That was the last time that a call came from where it comes from. If there is no shortcut for
    what followed then, none is tried.
    """
    usual = None if going.source is None else going.source.followed_by
    if usual is not None:
        likely = [each for each in shortcuts if each.hot.last is usual]
        shortcuts = likely and [*likely, *(each for each in shortcuts if each not in likely)]
    for each in shortcuts:
        if not going.may_turn(each.first):
            yield each
