"""Draw the unknown functions of an inverse problem, with the band of their standard deviations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kanpde.plots.style import FAINT, INK, PALETTE, Figure, headline, new_figure, set_title, style_axes, symbol

POINTS = 401  # of a curve
ON_MAP = 101  # points along each axis of a map
BAND = 2.0  # standard deviations on either side of a curve


def unknowns_figure(solution: Any) -> Figure:
    """Draw each unknown function: a curve with a band of two standard deviations, or a map of two coordinates.

    Of three coordinates the last one is fixed at its middle.
    """
    functions = {name: each for name, each in solution.unknowns.items() if callable(each)}
    figure = new_figure(4.6 * len(functions) + 0.4, 3.8)
    grid = figure.subplots(1, max(1, len(functions)), squeeze=False).ravel()
    for axes, (name, function) in zip(grid, functions.items(), strict=False):
        if len(function.coordinates) == 1:
            _curve(axes, name, function, solution.uncertainty.get(name))
        else:
            _map(figure, axes, name, function)
    set_title(figure, f"unknowns of {headline(solution.problem)}")
    return figure


def _line(function: Any, number: int, count: int) -> Any:
    domain, axis = function.expansion.domain, function.expansion.axes[number]
    return np.linspace(domain.low[axis], domain.high[axis], count)


def _curve(axes: Axes, name: str, function: Any, deviation: Any) -> None:
    x = _line(function, 0, POINTS)
    along = {function.coordinates[0]: x}
    values = function(**along)
    if callable(deviation):
        spread = BAND * deviation(**along)
        axes.fill_between(x, values - spread, values + spread, color=PALETTE[0], alpha=0.25, lw=0, label="± 2 σ")
    axes.plot(x, values, color=INK, lw=1.4, label=symbol(name))
    axes.legend(frameon=False)
    axes.grid(color=FAINT, lw=0.6)
    style_axes(axes, symbol(function.coordinates[0]), symbol(name))


def _map(figure: Figure, axes: Axes, name: str, function: Any) -> None:
    x, y = (_line(function, number, ON_MAP) for number in (0, 1))
    rest = {third: _line(function, 2, 3)[1] for third in function.coordinates[2:]}
    first, second = function.coordinates[:2]
    values = function(**{first: x[None, :], second: y[:, None], **rest})
    drawn = axes.pcolormesh(x, y, values, shading="gouraud", cmap="viridis", rasterized=True)
    figure.colorbar(drawn, ax=axes)
    where = "".join(f", {third} = {value:g}" for third, value in rest.items() if math.isfinite(value))
    axes.set_title(f"{symbol(name)}{where}")
    style_axes(axes, symbol(first), symbol(second))
