"""Optimizers, and what changes their learning rates."""

from jitgrad.optim import lr_scheduler as lr_scheduler
from jitgrad.optim import swa_utils as swa_utils
from jitgrad.optim.adadelta import Adadelta as Adadelta
from jitgrad.optim.adafactor import Adafactor as Adafactor
from jitgrad.optim.adagrad import Adagrad as Adagrad
from jitgrad.optim.adam import Adam as Adam
from jitgrad.optim.adam import AdamW as AdamW
from jitgrad.optim.adamax import Adamax as Adamax
from jitgrad.optim.asgd import ASGD as ASGD
from jitgrad.optim.lbfgs import LBFGS as LBFGS
from jitgrad.optim.nadam import NAdam as NAdam
from jitgrad.optim.optimizer import Optimizer as Optimizer
from jitgrad.optim.radam import RAdam as RAdam
from jitgrad.optim.rmsprop import RMSprop as RMSprop
from jitgrad.optim.rprop import Rprop as Rprop
from jitgrad.optim.sgd import SGD as SGD
