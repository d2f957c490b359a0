"""The solution beside its reference, and how far apart they are."""

from __future__ import annotations

from functools import partial

from kanpde.plots.curves import curves
from kanpde.plots.drawable import Drawable
from kanpde.plots.maps import maps, sliced_maps
from kanpde.plots.quantities import magnitude, quantities
from kanpde.plots.slices import slices
from kanpde.plots.style import Figure, entitle, headline


def solution_figure(solution: Drawable) -> Figure:
    """The solution, its reference and the error; without a reference the solution and the PDE's residual.

    One dimension: curves, the error below them. Two: maps, one row per field. Beyond: maps of planes, at
    four times or through the middle. Solution and reference share their limits; errors are on a logarithmic scale.
    """
    cuts = slices(solution.problem.domain, partial(magnitude, solution))
    rows = quantities(solution, cuts)
    if len(cuts[0].axes) == 1:
        figure = curves(rows, cuts[0])
    elif len(cuts) == 1:
        figure = maps(rows, cuts[0])
    else:
        figure = sliced_maps(rows, cuts)
    entitle(figure, headline(solution.problem))
    return figure
