"""Modules: parts of neural networks with parameters of their own."""

from jitgrad.nn.modules.container import ModuleDict as ModuleDict
from jitgrad.nn.modules.container import ModuleList as ModuleList
from jitgrad.nn.modules.container import Sequential as Sequential
from jitgrad.nn.modules.flatten import Flatten as Flatten
from jitgrad.nn.modules.flatten import Unflatten as Unflatten
from jitgrad.nn.modules.lazy import LazyModuleMixin as LazyModuleMixin
from jitgrad.nn.modules.linear import Bilinear as Bilinear
from jitgrad.nn.modules.linear import Identity as Identity
from jitgrad.nn.modules.linear import LazyLinear as LazyLinear
from jitgrad.nn.modules.linear import Linear as Linear
from jitgrad.nn.modules.module import Module as Module
from jitgrad.nn.modules.parameters import ParameterDict as ParameterDict
from jitgrad.nn.modules.parameters import ParameterList as ParameterList
from jitgrad.nn.modules.rnn import GRU as GRU
from jitgrad.nn.modules.rnn import LSTM as LSTM
from jitgrad.nn.modules.rnn import RNN as RNN
from jitgrad.nn.modules.rnn import RNNBase as RNNBase
from jitgrad.nn.modules.rnn_cells import GRUCell as GRUCell
from jitgrad.nn.modules.rnn_cells import LSTMCell as LSTMCell
from jitgrad.nn.modules.rnn_cells import RNNCell as RNNCell
from jitgrad.nn.modules.rnn_cells import RNNCellBase as RNNCellBase
