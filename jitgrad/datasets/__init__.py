"""Small data sets that come with the package."""

from jitgrad.datasets.digits import digits

__all__ = ["digits"]
