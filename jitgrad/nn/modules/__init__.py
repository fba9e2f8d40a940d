"""Modules: parts of neural networks with parameters of their own."""

from jitgrad.nn.modules.module import Module as Module
