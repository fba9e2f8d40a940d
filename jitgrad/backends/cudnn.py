"""NVIDIA's library for neural networks, which is not here."""

enabled: bool = True
benchmark: bool = False
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """Say whether cuDNN is here: it is not."""
    return False


def version() -> int | None:
    """Return the version of cuDNN: there is none."""
    return None
