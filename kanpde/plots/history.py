"""Draw the history of training: the loss, its blocks and the error over iterations and over seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from kanpde.calculus.arrays import Array
from kanpde.plots.drawable import Drawable
from kanpde.plots.style import (
    DASHES,
    FAINT,
    INK,
    MUTED,
    PALETTE,
    TICK,
    Figure,
    headline,
    new_figure,
    set_title,
    style_axes,
)

MAX_MARKS = 12  # changes of the number of parameters; if there are more, none of them is marked


def history_figure(solution: Drawable) -> Figure:
    """Draw the loss, the rms of every block and the relative error over iterations (left) and seconds (right).

    The error is measured now and then; points mark where it was.
    Vertical lines mark where a stage of training begins or the network gains or loses parameters.
    """
    history = {name: np.asarray(values, dtype=np.float64) for name, values in solution.history.items()}
    figure = new_figure(10.5, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    iterations, seconds = history.get("iteration", np.empty(0)), history.get("seconds", np.empty(0))
    if not iterations.size:
        left.text(0.5, 0.5, "no iterations", transform=left.transAxes, ha="center", va="center", color=MUTED)
    for axes, along in ((left, iterations), (right, seconds)):
        for name, look in _looks(history).items():
            _draw_line(axes, along, history[name], look)
        axes.set_yscale("log")
        axes.grid(color=MUTED, alpha=0.2, lw=0.6)
    style_axes(left, "iterations", "loss, root mean squares and relative error")
    style_axes(right, "seconds of training")
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    right.xaxis.set_major_locator(MaxNLocator(6))
    _logarithmic_time(right, seconds)
    for axes, along in ((left, iterations), (right, seconds)):
        _mark(axes, along, _boundaries(history))
    handles, labels = left.get_legend_handles_labels()
    if handles:
        columns = math.ceil(len(handles) / math.ceil(len(handles) / 6))  # rows of equal length
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=TICK + 0.5, frameon=False)
    set_title(figure, f"training of {headline(solution.problem)}")
    return figure


def _looks(history: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Return the lines to draw, from back to front: the loss, every block, and the error if it is known."""
    looks: dict[str, dict[str, Any]] = {}
    if "loss" in history:
        looks["loss"] = {"label": "loss", "color": MUTED, "lw": 2.4, "alpha": 0.5}
    blocks = [name for name in history if name.startswith("rms/")]
    for i, name in enumerate(blocks):
        colour, dash = PALETTE[i % len(PALETTE)], DASHES[i // len(PALETTE) % len(DASHES)]
        looks[name] = {"label": name.removeprefix("rms/"), "color": colour, "ls": dash, "lw": 1.4}
    if "error" in history and np.isfinite(history["error"]).any():
        looks["error"] = {"label": "relative error", "color": INK, "ls": (0, (5, 2)), "lw": 1.8, "marker": "o"}
    return looks


def _draw_line(axes: Axes, along: Array, values: Array, look: Mapping[str, Any]) -> None:
    shown = np.isfinite(values) & (values > 0)  # a logarithmic axis cannot show the rest
    if "marker" in look:
        shown[1:] &= values[1:] != values[:-1]  # the history repeats a value until the next measurement
    marker = "o" if shown.sum() < 3 else ""
    axes.plot(along[shown], values[shown], ms=4, **{"marker": marker, **look})


def _logarithmic_time(axes: Axes, seconds: Array) -> None:
    """Make the time axis logarithmic if it spans more than a decade, so that early steps are visible too."""
    positive = seconds[seconds > 0]
    if positive.size and positive.max() > 10 * positive.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())


def _boundaries(history: Mapping[str, Array]) -> list[tuple[int, str]]:
    """Return (row, label) for each row of the history at which the stage or the number of parameters changed."""
    length = len(history.get("iteration", ()))
    sizes = history.get("parameters", np.zeros(length))
    many = np.count_nonzero(np.diff(sizes)) > MAX_MARKS
    stage = history.get("stage", np.zeros(length))
    parameters = np.zeros(length) if many else sizes
    marks = []
    for i in range(1, length):
        texts = []
        if stage[i] != stage[i - 1]:
            texts.append(f"stage {stage[i]:g}")
        if parameters[i] != parameters[i - 1]:
            texts.append(f"{parameters[i]:g} parameters")
        if texts:
            marks.append((i, ", ".join(texts)))
    return marks


def _mark(axes: Axes, along: Array, boundaries: Sequence[tuple[int, str]]) -> None:
    """Draw a thin line at every boundary, with its label if the label does not overlap the previous one."""
    axes.autoscale_view()  # otherwise the limits are unknown until the figure is drawn
    to_fraction = axes.transData + axes.transAxes.inverted()
    last = -1.0
    for index, text in boundaries:
        place = float(along[index])
        axes.axvline(place, color=FAINT, lw=1.0, zorder=0)
        fraction = float(to_fraction.transform((place, 1.0))[0])
        if fraction - last > 0.06:
            last = fraction
            look: dict[str, Any] = {"rotation": 30, "rotation_mode": "anchor", "fontsize": TICK - 1, "color": MUTED}
            axes.text(place, 1.02, text, transform=axes.get_xaxis_transform(), **look)
