"""Loops of many turns, and a model of many parameters: what each turn and each tensor costs."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from bench.subjects import Tools
from bench.workload import Run, Workload, random

TOLERANCE = 1e-5


def solver(tools: Tools, end: float) -> tuple[Callable[[], Any], Any]:
    """Build an ODE solver of second order that adapts its step; return it with a parameter.

    Args:
        end: until when it goes; 10 takes 248 turns, 1 takes 42.
    """
    torch = tools.library

    @tools.part
    def solve(y: Any, rate: Any) -> Any:
        t, step = 0.0, 0.1
        while t < end:
            if t + step > end:
                step = end - t
            slope = torch.sin(y) - rate * y
            ahead = y + step * slope
            later = torch.sin(ahead) - rate * ahead
            if ((later - slope) * (0.5 * step)).abs() < TOLERANCE:
                y = y + 0.5 * step * (slope + later)
                t = t + step
                step = step * 1.3
            else:
                step = step * 0.5
        return y

    y = torch.tensor(1.0, dtype=torch.float64)
    rate = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    return lambda: solve(y, rate), rate


def adaptive(tools: Tools, end: float = 10.0) -> Run:
    """Build such a solver with the slope by its parameter."""
    solve, rate = solver(tools, end)
    return value_and_slope(tools, solve, rate)


def descending(tools: Tools, end: float = 1.0) -> Run:
    """Build a step of gradient descent on that parameter, as users write it."""
    torch = tools.library
    solve, rate = solver(tools, end)

    @tools.whole
    def step() -> Sequence[Any]:
        loss = (solve() - 0.3) ** 2
        loss.backward()
        with torch.no_grad():
            # so small that all steps are the same
            rate.sub_(1e-18 * rate.grad)
        rate.grad = None
        return (loss,)

    return step


TURNS = 1000


def long(tools: Tools) -> Run:
    """Build a loop of a thousand turns of three operations on a scalar, with the slope."""
    torch = tools.library

    @tools.part
    def walk(x: Any, rate: Any, turns: int) -> Any:
        for _ in range(turns):
            x = torch.sin(x * rate) + 0.25
        return x

    x = torch.tensor(0.5, dtype=torch.float64)
    rate = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    return value_and_slope(tools, lambda: walk(x, rate, TURNS), rate)


def recording(tools: Tools) -> Run:
    """Build a simulation of a thousand turns that returns its history, with the slope."""
    torch = tools.library

    @tools.part
    def simulate(x: Any, v: Any, rate: Any, turns: int) -> Any:
        history = []
        for _ in range(turns):
            v = v - 0.01 * (torch.sin(x) + rate * v)
            x = x + 0.01 * v
            history.append(x)
        return history

    x, v = torch.tensor(random(3)), torch.zeros(3)
    rate = torch.tensor(0.1, requires_grad=True)
    return value_and_slope(
        tools, lambda: torch.stack(simulate(x, v, rate, TURNS)).square().mean(), rate
    )


def filling(tools: Tools) -> Run:
    """Build a simulation of a thousand turns that fills a tensor with its states, of 64 numbers."""
    torch = tools.library

    @tools.whole
    def simulate() -> Sequence[Any]:
        history, state = torch.zeros(TURNS, WIDTH), start
        for t in range(TURNS):
            state = state * 0.9 + 0.1 * torch.sin(state)
            history[t] = state
        return (history,)

    start = torch.tensor(random(WIDTH))
    return simulate


def filling_back(tools: Tools) -> Run:
    """Build the same, with the slope by a parameter of what has been filled."""
    torch = tools.library

    @tools.part
    def simulate(state: Any, rate: Any) -> Any:
        history = torch.zeros(TURNS, WIDTH)
        for t in range(TURNS):
            state = state * 0.9 + rate * torch.sin(state)
            history[t] = state
        return history

    start, rate = torch.tensor(random(WIDTH)), torch.tensor(0.1, requires_grad=True)
    return value_and_slope(tools, lambda: simulate(start, rate).square().mean(), rate)


CELLS = 1000


def two_buffers(tools: Tools) -> Run:
    """Build a simulation of a thousand turns that writes to two buffers by turns."""
    torch = tools.library

    @tools.whole
    def simulate() -> Sequence[Any]:
        now, then = start.clone(), start.clone()
        for _ in range(TURNS):
            then[1:-1] = now[1:-1] + 0.1 * (now[2:] - 2 * now[1:-1] + now[:-2])
            now, then = then, now
        return (now,)

    start = torch.tensor(random(CELLS))
    return simulate


STEPS, BATCH, WIDTH = 100, 32, 64


def recurrent(tools: Tools) -> Run:
    """Build a recurrent network of 100 steps, written out in Python, with the slopes."""
    torch = tools.library

    @tools.part
    def read(xs: Any, inner: Any, outer: Any, bias: Any) -> Any:
        h = torch.zeros(BATCH, WIDTH)
        for at in range(STEPS):
            h = torch.tanh(xs[at] @ outer + h @ inner + bias)
        return (h * h).mean()

    xs = torch.tensor(random(STEPS, BATCH, WIDTH))
    weights = [
        torch.tensor(random(*shape, seed=seed) / 8).requires_grad_()
        for seed, shape in enumerate(((WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH,)))
    ]
    return value_and_slope(tools, lambda: read(xs, *weights), *weights)


ROWS, FEW, THIN = 500, 4, 8


def rows(tools: Tools) -> Run:
    """Build a small recurrent network of 500 steps, whose inputs need gradients, too."""
    torch = tools.library

    @tools.part
    def read(xs: Any, inner: Any, outer: Any) -> Any:
        h = torch.zeros(FEW, THIN)
        for at in range(len(xs)):
            h = torch.tanh(xs[at] @ outer + h @ inner)
        return (h * h).mean()

    return small_network(tools, read)


def each_row(tools: Tools) -> Run:
    """Build the same, with a loop over the inputs themselves."""
    torch = tools.library

    @tools.part
    def read(xs: Any, inner: Any, outer: Any) -> Any:
        h = torch.zeros(FEW, THIN)
        for x in xs:
            h = torch.tanh(x @ outer + h @ inner)
        return (h * h).mean()

    return small_network(tools, read)


def small_network(tools: Tools, read: Callable) -> Run:
    """Give a small recurrent network its inputs and weights; the run takes all slopes."""
    torch = tools.library
    xs = torch.tensor(random(ROWS, FEW, THIN)).requires_grad_()
    weights = [
        torch.tensor(random(THIN, THIN, seed=seed) / 4).requires_grad_() for seed in range(2)
    ]
    return value_and_slope(tools, lambda: read(xs, *weights), xs, *weights)


def value_and_slope(tools: Tools, compute: Run, *weights: Any) -> Run:
    """Return what computes a value and its gradients."""
    torch = tools.library

    @tools.whole
    def run() -> Sequence[Any]:
        value = compute()
        return (value, *torch.autograd.grad(value, weights))  # type: ignore[call-overload]

    return run


LAYERS = 150


def narrow(tools: Tools) -> Run:
    """Build a forward pass through 150 layers of 8 numbers: 300 parameters."""
    torch = tools.library
    nn = torch.nn
    model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(LAYERS)))
    with torch.no_grad():
        for number, each in enumerate(model.parameters()):
            each.copy_(torch.tensor(random(*each.shape, seed=number)))
    x = torch.tensor(random(4, 8))

    @tools.part
    def forward(x: Any) -> Any:
        return model(x)

    @tools.whole
    def run() -> Sequence[Any]:
        with torch.no_grad():
            return (forward(x),)

    return run


WORKLOADS: Sequence[Workload] = (
    Workload("loop-adaptive", "an ODE solver that adapts its step, value and slope", adaptive),
    Workload(
        "loop-adaptive-short",
        "the same solver for 42 turns, value and slope",
        functools.partial(adaptive, end=1.0),
    ),
    Workload(
        "loop-descending",
        "a step of gradient descent on its parameter, with `backward()` and the update",
        descending,
    ),
    Workload(
        "loop-long",
        f"{TURNS:,} turns of 3 operations on a scalar, value and slope",
        long,
        excused={"torch.compile": "it compiles every turn by itself: 95 s before the first result"},
    ),
    Workload(
        "loop-history",
        f"a simulation of {TURNS:,} turns that returns its history, value and slope",
        recording,
        excused={"torch.compile": "it compiles every turn by itself: 95 s before the first result"},
    ),
    Workload(
        "loop-filling",
        f"a simulation of {TURNS:,} turns that fills a tensor with its states",
        filling,
        excused={"torch.compile": "it compiles every turn by itself"},
    ),
    Workload(
        "loop-filling-back",
        f"a simulation of {TURNS:,} turns that fills a tensor with its states, value and slope",
        filling_back,
        excused={"torch.compile": "it compiles every turn by itself"},
    ),
    Workload(
        "loop-two-buffers",
        f"{TURNS:,} turns of the heat equation, {CELLS:,} cells, in two buffers by turns",
        two_buffers,
        excused={"torch.compile": "it compiles every turn by itself"},
    ),
    Workload(
        "loop-recurrent",
        f"a recurrent network of {STEPS} steps in Python, {BATCH} x {WIDTH}, value and slopes",
        recurrent,
    ),
    Workload(
        "loop-rows",
        f"a recurrent network of {ROWS} steps, {FEW} x {THIN}, value and slopes of inputs, too",
        rows,
        excused={"torch.compile": "it compiles every turn by itself"},
    ),
    Workload(
        "loop-each-row",
        "the same with a loop over the inputs, `for x in xs`",
        each_row,
        excused={"torch.compile": "it compiles every turn by itself"},
    ),
    Workload("many-small", f"{LAYERS} layers of 8 numbers, 300 parameters, forward", narrow),
)
