"""Draw curves over one coordinate, with the error below them."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from kanpde.calculus.arrays import Array
from kanpde.plots.quantities import Quantity
from kanpde.plots.scales import log_scale
from kanpde.plots.slices import Slice
from kanpde.plots.style import INK, MUTED, PALETTE, TICK, Figure, new_figure, style_axes, symbol


def curves(rows: list[list[Quantity]], cut: Slice) -> Figure:
    """Draw for every field a panel of curves and, below it, a lower panel of the error or residual on a log axis."""
    halves = [[q for q in row if q.logarithmic is log] for row in rows for log in (False, True)]
    panels = [half for half in halves if half]
    heights = [1.0 if panel[0].logarithmic else 2.0 for panel in panels]
    figure = new_figure(7.2, 0.9 + 1.35 * sum(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    name = cut.domain.names[cut.axes[0]]
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _draw_panel(axes, panel, cut.coordinates()[name])
    if len(panels[0]) > 1:
        look: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": 2, "borderpad": 0.1}
        grid[0, 0].legend(fontsize=TICK, frameon=False, **look)
    style_axes(grid[-1, 0], symbol(name), panels[-1][0].label)
    grid[-1, 0].set_xlim(*cut.extent)
    return figure


def _draw_panel(axes: Axes, panel: list[Quantity], x: Array) -> None:
    looks: dict[str, dict[str, Any]] = {
        "solution": {"color": PALETTE[0], "lw": 2.4, "ls": "-"},
        "reference": {"color": INK, "lw": 1.4, "ls": (0, (4, 4))},
        "formula": {"color": INK, "lw": 1.4, "ls": (0, (4, 4))},
    }
    for quantity in panel:
        look = looks.get(quantity.kind, {"color": PALETTE[1], "lw": 1.4, "ls": "-"})
        axes.plot(x, quantity.values[0], label=quantity.kind, **look)
    if panel[0].logarithmic:
        scale = log_scale(panel)
        # The limits come before the log scale, because matplotlib finds no limits if all values are 0.
        axes.set_ylim(scale.vmin, 2 * (scale.vmax or 1.0))
        axes.set_yscale("log")
    axes.grid(color=MUTED, alpha=0.2, lw=0.6)
    style_axes(axes, y=panel[0].label)
