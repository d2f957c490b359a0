"""The benchmark's figures: error over seconds for every peer, and what a step costs by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from kanpde.plots.style import INK, MUTED, PALETTE, TICK, Figure, entitle, new_figure, tidy

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Trace = Sequence[Sequence[float]]


def curves_figure(
    problem: str, traces: Mapping[str, Trace], titles: Mapping[str, str], targets: Sequence[float]
) -> Figure:
    """Relative L2 error over seconds, one line for each peer in `traces`, coloured by its place in `titles`.

    A peer keeps its look from problem to problem; thin lines mark the targets.
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
    tidy(axes, "seconds", "relative L2 error")
    figure.legend(loc="outside lower center", ncols=3, fontsize=TICK + 0.5, frameon=False)
    entitle(figure, f"{problem}: error against the clock")
    return figure


def _draw(axes: Axes, trace: Trace, title: str, place: int) -> None:
    known = [(seconds, error) for seconds, error in trace if seconds > 0 and error is not None and error > 0]
    colour = INK if place >= len(PALETTE) else PALETTE[place]
    look: dict[str, Any] = {"color": colour, "marker": MARKERS[place % len(MARKERS)], "ms": 3.5, "lw": 1.4}
    if place >= len(PALETTE):
        look["ls"] = (0, (4, 2))
    axes.plot([s for s, _ in known], [e for _, e in known], label=title, **look)


def scaling_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Seconds of a step (above) and peak memory (below) against whatever each group of rows varies."""
    varied = list(dict.fromkeys(row["varied"] for row in rows))
    figure = new_figure(3.4 * len(varied) + 0.8, 5.2)
    grid = figure.subplots(2, len(varied), squeeze=False, sharex="col", sharey="row")
    for column, name in enumerate(varied):
        group = [row for row in rows if row["varied"] == name]
        for line, (quantity, label) in enumerate((("seconds", "seconds of a step"), ("gib", "peak memory (GiB)"))):
            axes = grid[line, column]
            known = [(row[name], row[quantity]) for row in group if row[quantity] is not None]
            axes.plot([x for x, _ in known], [y for _, y in known], color=PALETTE[line], marker=MARKERS[line], ms=4.5)
            _logarithmic(axes, discrete=name == "dimension")
            tidy(axes, _axis_label(name, group) if line else "", "" if column else label)
        grid[1, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        grid[1, 0].yaxis.set_major_formatter("{x:g}")
        grid[1, 0].yaxis.set_minor_formatter(NullFormatter())
    entitle(figure, "what a step of Gauss–Newton costs")
    return figure


def _logarithmic(axes: Axes, *, discrete: bool) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(color=MUTED, alpha=0.2, lw=0.6)
    if discrete:
        axes.set_xticks(range(1, 7), list("123456"))
        axes.minorticks_off()


def _axis_label(name: str, group: Sequence[Mapping[str, Any]]) -> str:
    """What varies, and below it what does not."""
    others = [key for key in ("points", "parameters", "dimension") if key != name]
    plural = {"points": "points", "parameters": "parameters", "dimension": "dimensions"}
    words = [f"{group[0][key]} {plural[key]}" for key in others if len({row[key] for row in group}) == 1]
    return "\n".join([plural[name], ", ".join(words)])
