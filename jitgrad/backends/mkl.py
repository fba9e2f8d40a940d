"""Intel's library for linear algebra. NumPy may use it; this library does not call it itself."""


def is_available() -> bool:
    """Say whether the library was built with it: it was not."""
    return False
