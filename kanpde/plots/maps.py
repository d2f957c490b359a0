"""Draw maps of planes, to scale where possible, with one colour bar for each colour scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from kanpde.calculus.arrays import Array
from kanpde.plots.quantities import Quantity
from kanpde.plots.scales import DECADES, colours
from kanpde.plots.slices import Slice
from kanpde.plots.style import INK, LABEL, MUTED, TICK, TITLE, Figure, new_figure, style_axes, symbol


def maps(rows: list[list[Quantity]], cut: Slice) -> Figure:
    """Draw one row of maps for each field and one column for each quantity."""
    kinds = list(dict.fromkeys(q.kind for row in rows for q in row))
    width, height = _map_size(cut, 3.0)
    figure = new_figure(0.6 + len(kinds) * (width + 1.25), 0.6 + len(rows) * (height + 0.5), "compressed")
    # Wide gaps separate the label of a colour bar from the next map's axis.
    grid = figure.subplots(len(rows), len(kinds), squeeze=False, gridspec_kw={"wspace": 0.1})
    for i, row in enumerate(rows):
        present = {q.kind: q for q in row}
        for axes, kind in zip(grid[i], kinds, strict=True):
            if kind not in present:
                axes.set_axis_off()
                continue
            image = _draw_map(axes, cut, present[kind].values[0], *colours(present[kind], row))
            if i == 0:
                axes.set_title(kind, fontsize=TITLE)
            if kind != row[0].kind:
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)
            _colour_bar(figure, image, axes, present[kind].label, present[kind].logarithmic)
    return figure


def sliced_maps(rows: list[list[Quantity]], cuts: Sequence[Slice]) -> Figure:
    """Draw one column of maps for each slice; every quantity of every field is a row with one colour scale."""
    width, height = _map_size(cuts[0], 2.1)
    lines = [(quantity, row) for row in rows for quantity in row]
    same_plane = all(cut.axes == cuts[0].axes for cut in cuts)
    figure = new_figure(1.4 + len(cuts) * (width + 0.35), 0.8 + len(lines) * (height + 0.35), "compressed")
    grid = figure.subplots(len(lines), len(cuts), squeeze=False, sharex=same_plane, sharey=same_plane)
    for i, (quantity, row) in enumerate(lines):
        scale = colours(quantity, row)
        for j, (axes, cut) in enumerate(zip(grid[i], cuts, strict=True)):
            image = _draw_map(axes, cut, quantity.values[j], *scale)
            if i == 0:
                axes.set_title(cut.title, fontsize=LABEL)
            if same_plane:
                axes.label_outer()
        label = quantity.label if quantity.logarithmic else f"{quantity.kind} {quantity.label}"
        _colour_bar(figure, image, grid[i, -1], label, quantity.logarithmic)
    return figure


def _draw_map(axes: Axes, cut: Slice, values: Array, norm: Normalize, palette: str) -> AxesImage:
    x0, x1, y0, y1 = cut.extent
    # A pixel is centred on its grid point, so the outer half of the outermost pixels is clipped.
    dx, dy = (x1 - x0) / (cut.points - 1) / 2, (y1 - y0) / (cut.points - 1) / 2
    image = axes.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        extent=(x0 - dx, x1 + dx, y0 - dy, y1 + dy),
        norm=norm,
        cmap=palette,
        aspect="equal" if _to_scale(cut) else "auto",
    )
    axes.set(xlim=(x0, x1), ylim=(y0, y1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    _draw_outline(axes, cut)
    style_axes(axes, *(symbol(cut.domain.names[a]) for a in cut.axes))
    return image


def _draw_outline(axes: Axes, cut: Slice) -> None:
    """Draw the boundary of a domain that has a level and does not fill the map."""
    level = cut.level()
    if level is not None and (level > 0).any() and (level < 0).any():
        x, y = (cut.coordinates()[cut.domain.names[axis]] for axis in cut.axes)
        axes.contour(x, y, level, levels=[0.0], colors=INK, linewidths=0.8)


def _extend(image: ScalarMappable) -> str:
    """Return the ends of a logarithmic colour bar that values go beyond."""
    values, high = image.get_array(), image.norm.vmax
    return "both" if values is not None and high is not None and np.nanmax(values) > high else "min"


def _colour_bar(figure: Figure, image: ScalarMappable, axes: Axes, label: str, logarithmic: bool) -> None:
    """Draw a colour bar to the right of the axes, exactly as tall as they are."""
    place = axes.inset_axes((1.04, 0.0, 0.05, 1.0))
    bar = figure.colorbar(image, cax=place, extend=_extend(image) if logarithmic else "neither", extendfrac=0.04)
    bar.set_label(label, fontsize=LABEL, labelpad=2)
    bar.ax.tick_params(labelsize=TICK, length=3, color=MUTED)
    bar.outline.set_linewidth(0.6)
    if logarithmic:
        bar.ax.yaxis.set_major_locator(LogLocator(numticks=DECADES + 2))
    else:
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_powerlimits((-3, 4))
        bar.ax.yaxis.set_major_formatter(formatter)


def _to_scale(cut: Slice) -> bool:
    """Return whether to draw lengths to scale: not if one axis is time or the plane is a long strip."""
    x0, x1, y0, y1 = cut.extent
    return cut.domain.time not in cut.axes and 1 / 5 <= (y1 - y0) / (x1 - x0) <= 5


def _map_size(cut: Slice, side: float) -> tuple[float, float]:
    """Return the width and height of one map in inches: an area of about side², in the plane's proportions."""
    if not _to_scale(cut):
        return 1.1 * side, 0.9 * side
    x0, x1, y0, y1 = cut.extent
    ratio = np.clip((y1 - y0) / (x1 - x0), 0.3, 2.0) ** 0.5
    return float(side / ratio), float(side * ratio)
