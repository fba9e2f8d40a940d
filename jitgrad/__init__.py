"""jitgrad: PyTorch's tensors and autograd in plain Python, and a compiler for both."""

from jitgrad.device import device as device
from jitgrad.dtypes import *  # noqa: F403
from jitgrad.ops.binary import *  # noqa: F403
from jitgrad.ops.unary import *  # noqa: F403
from jitgrad.spec import Size as Size
from jitgrad.tensor import Tensor as Tensor
