"""Scenes that go back from what the turns of native loops have appended to lists."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf

COUNTS = (40, 41, 90, 0, 1, 2, 3, 300)


def recurrent(x: Any, w: Any, n: int) -> Any:
    history = []
    for _ in range(n):
        x = (x * w).sin() + 0.25
        history.append(x)
    return history, x


def with_losses(x: Any, w: Any, n: int) -> Any:
    history, losses = [x], []
    for i in range(n):
        if i % 3 == 1:
            x = (x * w).tanh()
            losses.append(x.sum())
        else:
            losses.append((w * x).mean())
            x = x + 0.125 * torch.sin(x)
            history.append(x)
    return history, losses, x


def back(s: Session, value: Any, *leaves: Any, **named: Any) -> None:
    s.attempt(value.backward, **named)
    s.see(*leaves)


def each_time(s: Session, f: Any, look: Any, counts: Any = COUNTS) -> None:
    f = s.compile(f)
    for n in counts:
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        result = s.attempt(f, x, w, n)
        look(result, x, w)


def scene_back_from_their_sum(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, _ = result
        if history:
            back(s, torch.stack(history).sum(), x, w)

    each_time(s, recurrent, look)


def scene_back_from_all_of_them(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, last = result
        if history:
            weights = torch.arange(2.0 * len(history), dtype=torch.float64).reshape(-1, 2)
            back(s, (torch.stack(history) * weights).sum() + (last * last).sum(), x, w)

    each_time(s, recurrent, look)


def scene_back_from_one_element(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, last = result
        for at in (0, len(history) // 2, len(history) - 1):
            if history:
                back(s, history[at].sum(), x, w, retain_graph=True)
        back(s, last.sum(), x, w)

    each_time(s, recurrent, look)


def scene_what_has_been_freed(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, last = result
        for at in (len(history) // 2, len(history) // 4, -1, 1):
            if len(history) > 4:
                back(s, history[at].sum(), x, w)
        back(s, last.sum(), x, w)

    each_time(s, recurrent, look)


def scene_losses_on_several_ways(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, losses, last = result
        if losses:
            back(s, torch.stack(losses).sum() + history[-1].prod(), x, w, retain_graph=True)
            back(s, losses[len(losses) // 2] * 2 + sum(losses[::5]), x, w, retain_graph=True)
            back(s, torch.stack(history).pow(2).mean() + last.sum(), x, w)
            back(s, losses[0], x, w)

    each_time(s, with_losses, look)


def scene_by_elements(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, losses, last = result
        if len(losses) < 4:
            return
        inputs = [history[1], history[len(history) // 2], last, losses[1], x, w]
        total = torch.stack(losses).sum() + last.sum()
        s.see(torch.autograd.grad(total, inputs, retain_graph=True))
        s.see(torch.autograd.grad(losses[-1], history[1:3], retain_graph=True))
        s.see(
            torch.autograd.grad(losses[2], [history[-1], w], retain_graph=True, allow_unused=True)
        )
        s.attempt(torch.autograd.grad, losses[2], [history[-1]])
        s.attempt(torch.autograd.grad, losses[-1], [history[len(history) // 2]])
        back(s, losses[1], x, w)
        back(s, losses[-2], x, w)

    each_time(s, with_losses, look)


def scene_hooks_of_elements(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, last = result
        seen: list = []
        for at in range(0, len(history), 7):
            history[at].register_hook(lambda g, at=at: seen.append((at, g * 1)))
        if len(history) > 3:
            history[2].retain_grad()
            history[3].register_hook(lambda g: g * 2)
            back(s, torch.stack(history[1:]).sum() + last.sum(), x, w, retain_graph=True)
            back(s, history[-2].sum(), x, w, retain_graph=True)
            s.see(history[2])
        if history:
            last.register_hook(lambda g: g + 1)
            back(s, last.sum() + history[0].sum(), x, w)
        s.see(sorted(seen, key=lambda each: -each[0]))

    each_time(s, recurrent, look)


def scene_gradients_of_gradients(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, last = result
        if history:
            value = torch.stack(history).pow(2).sum() + last.sum()
            first = torch.autograd.grad(value, [x, w], create_graph=True)
            s.see(first)
            back(s, first[0].sum() + first[1].pow(2).sum(), x, w)

    each_time(s, recurrent, look, counts=(40, 41, 42, 1, 0, 60))


def scene_elements_that_are_changed(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        history, squares = [], []
        for _ in range(n):
            history.append(x)
            x = x * w
            squares.append((x * x).sum())
        return history, squares, x

    def look(result: Any, x: Any, w: Any) -> None:
        history, squares, last = result
        if len(history) > 9:
            back(s, squares[8], x, w, retain_graph=True)
            with torch.no_grad():
                history[6].mul_(2)
            s.see(history[6])
            back(s, squares[4], x, w, retain_graph=True)
            back(s, squares[8], x, w, retain_graph=True)
            back(s, last.sum(), x, w, retain_graph=True)
            history[3].add_(1)
            back(s, history[3].sum(), x, w)

    each_time(s, f, look)


def scene_elements_that_are_detached(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        history, losses = [], []
        for i in range(n):
            x = (x * w).sin()
            history.append(x.detach())
            if i % 4 == 0:
                losses.append((i, x.sum().item()))
        return history, losses, x

    def look(result: Any, x: Any, w: Any) -> None:
        history, _, last = result
        s.see([each.data_ptr() == last.data_ptr() for each in history[-2:]])
        back(s, last.sum(), x, w, retain_graph=True)
        if len(history) > 9:
            history[4].mul_(2)
            back(s, last.sum(), x, w)

    each_time(s, f, look)


def scene_views_of_what_goes_on(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        parts, pairs = [], []
        for _ in range(n):
            x = (x * w).sin()
            parts.append(x[0])
            pairs.append((x[1:], x.view(1, 2)))
        return parts, pairs, x

    def look(result: Any, x: Any, w: Any) -> None:
        parts, pairs, last = result
        if parts:
            s.see(pairs[0][0]._base is pairs[0][1]._base, parts[-1]._base is last)
            wide = torch.cat([each for _, each in pairs])
            back(s, torch.stack(parts).sum() + wide.prod(0).sum(), x, w, retain_graph=True)
            back(s, parts[0] * 2 + last.sum(), x, w)

    each_time(s, f, look)


def scene_nothing_with_a_history_goes_on(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        losses, y = [], x.detach()
        for _ in range(n):
            y = (y * 1.5).cos()
            losses.append((y * w).sum())
        return losses

    def look(losses: Any, x: Any, w: Any) -> None:
        if len(losses) > 3:
            back(s, losses[2] + losses[0], x, w, retain_graph=True)
            s.see(torch.autograd.grad(losses[1] * 2, losses[1], retain_graph=True))
            back(s, torch.stack(losses).mean(), x, w)
            back(s, losses[1], x, w)

    each_time(s, f, look)


def scene_a_way_that_seldom_appends(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        kept = []
        for i in range(n):
            if i % 10 == 3:
                kept.append(x)
                w = w * 0.99
            elif i % 10 == 7:
                kept.append((x, w))
            x = (x * w).sin()
        return kept, x, w

    def look(result: Any, x: Any, w: Any) -> None:
        kept, last, scale = result
        if len(kept) > 2:
            s.see([one is other for one in kept[1] for other in (*kept[::2][:3], scale)])
            back(s, kept[0].sum() + kept[1][1].sum() + kept[-1][0].sum(), x, w, retain_graph=True)
            s.see(torch.autograd.grad(last.sum(), [kept[0], *kept[1], scale], allow_unused=True))

    each_time(s, f, look, counts=(60, 61, 90, 0, 3, 4, 8, 9, 300))


def scene_a_call_that_goes_back_itself(s: Session) -> None:
    def f(x: Any, w: Any, n: int) -> Any:
        history = []
        for _ in range(n):
            x = (x * w).sin()
            history.append(x)
        loss = torch.stack(history).pow(2).sum() if history else x.sum()
        loss.backward()
        return loss

    f = s.compile(f)
    for n in (40, 41, 42, 0, 1, 90, 90, 90):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        s.attempt(f, x, w, n)
        s.see(x, w)


def scene_cotangents_of_other_kinds(s: Session) -> None:
    def look(result: Any, x: Any, w: Any) -> None:
        history, _ = result
        if len(history) > 8:
            wide = torch.stack(history, 1)
            back(s, (wide * wide).sum(), x, w, retain_graph=True)
            mixed = wide[:, ::3].sum() + history[2].prod() + torch.stack(history[::2])[0].sum()
            back(s, mixed + torch.cat(history[4:6]).mean(), x, w, retain_graph=True)
            back(s, sum(each.sum() * at for at, each in enumerate(history)), x, w)

    each_time(s, recurrent, look)
