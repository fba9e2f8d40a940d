"""The lines of the table of operators, by family."""

from tests.opinfo import Op
from tests.optables import (
    composites,
    decompositions,
    distributions,
    furthers,
    indexing,
    matrices,
    networks,
    pointwise,
    recurrent,
    reductions,
    shapes,
    spatial,
)

OPS: tuple[Op, ...] = (
    *pointwise.OPS,
    *reductions.OPS,
    *shapes.OPS,
    *indexing.OPS,
    *matrices.OPS,
    *decompositions.OPS,
    *composites.OPS,
    *furthers.OPS,
    *distributions.OPS,
    *networks.OPS,
    *recurrent.OPS,
    *spatial.OPS,
)
