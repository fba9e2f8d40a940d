"""What is measured: programs written once, against the names that PyTorch and jitgrad share."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench import leaving, loops, networks
from bench.subjects import Tools
from bench.workload import Run, Workload, random

# --- two-layer step -------------------------------------------------------------------------------

ROWS, INPUTS, HIDDEN, OUTPUTS = 64, 1000, 100, 10
RATE = 1e-6


def two_layer_arrays() -> tuple[np.ndarray, ...]:
    """Return x, y and the two weight matrices."""
    return (
        random(ROWS, INPUTS, seed=1),
        random(ROWS, OUTPUTS, seed=2),
        random(INPUTS, HIDDEN, seed=3),
        random(HIDDEN, OUTPUTS, seed=4),
    )


def two_layer(tools: Tools) -> Run:
    """Build forward, backward and update of a two-layer network."""
    torch = tools.library

    @tools.part
    def loss_of(x: Any, y: Any, w1: Any, w2: Any) -> Any:
        return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()

    @tools.whole
    def step(x: Any, y: Any, w1: Any, w2: Any) -> Any:
        loss = loss_of(x, y, w1, w2)
        loss.backward()
        with torch.no_grad():
            w1 -= RATE * w1.grad
            w2 -= RATE * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
        return loss

    x, y, w1, w2 = (torch.tensor(array) for array in two_layer_arrays())
    w1.requires_grad_()
    w2.requires_grad_()
    return lambda: (step(x, y, w1, w2), w1, w2)


def two_layer_jax(tools: Tools) -> Run:
    """Build the same step for JAX."""
    jax = tools.library

    def loss_of(w1: Any, w2: Any, x: Any, y: Any) -> Any:
        return ((jax.numpy.maximum(x @ w1, 0) @ w2 - y) ** 2).sum()

    def step(w1: Any, w2: Any, x: Any, y: Any) -> Any:
        loss, (g1, g2) = jax.value_and_grad(loss_of, (0, 1))(w1, w2, x, y)
        return loss, w1 - RATE * g1, w2 - RATE * g2

    compiled = jax.jit(step, donate_argnums=(0, 1))
    x, y, *state = (jax.numpy.array(array) for array in two_layer_arrays())

    def run() -> Sequence[Any]:
        loss, *state[:] = jax.block_until_ready(compiled(*state, x, y))
        return loss, *state

    return run


def two_layer_floor() -> Run:
    """Build the two large matrix products of the step, and nothing else."""
    x, _, w1, _ = two_layer_arrays()
    hidden, slope = np.empty((ROWS, HIDDEN), np.float32), np.empty((INPUTS, HIDDEN), np.float32)

    def run() -> Sequence[Any]:
        np.matmul(x, w1, out=hidden)
        np.matmul(x.T, hidden, out=slope)
        return ()

    return run


# --- control flow ---------------------------------------------------------------------------------


def control_flow(start: np.ndarray) -> Callable[[Tools], Run]:
    """Return the builder of a loop and a branch that depend on data, with the slope."""

    def build(tools: Tools) -> Run:
        torch = tools.library

        @tools.part
        def f(a: Any) -> Any:
            b = a * 2
            while b.norm() < 1000:
                b = b * 2
            c = b if b.sum() > 0 else 100 * b
            return c

        @tools.whole
        def value_and_slope(a: Any) -> Any:
            d = f(a)
            (slope,) = torch.autograd.grad(d.sum(), a)
            return d, slope

        a = torch.tensor(start).requires_grad_()
        return lambda: value_and_slope(a)

    return build


NO_REVERSE = {"jax.jit": "JAX has no reverse mode through a while loop"}

# --- GELU chain -----------------------------------------------------------------------------------

LENGTH = 4_000_000


def gelu(tools: Tools) -> Run:
    """Build an elementwise chain over four million numbers, and its gradient."""
    torch = tools.library

    @tools.part
    def forward(x: Any) -> Any:
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))

    @tools.whole
    def value_and_slope(x: Any, cotangent: Any) -> Any:
        y = forward(x)
        (slope,) = torch.autograd.grad(y, x, cotangent)
        return y, slope

    x = torch.tensor(random(LENGTH)).requires_grad_()
    cotangent = torch.tensor(random(LENGTH, seed=1))
    return lambda: value_and_slope(x, cotangent)


def gelu_jax(tools: Tools) -> Run:
    """Build the same chain for JAX."""
    jax = tools.library

    def forward(x: Any) -> Any:
        return 0.5 * x * (1 + jax.scipy.special.erf(x / math.sqrt(2)))

    @jax.jit
    def value_and_slope(x: Any, cotangent: Any) -> Any:
        y, pull = jax.vjp(forward, x)
        return y, pull(cotangent)[0]

    x, cotangent = jax.numpy.array(random(LENGTH)), jax.numpy.array(random(LENGTH, seed=1))
    return lambda: jax.block_until_ready(value_and_slope(x, cotangent))


def gelu_floor() -> Run:
    """Build the traffic alone: two arrays read, two arrays written."""
    sources = random(LENGTH), random(LENGTH, seed=1)
    targets = np.zeros(LENGTH, np.float32), np.zeros(LENGTH, np.float32)

    def run() -> Sequence[Any]:
        for source, target in zip(sources, targets, strict=True):
            np.copyto(target, source)
        return ()

    return run


# --- overhead of one eager operation --------------------------------------------------------------

OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sum": lambda a, b: a.sum(),
}


def small_operation(name: str, *, backward: bool) -> Workload:
    """Return the workload that measures what an operation on eight numbers costs."""
    operation = OPERATIONS[name]

    def build(tools: Tools) -> Run:
        torch = tools.library
        a, b = (torch.tensor(random(8, seed=seed)).requires_grad_() for seed in (0, 1))
        ones = torch.ones_like(operation(a, b).detach())

        def forward_only() -> Sequence[Any]:
            return (operation(a, b),)

        def with_backward() -> Sequence[Any]:
            y = operation(a, b)
            y.backward(ones)
            slope = a.grad
            a.grad = b.grad = None
            return y, slope

        return with_backward if backward else forward_only

    what = f"{name}, 8 float32 that require grad"
    return Workload(
        f"eager-{name}-backward" if backward else f"eager-{name}",
        f"{what}, forward and backward" if backward else f"{what}, forward",
        build,
        compiled=False,
    )


WORKLOADS: Sequence[Workload] = (
    Workload(
        "two-layer",
        f"step of {ROWS}x{INPUTS}x{HIDDEN}x{OUTPUTS} float32: forward, backward, update "
        "(floor: its two large matrix products in NumPy)",
        two_layer,
        two_layer_floor,
        two_layer_jax,
    ),
    Workload(
        "control-flow-scalar",
        "while and if on data, value and slope at a scalar",
        control_flow(np.full((), 0.37, np.float32)),
        excused=NO_REVERSE,
    ),
    Workload(
        "control-flow-vector",
        "while and if on data, value and slope at 1,000 numbers",
        control_flow(random(1000) / 50),
        excused=NO_REVERSE,
    ),
    Workload(
        "gelu",
        f"0.5 x (1 + erf(x / sqrt 2)) over {LENGTH:,} float32, value and slope "
        "(floor: copying as many bytes)",
        gelu,
        gelu_floor,
        gelu_jax,
        atol=1e-5,
    ),
    *(small_operation(name, backward=False) for name in OPERATIONS),
    *(small_operation(name, backward=True) for name in OPERATIONS),
    *loops.WORKLOADS,
    *networks.WORKLOADS,
    *leaving.WORKLOADS,
)
