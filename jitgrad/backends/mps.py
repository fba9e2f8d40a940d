"""Apple's devices, which are not here."""


def is_available() -> bool:
    """Say whether there is such a device: there is none."""
    return False


def is_built() -> bool:
    """Say whether the library was built for such devices: it was not."""
    return False
