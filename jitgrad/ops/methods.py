"""All operations that are methods of `Tensor`."""

from jitgrad.ops.activation import ActivationMethods
from jitgrad.ops.bessel import BesselMethods
from jitgrad.ops.binary import BinaryMethods
from jitgrad.ops.blending import BlendingMethods
from jitgrad.ops.calculus import CalculusMethods
from jitgrad.ops.comparison import ComparisonMethods
from jitgrad.ops.composite import CompositeMethods
from jitgrad.ops.convert import ConvertMethods
from jitgrad.ops.counting import CountingMethods
from jitgrad.ops.create import CreateMethods
from jitgrad.ops.decompositions import DecompositionMethods
from jitgrad.ops.diagonal import DiagonalMethods
from jitgrad.ops.division import DivisionMethods
from jitgrad.ops.exponential import ExponentialMethods
from jitgrad.ops.extremes import ExtremeMethods
from jitgrad.ops.fillers import FillerMethods
from jitgrad.ops.index import IndexMethods
from jitgrad.ops.layout import LayoutMethods
from jitgrad.ops.linalg import LinalgMethods
from jitgrad.ops.logical import LogicalMethods
from jitgrad.ops.machine_numbers import MachineNumberMethods
from jitgrad.ops.masks import MaskMethods
from jitgrad.ops.matrices import MatrixMethods
from jitgrad.ops.moving import MovingMethods
from jitgrad.ops.norms import NormMethods
from jitgrad.ops.overlays import OverlayMethods
from jitgrad.ops.overwriting import OverwritingMethods
from jitgrad.ops.places import PlaceMethods
from jitgrad.ops.positions import PositionMethods
from jitgrad.ops.products import ProductMethods
from jitgrad.ops.random import RandomMethods
from jitgrad.ops.reals import RealMethods
from jitgrad.ops.rectifiers import RectifierMethods
from jitgrad.ops.reduce import ReduceMethods
from jitgrad.ops.restructuring import RestructuringMethods
from jitgrad.ops.rounding import RoundingMethods
from jitgrad.ops.scan import ScanMethods
from jitgrad.ops.scatter import ScatterMethods
from jitgrad.ops.scatter_reduce import ScatterReduceMethods
from jitgrad.ops.selection import SelectionMethods
from jitgrad.ops.shape import ShapeMethods
from jitgrad.ops.slicing import SliceMethods
from jitgrad.ops.sorting import SortingMethods
from jitgrad.ops.special import SpecialMethods
from jitgrad.ops.splitting import SplitMethods
from jitgrad.ops.statistics import StatisticsMethods
from jitgrad.ops.triangular import TriangularMethods
from jitgrad.ops.trigonometric import TrigonometricMethods
from jitgrad.ops.unary import UnaryMethods
from jitgrad.ops.vectors import VectorMethods
from jitgrad.ops.views import ViewMethods
from jitgrad.ops.windows import WindowMethods
from jitgrad.ops.write import WriteMethods


class OperationMethods(
    ActivationMethods,
    BesselMethods,
    BinaryMethods,
    BlendingMethods,
    CalculusMethods,
    ComparisonMethods,
    CompositeMethods,
    ConvertMethods,
    CountingMethods,
    CreateMethods,
    DecompositionMethods,
    DiagonalMethods,
    DivisionMethods,
    ExponentialMethods,
    ExtremeMethods,
    FillerMethods,
    IndexMethods,
    LayoutMethods,
    LinalgMethods,
    LogicalMethods,
    MachineNumberMethods,
    MaskMethods,
    MatrixMethods,
    MovingMethods,
    NormMethods,
    OverlayMethods,
    OverwritingMethods,
    PlaceMethods,
    PositionMethods,
    ProductMethods,
    RandomMethods,
    RealMethods,
    RectifierMethods,
    ReduceMethods,
    RestructuringMethods,
    RoundingMethods,
    ScanMethods,
    ScatterMethods,
    ScatterReduceMethods,
    SelectionMethods,
    ShapeMethods,
    SliceMethods,
    SortingMethods,
    SpecialMethods,
    SplitMethods,
    StatisticsMethods,
    TriangularMethods,
    TrigonometricMethods,
    UnaryMethods,
    VectorMethods,
    ViewMethods,
    WindowMethods,
    WriteMethods,
):
    """What the files of this package give to `Tensor`."""
