"""Routes go on through `autograd.grad` of what turns have computed, and do what eager does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph import route_gradients, route_inlining, routes
from jitgrad.graph.host_calls import HostCall
from tests.graph.routing import USUAL, assert_alike, have_routes_soon, routes_of
from tests.graph.shortcutting import described
from tests.leaves import leaf
from tests.native import needs_native

pytestmark = needs_native

SHIFT = torch.tensor([0.5, 0.25])


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


@pytest.fixture(params=[False, True], ids=["called", "inlined"], autouse=True)
def inlined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Is the way back part of the functions of routes, once it is known?"""
    if not request.param:
        monkeypatch.setattr(routes, "gradient_of", lambda lines: None)
    return request.param


def loss_of(x: Any, rate: Any) -> Any:
    """Turns, and what they come to."""
    x = x * rate
    while x.abs().sum() < 100:
        x = x * rate + x.tanh()
        if x.sum() > 40:
            x = x * 0.75 + rate.sin()
    return (x * rate).sum()


def last(x: Any, rate: Any) -> Any:
    """The call ends with the gradient."""
    loss = loss_of(x, rate)
    return (loss, *torch.autograd.grad(loss, (rate,)))


def alone(x: Any, rate: Any) -> Any:
    """It is all that is returned."""
    return torch.autograd.grad(loss_of(x, rate), rate)


def step(x: Any, rate: Any) -> Any:
    """It is used."""
    loss = loss_of(x, rate)
    (slope,) = torch.autograd.grad(loss, rate)
    return rate.detach() - 0.01 * slope.clamp(-1, 1), loss.detach()


def step_seen(x: Any, rate: Any) -> Any:
    """It is used, and returned with the value that has the history."""
    loss = loss_of(x, rate)
    (slope,) = torch.autograd.grad(loss, [rate])
    return slope, slope * SHIFT, loss


def kept(x: Any, rate: Any) -> Any:
    """The history can be gone through once more."""
    loss = loss_of(x, rate)
    (slope,) = torch.autograd.grad(loss, rate, retain_graph=True)
    return loss, slope + SHIFT


def both(x: Any, rate: Any) -> Any:
    """Gradients of two inputs."""
    loss = loss_of(x, rate)
    one, other = torch.autograd.grad([loss], (rate, x))
    return one * other, loss


def lacking(x: Any, rate: Any) -> Any:
    """An input that the loss does not depend on."""
    loss = loss_of(x, rate)
    return torch.autograd.grad(loss, (rate, SHIFTED), allow_unused=True)


SHIFTED = leaf(1.0, 1.0)


def guarded(x: Any, rate: Any) -> Any:
    """What is found decides what follows."""
    loss = loss_of(x, rate)
    (slope,) = torch.autograd.grad(loss, rate)
    if slope.sum() > 700:
        return slope * 2
    return slope - 1


FUNCTIONS = (last, alone, step, step_seen, kept, both, lacking, guarded)


def args_of(first: float = 0.75, rate: float = 1.25) -> tuple[Any, Any]:
    return leaf(first, -0.5), leaf(rate, 1.5)


def known(function: Callable) -> Any:
    """Return the function compiled, once its calls are done by a route through the gradient."""
    compiled = torch.compile(function)
    for _ in range(2 * USUAL):
        compiled(*args_of())
    assert goes_through(compiled), compiled.explain()
    return compiled


def goes_through(compiled: Any) -> bool:
    """Is the route that is tried first one through a gradient?"""
    found = routes_of(compiled)
    return bool(found) and any(type(each) is HostCall for each in found[0].hot.stages)


