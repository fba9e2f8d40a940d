"""Switches of PyTorch's backends, which programs set. There are no such backends here.

What is set is remembered, so that it can be read again, and changes nothing.
"""

from jitgrad.backends import cuda as cuda
from jitgrad.backends import cudnn as cudnn
from jitgrad.backends import mkl as mkl
from jitgrad.backends import mps as mps
from jitgrad.backends import openmp as openmp
