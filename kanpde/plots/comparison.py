"""Draw several networks on the same problem: their errors over the time, and where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from kanpde.calculus.arrays import Array
from kanpde.plots.style import INK, LABEL, MUTED, PALETTE, TICK, Figure, new_figure, set_title, style_axes, symbol

DECADES = 4  # of the colour scale, below the largest error
SIZE = 14.0  # of a point of a map


@dataclass(frozen=True)
class Competitor:
    """A trained network: its name, its history, and the sizes of its errors (n,) at points that all share."""

    name: str
    history: Mapping[str, Sequence[float]]
    errors: Array


def course_figure(competitors: Sequence[Competitor], error: str, title: str) -> Figure:
    """Draw the loss and the error of every network over the seconds; `error` is a column of the histories."""
    figure = new_figure(9.5, 4.0)
    panels = figure.subplots(1, 2)
    for axes, column in zip(panels, ("loss", error), strict=True):
        for number, one in enumerate(competitors):
            seconds, values = (np.asarray(one.history.get(key, ()), dtype=float) for key in ("seconds", column))
            known = np.isfinite(values) & (values > 0) if len(values) == len(seconds) else np.zeros(0, dtype=bool)
            if known.any():
                look: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)], "lw": 1.6}
                axes.plot(seconds[known], values[known], label=one.name, **look)
        axes.set_yscale("log")
        axes.grid(color=MUTED, alpha=0.2, lw=0.6)
        style_axes(axes, "seconds of training", column if column == "loss" else f"{column}, relative")
    panels[0].legend(fontsize=TICK, frameon=False)
    set_title(figure, title)
    return figure


def errors_figure(competitors: Sequence[Competitor], points: Array, names: Sequence[str], title: str) -> Figure:
    """Draw the size of every network's error at the same points (n, d), with one scale.

    It is drawn over the first two coordinates as colours, or over the only one as a line.
    """
    largest = max((float(np.max(one.errors)) for one in competitors), default=1.0) or 1.0
    sizes = [np.maximum(one.errors, 10.0**-DECADES * largest) for one in competitors]
    if points.shape[1] == 1:
        return _lines(competitors, sizes, points[:, 0], names[0], title)
    figure = new_figure(3.4 * len(competitors) + 0.9, 3.5)
    grid = figure.subplots(1, len(competitors), squeeze=False, sharey=True)[0]
    scale = LogNorm(10.0**-DECADES * largest, largest)
    for axes, one, values in zip(grid, competitors, sizes, strict=True):
        image = axes.scatter(
            *points[:, :2].T, c=values, s=SIZE, marker="s", lw=0, norm=scale, cmap="viridis", rasterized=True
        )
        axes.set_title(one.name, fontsize=LABEL, color=INK)
        style_axes(axes, symbol(names[0]), symbol(names[1]) if axes is grid[0] else "")
    figure.colorbar(image, ax=list(grid), label="size of the error", extend="min")
    set_title(figure, title)
    return figure


def _lines(competitors: Sequence[Competitor], sizes: Sequence[Array], x: Array, name: str, title: str) -> Figure:
    figure = new_figure(7.2, 3.8)
    axes, order = figure.subplots(), np.argsort(x)
    for number, (one, values) in enumerate(zip(competitors, sizes, strict=True)):
        axes.plot(x[order], values[order], color=PALETTE[number % len(PALETTE)], lw=1.4, label=one.name)
    axes.set_yscale("log")
    axes.legend(fontsize=TICK, frameon=False)
    style_axes(axes, symbol(name), "size of the error")
    set_title(figure, title)
    return figure
