"""Draw one edge of a network large: its curve, its basis functions, its knots, and the values that reach it."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.plots.style import FAINT, INK, LABEL, MUTED, PALETTE, TICK, Figure, new_figure, set_title, style_axes

BINS = 40
MOST_KNOTS = 200  # that are drawn


def edge_figure(title: str, knots: Array, grid: Array, basis: Array, curve: Array, values: Array) -> Figure:
    """Draw an edge's curve (m,) over `grid` (m,) with its parts, the basis functions (b, m) times their coefficients.

    Ticks mark the `knots`. Below is the distribution of the `values` (n,) of the edge's input, with the grid shaded:
    values beyond it are in the part where the edge goes on as a line.
    """
    figure = new_figure(7.6, 5.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.0))
    for part in basis:
        above.plot(grid, part, color=MUTED, lw=0.8, alpha=0.55)
    above.plot([], [], color=MUTED, lw=0.8, label="basis functions times coefficients")
    above.plot(grid, curve, color=PALETTE[0], lw=2.2, label="the edge")
    if len(knots) <= MOST_KNOTS:
        look: dict[str, Any] = {"color": INK, "lw": 0.8, "ymax": 0.04}
        for knot in knots:
            above.axvline(float(knot), **look)
        above.plot([], [], color=INK, marker="|", ls="", label=f"{len(knots)} knots")
    above.legend(fontsize=TICK, frameon=False)
    style_axes(above, "", "value")
    below.axvspan(float(knots[0]), float(knots[-1]), color=FAINT, alpha=0.6, lw=0, zorder=0)
    below.hist(values, bins=BINS, color=PALETTE[1], zorder=2)
    inside = float(np.mean((values >= knots[0]) & (values <= knots[-1])))
    below.set_title(f"values of the input: {100 * inside:.3g} % within the grid", fontsize=LABEL, color=INK, loc="left")
    style_axes(below, "input of the edge", "count")
    set_title(figure, title)
    return figure
