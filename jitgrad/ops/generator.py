"""Where random numbers come from: a counter-based generator with explicit state."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.device import CPU
from jitgrad.device import device as check_device
from jitgrad.dispatch import TensorCore, wrap
from jitgrad.errors import describe
from jitgrad.locks import SHARED
from jitgrad.modes import state

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


class Generator:
    """A stream of random numbers: Philox 4x64, whose state is a key and a counter.

    Example:
        >>> import jitgrad as torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> first = torch.rand(2, generator=generator)
        >>> bool((first == torch.rand(2, generator=generator.manual_seed(0))).all())
        True
    """

    def __init__(self, device: Any = None) -> None:
        self.device = CPU if device is None else check_device(device)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Begin the stream that belongs to `seed` (an integer); return the generator."""
        if state.recorder is not None:
            state.recorder.unknown("seeding a generator")
        with SHARED:
            self._seed = int(seed) & (2**64 - 1)
            self._numpy: np.random.Generator | None = None
        return self

    @property
    def numpy(self) -> np.random.Generator:
        """What draws the numbers."""
        made = self._numpy
        if made is None:
            # only now: numpy.random takes a tenth of the time that numpy takes to import
            with SHARED:
                made = self._numpy
                if made is None:
                    philox = np.random.Philox(key=self._seed)
                    made = self._numpy = np.random.Generator(philox)
        return made

    def __reduce__(self) -> tuple:
        return _generator_in, (self.get_state(),)

    def initial_seed(self) -> int:
        """Return the seed that the stream began with."""
        if state.recorder is not None:
            state.recorder.unknown("reading the seed of a generator")
        return self._seed

    def seed(self) -> int:
        """Begin the stream of a seed that nobody can foresee; return that seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def get_state(self) -> Tensor:
        """Return the state as a tensor of bytes."""
        if state.recorder is not None:
            state.recorder.unknown("reading the state of a generator")
        held: Any = self.numpy.bit_generator.state
        words = [
            self._seed,
            *held["state"]["counter"].tolist(),
            *held["state"]["key"].tolist(),
            *held["buffer"].tolist(),
            held["buffer_pos"],
            held["has_uint32"],
            held["uinteger"],
        ]
        return wrap(np.array(words, np.uint64).view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from `new_state`, which `get_state` returned; return the generator.

        Raises:
            TypeError, RuntimeError: not such a state.
        """
        if not isinstance(new_state, TensorCore):
            raise TypeError(f"set_state: expected a Tensor, not {type(new_state).__name__}")
        array = new_state._array
        if array.dtype != np.uint8 or array.shape != (14 * 8,):
            raise RuntimeError(
                describe(
                    "set_state",
                    f"a tensor of {array.dtype} and shape {array.shape}",
                    "RNG state must be what get_state() returned",
                )
            )
        if state.recorder is not None:
            state.recorder.unknown("writing the state of a generator")
        words = np.array(array).view(np.uint64)
        self._seed = int(words[0])
        self.numpy.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": words[1:5].copy(), "key": words[5:7].copy()},
            "buffer": words[7:11].copy(),
            "buffer_pos": int(words[11]),
            "has_uint32": int(words[12]),
            "uinteger": int(words[13]),
        }
        return self


def _generator_in(new_state: Tensor) -> Generator:
    return Generator().set_state(new_state)


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Begin the stream of random numbers that belongs to `seed`; return the default generator.

    Example:
        >>> import jitgrad as torch
        >>> first = torch.manual_seed(0), torch.rand(2)
        >>> bool((torch.manual_seed(0), torch.rand(2))[1].equal(first[1]))
        True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Begin the stream of a seed that nobody can foresee; return that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Return the state of the default generator as a tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Make the default generator go on from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng() -> Iterator[None]:
    """Give the default generator back its state after a `with` block."""
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)
