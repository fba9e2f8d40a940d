"""Building blocks of neural networks."""

from jitgrad.nn import functional as functional
