"""Building blocks of neural networks."""

from jitgrad.nn import functional as functional
from jitgrad.nn import modules as modules
from jitgrad.nn import parameter as parameter
from jitgrad.nn.modules.module import Module as Module
from jitgrad.nn.parameter import Buffer as Buffer
from jitgrad.nn.parameter import Parameter as Parameter
from jitgrad.nn.parameter import UninitializedBuffer as UninitializedBuffer
from jitgrad.nn.parameter import UninitializedParameter as UninitializedParameter
