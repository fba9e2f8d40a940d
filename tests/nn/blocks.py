"""A module with some of all that modules own, and a check that no test leaves its hooks behind."""

import pytest

from jitgrad.nn.modules.hooks import CALL_HOOKS, REGISTRATION_HOOKS


@pytest.fixture(autouse=True)
def no_hooks_stay():
    yield
    assert not CALL_HOOKS
    assert not REGISTRATION_HOOKS


def block(torch):
    """Return a class of modules with a parameter, an absent one, buffers and a submodule."""

    class Block(torch.nn.Module):
        def __init__(self, size=2):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(size))
            self.register_parameter("bias", None)
            self.register_buffer("mean", torch.zeros(size))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.inner = torch.nn.Linear(size, 1)
            self.name = "block"

        def forward(self, x, *, scale=1.0):
            return self.inner(x * self.weight) * scale

    return Block