def is_inlined(compiled: Any) -> bool:
    """Is the gradient part of the function of the route that is tried first?"""
    return routes_of(compiled)[0].run.__globals__["general"] is not None


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note whether gradients are found in one step of the route."""
    found: list[bool] = []
    real = route_gradients.Gradients.of

    def noted(self: Any, *given: Any) -> Any:
        made = real(self, *given)
        found.append(made is not None)
        return made

    def begun(array: Any) -> Any:
        found.append(True)
        return one_like(array)

    one_like = route_inlining.NAMES["one_like"]
    monkeypatch.setattr(route_gradients.Gradients, "of", noted)
    monkeypatch.setitem(route_inlining.NAMES, "one_like", begun)
    return found


def seen(function: Callable, x: Any, rate: Any) -> Any:
    """Return what can be seen of a call, and of what is done with its results behind it."""
    try:
        results = function(x, rate)
    except Exception as error:
        return type(error), str(error)
    results = results if isinstance(results, tuple) else (results,)
    found: list[Any] = [described(results), described([x.grad, rate.grad])]
    for each in results:
        if each is not None:
            found.append((each._version, each.is_leaf, str(each.grad_fn is None)))
            for _ in range(2 if each.requires_grad else 0):
                try:
                    each.sum().backward()
                except RuntimeError as error:
                    found.append(str(error))
        found.append(described([x.grad, rate.grad]))
    for at, each in enumerate(results):
        if each is not None:
            # nobody else has the memory
            with torch.no_grad():
                each.add_(at + 1)
    found.append(described([each for each in results if each is not None]))
    return found


def agree(
    function: Callable, compiled: Callable, prepare: Callable = args_of, rel: float = 1e-12
) -> None:
    """Compare several calls."""
    for _ in range(5):
        assert_alike(seen(compiled, *prepare()), seen(function, *prepare()), rel)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_returned(function: Callable, passes: list[bool], inlined: bool) -> None:
    """Values, versions, histories that are freed or not, and memory of its own."""
    compiled = known(function)
    # of what an input that is not used gets, nothing is learnt
    assert is_inlined(compiled) == (inlined and function is not lacking)
    del passes[:]
    agree(function, compiled)
    assert passes == [True] * 5
    agree(function, compiled, lambda: args_of(2.0, 1.5))
    agree(function, compiled, lambda: args_of(60.0, 1.5))
    agree(function, compiled)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_hooks_run(function: Callable) -> None:
    """A hook of an input sees its gradient; a hook of another leaf, too, as in eager."""
    compiled = known(function)
    for number in (0, 1):
        calls: list[Any] = []

        def hooked(number: int = number, calls: list = calls) -> tuple:
            args = args_of()
            args[number].register_hook(lambda flow: calls.append(flow.tolist()))
            return args

        agree(function, compiled, hooked)
        assert_alike(calls[0::2], calls[1::2])
    agree(function, compiled)


def without(number: int) -> tuple:
    args = args_of()
    args[number].requires_grad_(False)
    return args


def derived() -> tuple:
    x, rate = args_of()
    return x * 1, rate * 1


def same() -> tuple:
    _, rate = args_of()
    return rate, rate


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "prepare",
    [partial(without, 0), partial(without, 1), derived, same],
    ids=["without x", "without rate", "derived", "same"],
)
def test_other_arguments(function: Callable, prepare: Callable) -> None:
    """Errors, and histories from outside that a gradient goes through as well."""
    compiled = known(function)
    agree(function, compiled, prepare)
    agree(function, compiled)
    agree(function, compiled, prepare)


@pytest.mark.parametrize("function", [last, step])
def test_a_history_from_outside_is_freed(function: Callable) -> None:
    """Others know of it: what is freed of it is seen."""
    compiled = known(function)

    def outside(made: Callable) -> Any:
        x, rate = args_of()
        middle = rate.exp()
        found = [seen(made, x, middle)]
        try:
            middle.sum().backward()
        except RuntimeError as error:
            found.append(str(error))
        return found, described(rate.grad)

    for _ in range(4):
        assert_alike(outside(compiled), outside(function))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_modes(function: Callable) -> None:
    """Anomalies, gradients that are off, and another default dtype."""
    compiled = known(function)
    for mode in (torch.autograd.detect_anomaly, torch.no_grad, torch.inference_mode):
        with mode():
            found = [seen_plainly(made) for made in (compiled, function)]
        assert_alike(*found)
    agree(function, compiled)


def seen_plainly(made: Callable) -> Any:
    try:
        return described(made(*args_of()))
    except RuntimeError as error:
        return str(error)


def test_another_function_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who replaces `autograd.grad` is called."""
    compiled = known(step)
    real = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *given: [2 * real(*given)[0]])
    agree(step, compiled)


def test_it_is_counted() -> None:
    """A route says what it keeps, whether it is tried before all else or not."""
    compiled = known(kept)
    found = set()
    for _ in range(20):
        compiled(*args_of())
        found.add(compiled.explain().kept_bytes)
    assert len(found) == 1 and found.pop() > 0


