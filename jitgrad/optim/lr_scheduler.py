"""What changes learning rates while a model is trained."""

from jitgrad.optim.combined import ChainedScheduler as ChainedScheduler
from jitgrad.optim.combined import SequentialLR as SequentialLR
from jitgrad.optim.cycles import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from jitgrad.optim.cycles import CyclicLR as CyclicLR
from jitgrad.optim.cycles import OneCycleLR as OneCycleLR
from jitgrad.optim.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from jitgrad.optim.scheduler import LRScheduler as LRScheduler
from jitgrad.optim.schedules import ConstantLR as ConstantLR
from jitgrad.optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from jitgrad.optim.schedules import ExponentialLR as ExponentialLR
from jitgrad.optim.schedules import LambdaLR as LambdaLR
from jitgrad.optim.schedules import LinearLR as LinearLR
from jitgrad.optim.schedules import MultiplicativeLR as MultiplicativeLR
from jitgrad.optim.schedules import MultiStepLR as MultiStepLR
from jitgrad.optim.schedules import PolynomialLR as PolynomialLR
from jitgrad.optim.schedules import StepLR as StepLR

_LRScheduler = LRScheduler
