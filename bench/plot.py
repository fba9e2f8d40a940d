"""Results as a picture: each subject's time over that of the basis, workload by workload."""

from collections.abc import Mapping
from pathlib import Path

from bench import table
from bench.run import Measurement

COLOURS = {
    "floor": "#d4d4d4",
    "jitgrad": "#fdba74",
    "jitgrad.compile": "#c2410c",
    "torch": "#93c5fd",
    "torch.compile": "#1d4ed8",
    "jax.jit": "#15803d",
    "numpy": "#d4d4d4",
    "jax": "#15803d",
}


def draw(path: Path, results: Mapping[str, Mapping[str, Measurement]]) -> None:
    """Write a bar for each ratio to `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bars = [
        (name, subject, part)
        for name, found in results.items()
        for subject in found
        if (part := table.ratio(name, subject, found)) is not None
    ]
    figure = Figure(figsize=(9, 1.5 + 0.22 * len(bars)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.barh(
        range(len(bars)),
        [part - 1 for _, _, part in bars],
        left=1,
        color=[COLOURS[subject] for _, subject, _ in bars],
    )
    axes.set_yticks(range(len(bars)), [f"{name}  {subject}" for name, subject, _ in bars])
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    if bars:
        axes.set_xscale("log")
    axes.set_xlabel("time over that of PyTorch, eager (import: of NumPy); left is faster")
    figure.savefig(path, format="png", dpi=120)
