"""Helpers for parameters, gradients and weights."""

from jitgrad.nn.utils import rnn as rnn