@pytest.mark.parametrize("direct", [False, True])
def test_an_interrupt_is_raised_within(direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the gradient is raised in the user's code, and the next call is right."""
    seen_lines: list[int] = []

    def watched(x: Any, rate: Any) -> Any:
        try:
            return last(x, rate)
        except KeyboardInterrupt as error:
            trace = error.__traceback__
            while trace is not None:
                seen_lines.append(trace.tb_lineno)
                trace = trace.tb_next
            raise

    compiled = known(watched)
    if not direct:
        compiled.graph.calls |= 63

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(route_gradients.Gradients, "of", interrupted)
        each = routes_of(compiled)[0]
        for function in (each.run, each.direct):
            patch.setitem(function.__globals__, "one_like", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compiled(*args_of())
    assert seen_lines
    agree(watched, compiled)


def test_sums_of_numbers() -> None:
    """What the stages behind the turns send to a number is the first part of its sum, once."""

    def numbers() -> tuple[Any, Any]:
        made = [torch.tensor(each, dtype=torch.float64) for each in (0.75, 1.5)]
        return tuple(each.requires_grad_() for each in made)  # type: ignore[return-value]

    compiled = torch.compile(last)
    for _ in range(2 * USUAL):
        compiled(*numbers())
    assert goes_through(compiled)
    agree(last, compiled, numbers)


def passing_on(x: Any, rate: Any) -> Any:
    """Behind few turns the result does not lead to `rate` yet, which is an error."""
    a = b = c = d = x * 1
    while d.sum() < 100:
        a, b, c, d = b * 2, c * 2, d * 2, d + rate.exp()
    return torch.autograd.grad((a * 3).sum(), rate)


def test_an_input_to_which_nothing_leads(passes: list[bool]) -> None:
    """The error is that of eager, whatever the calls before found out."""
    compiled = known(passing_on)
    del passes[:]
    for first in (60.0, 90.0, 80.0, 85.0, 75.0, 99.0, 60.0):
        agree(passing_on, compiled, partial(args_of, first))
    # the route has come to the gradient of what leads nowhere, and has left it to eager
    assert True in passes and False in passes


def forms_of(name: str) -> tuple[Any, Any]:
    """Return arguments of another dtype or shape, or that lie otherwise."""
    x, rate = (each.detach() for each in args_of())
    if name == "single":
        x, rate = x.float(), rate.float()
    elif name == "matrix":
        x, rate = (each.expand(3, 2).clone() for each in (x, rate))
    elif name == "strided":
        x, rate = (torch.stack([each, each], 1)[:, 0] for each in (x, rate))
    elif name == "mixed":
        rate = rate.float()
    elif name == "one":
        x, rate = x[:1], rate[1:]
    return x.requires_grad_(), rate.requires_grad_()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("form", ["single", "matrix", "strided", "mixed", "one"])
def test_other_forms(function: Callable, form: str) -> None:
    """What a route knows is not used for what has another dtype or shape, or lies otherwise."""
    compiled = known(function)
    rel = 1e-12 if form in ("matrix", "strided", "one") else 1e-5
    agree(function, compiled, partial(forms_of, form), rel)
    for _ in range(USUAL):
        compiled(*forms_of(form))
    agree(function, compiled, partial(forms_of, form), rel)
    agree(function, compiled)


@pytest.mark.parametrize("inlined", [False], indirect=True)
@pytest.mark.parametrize("function", [step, step_seen, both])
@pytest.mark.parametrize(
    "change",
    [
        lambda made: [made[0] * 0, *made],
        lambda made: [each.float() for each in made],
        lambda made: [torch.stack([each, each], 1)[:, 0] for each in made],
    ],
    ids=["more", "single", "strided"],
)
def test_gradients_like_none_before(
    function: Callable, change: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows takes none that are more, or lie otherwise, than those it was recorded with."""
    compiled = known(function)
    real, changed = route_gradients.Gradients.of, []

    def other(self: Any, *given: Any) -> Any:
        made = real(self, *given)
        changed.append(made is not None)
        return made and change(made)

    monkeypatch.setattr(route_gradients.Gradients, "of", other)
    agree(function, compiled)
    assert any(changed)


@pytest.mark.parametrize("inlined", [False], indirect=True)
@pytest.mark.parametrize("numbers", [[0], [1], [1, 0]])
def test_what_is_asked_is_looked_at(numbers: list, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place of a route gives the gradients of the inputs at hand, and sees hooks by itself."""
    compiled = known(both)
    real, found = route_gradients.Gradients.of, []

    def asked(self: Any, node: Any, array: Any, inputs: Any) -> Any:
        assert self.way_back is not None
        others = tuple(inputs[number] for number in numbers)
        found.append(real(self, node, array, others))
        return None

    monkeypatch.setattr(route_gradients.Gradients, "of", asked)
    args = args_of()
    compiled(*args)
    # the inputs are given as (rate, x)
    expected = torch.autograd.grad(loss_of(*args), [args[1 - number] for number in numbers])
    assert_alike(described(found[0]), described(list(expected)))
    del found[:]

    def hooked(self: Any, node: Any, array: Any, inputs: Any) -> Any:
        # another thread may do so behind the guards
        inputs[numbers[0]].register_hook(lambda flow: flow * 2)
        found.append(real(self, node, array, inputs))
        return None

    monkeypatch.setattr(route_gradients.Gradients, "of", hooked)
    compiled(*args_of())
    assert found and set(found) == {None}
