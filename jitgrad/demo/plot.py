"""The picture of ``--plot``: losses step by step, and the time of a step."""

from collections.abc import Mapping
from pathlib import Path

from jitgrad.demo.digits import Run

STYLES = {"eager": (3.0, "#a8b3bf"), "compiled": (0.8, "#c2410c")}
"""Width and colour of each: the compiled line is drawn inside the eager one."""


def draw(path: Path, runs: Mapping[str, Run]) -> None:
    """Write the picture of the runs to `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, times = figure.subplots(1, 2)
    for mode, run in runs.items():
        width, colour = STYLES[mode]
        steps = range(1, len(run.losses) + 1)
        losses.plot(steps, run.losses, color=colour, label=mode, linewidth=width)
        micro = [second * 1e6 for second in run.seconds]
        times.plot(steps, micro, ".", color=colour, label=mode, markersize=3)
    losses.set(title="Loss of each batch", xlabel="step", ylabel="cross-entropy", yscale="log")
    times.set(title="Time of each step", xlabel="step", ylabel="µs", yscale="log")
    losses.legend()
    times.legend()
    figure.savefig(path, format="png", dpi=120)
