"""NVIDIA's devices: there are none here, and programs that ask first hear so.

What makes sense without a device (seeding, freeing memory) does nothing, as in PyTorch; what needs
one raises RuntimeError.
"""

from typing import Any, NoReturn

from jitgrad.device import no_cuda

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state_all",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """Say whether there is a device: there is none.

    >>> import jitgrad as torch
    >>> torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """Return how many devices there are: 0."""
    return 0


def is_initialized() -> bool:
    """Say whether devices have been set up: they have not."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Say whether a device computes with bfloat16: there is none."""
    return False


def get_arch_list() -> list[str]:
    """Return the kinds of devices that the library was built for: none."""
    return []


def manual_seed(seed: int) -> None:
    """Do nothing: `jitgrad.manual_seed` seeds what there is."""


def manual_seed_all(seed: int) -> None:
    """Do nothing: `jitgrad.manual_seed` seeds what there is."""


def seed() -> None:
    """Do nothing: there is no device with random numbers."""


def seed_all() -> None:
    """Do nothing: there is no device with random numbers."""


def get_rng_state_all() -> list:
    """Return the states of the generators of all devices: none."""
    return []


def empty_cache() -> None:
    """Do nothing: there is no memory of devices."""


def memory_allocated(device: Any = None) -> int:
    """Return the bytes on a device that are in use: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Return the most bytes on a device that have been in use: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Return the bytes on a device that are held: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Return the most bytes on a device that have been held: 0."""
    return 0


def init() -> NoReturn:
    """Raise RuntimeError: there is no device to set up."""
    raise no_cuda("cuda.init", "a call")


def current_device() -> NoReturn:
    """Raise RuntimeError: there is no device."""
    raise no_cuda("cuda.current_device", "a call")


def set_device(device: Any) -> NoReturn:
    """Raise RuntimeError: there is no device."""
    raise no_cuda("cuda.set_device", repr(device))


def get_device_name(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no device."""
    raise no_cuda("cuda.get_device_name", repr(device))


def get_device_capability(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no device."""
    raise no_cuda("cuda.get_device_capability", repr(device))


def get_device_properties(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no device."""
    raise no_cuda("cuda.get_device_properties", repr(device))


def synchronize(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no device to wait for."""
    raise no_cuda("cuda.synchronize", repr(device))
