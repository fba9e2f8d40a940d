"""Blocks and decorators that switch the recording of history."""

import inspect
import threading

import pytest

import jitgrad as torch


def test_blocks_nest():
    seen = [torch.is_grad_enabled()]
    with torch.no_grad():
        seen.append(torch.is_grad_enabled())
        with torch.enable_grad():
            seen.append(torch.is_grad_enabled())
            with torch.set_grad_enabled(False):
                seen.append(torch.is_grad_enabled())
            seen.append(torch.is_grad_enabled())
        seen.append(torch.is_grad_enabled())
    seen.append(torch.is_grad_enabled())
    assert seen == [True, False, True, False, True, False, True]


def test_one_object_many_times():
    block = torch.no_grad()
    with block:
        with block:
            assert not torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_exceptions_restore(mode):
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("decorate", "expected"),
    [
        (torch.no_grad, False),
        (torch.no_grad(), False),
        (torch.enable_grad, True),
        (torch.enable_grad(), True),
        (torch.inference_mode, False),
        (torch.inference_mode(), False),
        (torch.inference_mode(False), True),
        (torch.set_grad_enabled(True), True),
    ],
)
def test_decorators(decorate, expected):
    @decorate
    def function(a, *, b=2):
        """Say it."""
        return torch.is_grad_enabled(), a, b

    assert function(1, b=3) == (expected, 1, 3)
    assert function.__doc__ == "Say it."
    assert str(inspect.signature(function)) == "(a, *, b=2)"
    assert torch.is_grad_enabled()


def test_decorated_by_set_grad_enabled():
    @torch.set_grad_enabled(False)
    def function():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    assert function() is False
    assert torch.is_grad_enabled()


def test_decorated_recursion():
    @torch.no_grad()
    def down(n):
        assert not torch.is_grad_enabled()
        return down(n - 1) if n else 0

    assert down(3) == 0
    assert torch.is_grad_enabled()


def test_decorated_function_that_raises():
    @torch.no_grad
    def function():
        raise KeyError

    with pytest.raises(KeyError):
        function()
    assert torch.is_grad_enabled()


def test_decorated_generator():
    log = []

    @torch.no_grad()
    def generator():
        try:
            got = yield torch.is_grad_enabled()
            log.append((got, torch.is_grad_enabled()))
            try:
                yield 2
            except KeyError:
                log.append(torch.is_grad_enabled())
                yield 3
            return "end"
        finally:
            log.append(torch.is_grad_enabled())

    running = generator()
    assert next(running) is False
    assert torch.is_grad_enabled()
    assert running.send("sent") == 2
    assert running.throw(KeyError) == 3
    assert torch.is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "end"
    assert log == [("sent", False), False, False]


def test_decorated_generator_closed():
    log = []

    @torch.no_grad()
    def generator():
        try:
            yield 1
        finally:
            log.append(torch.is_grad_enabled())

    running = generator()
    next(running)
    running.close()
    assert log == [False]
    assert torch.is_grad_enabled()


def test_set_grad_enabled_as_a_call():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
        assert not (torch.ones(1, requires_grad=True) * 2).requires_grad
    finally:
        torch.set_grad_enabled(True)
    assert torch.is_grad_enabled()
    with pytest.raises(TypeError, match="mode must be a bool"):
        torch.set_grad_enabled(1)


def test_results_in_no_grad():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = x * 2
        z = torch.ones(2, requires_grad=True)
    assert not y.requires_grad and y.is_leaf and y.grad_fn is None
    assert z.requires_grad


def test_threads_have_their_own():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detect_anomaly():
    x = torch.zeros(1, requires_grad=True)
    with torch.autograd.detect_anomaly():
        assert torch.is_anomaly_enabled()
        with pytest.raises(RuntimeError, match="'SqrtBackward' returned nan values in its 0th"):
            (x.sqrt() * 0).sum().backward()
    assert not torch.is_anomaly_enabled()
    (x.sqrt() * 0).sum().backward()
    assert x.grad.isnan().all()


def test_set_detect_anomaly():
    torch.autograd.set_detect_anomaly(True)
    assert torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()
