"""How training went: the loss, its blocks and the error against iterations and against seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from kanpde.arrays import Array
from kanpde.plots.drawable import Drawable
from kanpde.plots.style import DASHES, FAINT, INK, MUTED, PALETTE, TICK, Figure, entitle, headline, new_figure, tidy

MOST_MARKS = 12  # changes of size that are still marked


def history_figure(solution: Drawable) -> Figure:
    """Loss, root mean square of every block and relative error, over iterations (left) and seconds (right).

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
    tidy(left, "iterations", "loss, root mean squares and relative error")
    tidy(right, "seconds of training")
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    right.xaxis.set_major_locator(MaxNLocator(6))
    _logarithmic_time(right, seconds)
    for axes, along in ((left, iterations), (right, seconds)):
        _mark(axes, along, _boundaries(history))
    handles, labels = left.get_legend_handles_labels()
    if handles:
        columns = math.ceil(len(handles) / math.ceil(len(handles) / 6))  # rows of equal length
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=TICK + 0.5, frameon=False)
    entitle(figure, f"training of {headline(solution.problem)}")
    return figure


def _looks(history: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """The lines drawn, back to front: the loss, every block, the error where it is known."""
    looks: dict[str, dict[str, Any]] = {}
    if "loss" in history:
        looks["loss"] = {"label": "loss", "color": MUTED, "lw": 2.4, "alpha": 0.5}
    blocks = [name for name in history if name.startswith("rms/")]
    for i, name in enumerate(blocks):
        colour, dash = PALETTE[i % len(PALETTE)], DASHES[i // len(PALETTE) % len(DASHES)]
        looks[name] = {"label": name.removeprefix("rms/"), "color": colour, "ls": dash, "lw": 1.4}
    if "error" in history and np.isfinite(history["error"]).any():
        looks["error"] = {"label": "relative error", "color": INK, "ls": (0, (5, 2)), "lw": 1.8}
    return looks


def _draw_line(axes: Axes, along: Array, values: Array, look: Mapping[str, Any]) -> None:
    known = np.isfinite(values) & (values > 0)  # a logarithmic axis has no place for the rest
    marker = "o" if known.sum() < 3 else ""
    axes.plot(along[known], values[known], marker=marker, ms=4, **look)


def _logarithmic_time(axes: Axes, seconds: Array) -> None:
    """Early steps are as worth seeing as the last ones, once time spans more than a decade."""
    positive = seconds[seconds > 0]
    if positive.size and positive.max() > 10 * positive.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())


def _boundaries(history: Mapping[str, Array]) -> list[tuple[int, str]]:
    """Where in the history the stage or the number of parameters changed, and what to call it."""
    length = len(history.get("iteration", ()))
    sizes = history.get("parameters", np.zeros(length))
    many = np.count_nonzero(np.diff(sizes)) > MOST_MARKS
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
    """A thin line at every boundary, named where the name does not run into the one before."""
    axes.autoscale_view()  # the limits are otherwise not known before drawing
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
