"""Building blocks of neural networks."""

from jitgrad.nn import functional as functional
from jitgrad.nn import init as init
from jitgrad.nn import modules as modules
from jitgrad.nn import parameter as parameter
from jitgrad.nn.modules.container import ModuleDict as ModuleDict
from jitgrad.nn.modules.container import ModuleList as ModuleList
from jitgrad.nn.modules.container import Sequential as Sequential
from jitgrad.nn.modules.flatten import Flatten as Flatten
from jitgrad.nn.modules.flatten import Unflatten as Unflatten
from jitgrad.nn.modules.linear import Bilinear as Bilinear
from jitgrad.nn.modules.linear import Identity as Identity
from jitgrad.nn.modules.linear import LazyLinear as LazyLinear
from jitgrad.nn.modules.linear import Linear as Linear
from jitgrad.nn.modules.module import Module as Module
from jitgrad.nn.modules.parameters import ParameterDict as ParameterDict
from jitgrad.nn.modules.parameters import ParameterList as ParameterList
from jitgrad.nn.parameter import Buffer as Buffer
from jitgrad.nn.parameter import Parameter as Parameter
from jitgrad.nn.parameter import UninitializedBuffer as UninitializedBuffer
from jitgrad.nn.parameter import UninitializedParameter as UninitializedParameter
