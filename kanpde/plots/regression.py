"""Draw a function of data: its values against the data, and its errors over every input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kanpde.calculus.arrays import Array
from kanpde.plots.style import FAINT, INK, MUTED, PALETTE, TICK, Figure, new_figure, set_title, style_axes, symbol

MOST_INPUTS = 6  # inputs whose errors are drawn; of more, those on which the size of the error depends most
COLUMNS = 3
CURVE_POINTS = 601


def regression_figure(solution: Any) -> Figure:
    """Draw predicted values over the data for every field, and the errors over the inputs, with held-out samples apart.

    A function of one input is drawn as a curve through the data instead. The solution has no equation.
    """
    problem = solution.problem
    parts = {"training": (problem.points, problem.values)}
    if problem.has_held_out:
        parts["held out"] = problem.held_out_points, problem.held_out_values
    found = {name: np.reshape(solution(points), values.shape) for name, (points, values) in parts.items()}
    inputs = chosen_inputs(parts, found)
    count = len(problem.fields) + len(inputs)
    columns = min(COLUMNS, count)
    figure = new_figure(3.6 * columns + 0.6, 3.0 * math.ceil(count / columns) + 0.8)
    grid = figure.subplots(math.ceil(count / columns), columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    for field, axes in enumerate(grid[: len(problem.fields)]):
        if len(problem.domain.names) == 1:
            _draw_curve(axes, solution, parts, field)
        else:
            _draw_agreement(axes, problem.fields[field], parts, found, field)
    for axis, axes in zip(inputs, grid[len(problem.fields) :], strict=False):
        for k, (name, (points, values)) in enumerate(parts.items()):
            errors = np.linalg.norm(found[name] - values, axis=1)
            axes.scatter(points[:, axis], errors, s=6, color=PALETTE[k], alpha=0.5, lw=0, label=name)
        if any((np.linalg.norm(found[name] - values, axis=1) > 0).any() for name, (_, values) in parts.items()):
            axes.set_yscale("log")
        axes.grid(color=MUTED, alpha=0.2, lw=0.6)
        style_axes(axes, symbol(problem.domain.names[axis]), "size of the error")
    grid[0].legend(fontsize=TICK, frameon=False)
    set_title(figure, f"{', '.join(problem.fields)}: {sum(len(points) for points, _ in parts.values())} samples")
    return figure


def chosen_inputs(parts: dict[str, tuple[Array, Array]], found: dict[str, Array]) -> list[int]:
    """Return the inputs to draw: all, or those whose ranks correlate most with the size of the error."""
    points = np.concatenate([points for points, _ in parts.values()])
    errors = np.concatenate([np.linalg.norm(found[name] - values, axis=1) for name, (_, values) in parts.items()])
    order = errors.argsort().argsort()
    spreads = [abs(np.cov(column.argsort().argsort(), order)[0, 1]) if len(order) > 1 else 0.0 for column in points.T]
    return sorted(np.argsort(spreads)[::-1][:MOST_INPUTS].tolist())


def _draw_agreement(
    axes: Axes, field: str, parts: dict[str, tuple[Array, Array]], found: dict[str, Array], index: int
) -> None:
    every = np.concatenate([values[:, index] for _, values in parts.values()])
    ends = [float(every.min()), float(every.max())]
    axes.plot(ends, ends, color=FAINT, lw=1.5, zorder=0)
    for k, (name, (_, values)) in enumerate(parts.items()):
        axes.scatter(values[:, index], found[name][:, index], s=6, color=PALETTE[k], alpha=0.6, lw=0, label=name)
    style_axes(axes, f"{symbol(field)} of the data", f"{symbol(field)} of the network")


def _draw_curve(axes: Axes, solution: Any, parts: dict[str, tuple[Array, Array]], index: int) -> None:
    problem = solution.problem
    line = np.linspace(problem.domain.low[0], problem.domain.high[0], CURVE_POINTS)
    axes.plot(line, np.reshape(solution(line[:, None]), (len(line), -1))[:, index], color=INK, lw=1.4)
    for k, (name, (points, values)) in enumerate(parts.items()):
        axes.scatter(points[:, 0], values[:, index], s=8, color=PALETTE[k], alpha=0.6, lw=0, label=name)
    style_axes(axes, symbol(problem.domain.names[0]), symbol(problem.fields[index]))
