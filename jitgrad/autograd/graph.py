"""The nodes of a history, under PyTorch's name."""

from jitgrad.node import AccumulateGrad as AccumulateGrad
from jitgrad.node import Node as Node
