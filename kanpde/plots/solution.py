"""Draw the solution, its reference and the error."""

from __future__ import annotations

from functools import partial

from kanpde.plots.curves import curves
from kanpde.plots.drawable import Drawable
from kanpde.plots.maps import maps, sliced_maps
from kanpde.plots.quantities import magnitude, quantities
from kanpde.plots.regression import regression_figure
from kanpde.plots.slices import slices
from kanpde.plots.style import Figure, headline, set_title


def solution_figure(solution: Drawable) -> Figure:
    """Draw the solution, its reference and the error |u - u_ref|; the solution and the residual if no reference exists.

    One dimension gives curves with the error below them. Two dimensions give maps, one row per field. More dimensions
    give maps of planes, at four times or through the middle. Solution and reference have the same limits; errors have a
    logarithmic scale. A function of data is drawn by `regression_figure`.
    """
    if not solution.problem.has_equation:
        return regression_figure(solution)
    cuts = slices(solution.problem.domain, partial(magnitude, solution))
    rows = quantities(solution, cuts)
    if len(cuts[0].axes) == 1:
        figure = curves(rows, cuts[0])
    elif len(cuts) == 1:
        figure = maps(rows, cuts[0])
    else:
        figure = sliced_maps(rows, cuts)
    set_title(figure, headline(solution.problem))
    return figure
