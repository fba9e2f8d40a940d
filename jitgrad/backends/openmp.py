"""Threads by OpenMP, which are not used here."""


def is_available() -> bool:
    """Say whether the library was built with it: it was not."""
    return False
