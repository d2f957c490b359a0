"""Draw the figures of a run: the solution, the history of its training, the network as a graph, and the formula.

Only this package imports matplotlib. It does without pyplot, so drawing needs no display and changes no global state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kanpde.files import write_atomically
from kanpde.plots.drawable import Drawable
from kanpde.plots.formula import formula_figure
from kanpde.plots.history import history_figure
from kanpde.plots.network import network_figure
from kanpde.plots.solution import solution_figure
from kanpde.plots.style import Figure
from kanpde.plots.unknowns import unknowns_figure

__all__ = ["formula_figure", "history_figure", "network_figure", "solution_figure", "unknowns_figure", "write_figures"]

FIGURES: Mapping[str, Callable[[Any], Figure]] = {
    "solution": solution_figure,
    "history": history_figure,
    "network": network_figure,
    "formula": formula_figure,
    "unknowns": unknowns_figure,
}
DEFAULT_NAMES = ("solution", "history", "network")  # the figures that every solution of a KAN has


def write_figures(solution: Drawable, folder: str | Path, names: Sequence[str] = DEFAULT_NAMES) -> list[Path]:
    """Write solution.png, history.png and network.png into the folder and return the paths of the files written.

    The folder is made if it is missing. `names` chooses other figures; "formula" needs a solution with a formula.

    A figure that cannot be drawn is left out with one RuntimeWarning that names it, because a failed picture must not
    cost the run its numbers. Each file is complete or absent.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names:
        draw = FIGURES[name]
        path = folder / f"{name}.png"
        try:
            write_figure(draw(solution), path)
        except Exception as error:  # an error in one figure must not stop the others
            reason = " ".join(str(error).split())
            warnings.warn(f"{path} was not drawn: {type(error).__name__}: {reason}", RuntimeWarning, stacklevel=2)
        else:
            written.append(path)
    return written


def write_figure(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write the figure as a PNG file, atomically."""
    quick = {"compress_level": 2}  # a third of the default's time, and files a tenth larger
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=dpi, pil_kwargs=quick))
