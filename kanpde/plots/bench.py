"""Draw the benchmark's figures: the error of every peer over time, and the cost of a step by problem size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from kanpde.plots.style import INK, MUTED, PALETTE, TICK, Figure, new_figure, set_title, style_axes

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Trace = Sequence[Sequence[float]]


def curves_figure(
    problem: str, traces: Mapping[str, Trace], titles: Mapping[str, str], targets: Sequence[float]
) -> Figure:
    """Draw the relative L2 error over seconds, one line for each peer in `traces`.

    The position of a peer in `titles` sets its colour and marker, so they are the same for every problem. Thin lines
    mark the targets.
    """
    figure = new_figure(7.2, 5.4)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    for place, (name, title) in enumerate(titles.items()):
        if name in traces:
            _draw(axes, traces[name], title, place)
    for target in targets:
        axes.axhline(target, color=MUTED, lw=0.8, ls=(0, (1, 3)), zorder=0)
    axes.grid(color=MUTED, alpha=0.2, lw=0.6)
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_formatter(NullFormatter())
    style_axes(axes, "seconds", "relative L2 error")
    figure.legend(loc="outside lower center", ncols=3, fontsize=TICK + 0.5, frameon=False)
    set_title(figure, f"{problem}: error over time")
    return figure


def _draw(axes: Axes, trace: Trace, title: str, place: int) -> None:
    positive = [(seconds, error) for seconds, error in trace if seconds > 0 and error is not None and error > 0]
    colour = INK if place >= len(PALETTE) else PALETTE[place]
    look: dict[str, Any] = {"color": colour, "marker": MARKERS[place % len(MARKERS)], "ms": 3.5, "lw": 1.4}
    if place >= len(PALETTE):
        look["ls"] = (0, (4, 2))
    axes.plot([s for s, _ in positive], [e for _, e in positive], label=title, **look)


def scaling_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the seconds of a step (top) and the peak memory (bottom) over the size that each group of rows varies."""
    varied = list(dict.fromkeys(row["varied"] for row in rows))
    figure = new_figure(3.4 * len(varied) + 0.8, 5.2)
    grid = figure.subplots(2, len(varied), squeeze=False, sharex="col", sharey="row")
    for column, name in enumerate(varied):
        group = [row for row in rows if row["varied"] == name]
        for line, (quantity, label) in enumerate((("seconds", "seconds of a step"), ("gib", "peak memory (GiB)"))):
            axes = grid[line, column]
            measured = [(row[name], row[quantity]) for row in group if row[quantity] is not None]
            x, y = [x for x, _ in measured], [y for _, y in measured]
            axes.plot(x, y, color=PALETTE[line], marker=MARKERS[line], ms=4.5)
            _set_log_scales(axes, discrete=name == "dimension")
            style_axes(axes, _axis_label(name, group) if line else "", "" if column else label)
        grid[1, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        grid[1, 0].yaxis.set_major_formatter("{x:g}")
        grid[1, 0].yaxis.set_minor_formatter(NullFormatter())
    set_title(figure, "cost of one Gauss–Newton step")
    return figure


def _set_log_scales(axes: Axes, *, discrete: bool) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(color=MUTED, alpha=0.2, lw=0.6)
    if discrete:
        axes.set_xticks(range(1, 7), list("123456"))
        axes.minorticks_off()


def _axis_label(name: str, group: Sequence[Mapping[str, Any]]) -> str:
    """Return the size that varies and, on a second line, the sizes that are fixed."""
    others = [key for key in ("points", "parameters", "dimension") if key != name]
    plural = {"points": "points", "parameters": "parameters", "dimension": "dimensions"}
    words = [f"{group[0][key]} {plural[key]}" for key in others if len({row[key] for row in group}) == 1]
    return "\n".join([plural[name], ", ".join(words)])
