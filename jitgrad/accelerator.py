"""Devices beside the processor, of whatever kind: there are none here."""

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """Say whether there is one: there is none.

    >>> import jitgrad as torch
    >>> torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    'cpu'
    """
    return False


def current_accelerator(check_available: bool = False) -> None:
    """Return the device in use: None."""
    return None


def device_count() -> int:
    """Return how many there are: 0."""
    return 0
