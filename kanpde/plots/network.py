"""Draw the network as a graph: coordinates at the bottom, fields at the top, on every edge its learned curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyBboxPatch

from kanpde.calculus.arrays import Array
from kanpde.plots.drawable import DrawableNetwork
from kanpde.plots.edge_labels import formula_label, name_label, width
from kanpde.plots.network_layout import Band, Layout, arrange
from kanpde.plots.network_selection import most_important
from kanpde.plots.style import INK, LABEL, MUTED, PALETTE, TICK, TITLE, Figure, latex_name, new_figure, symbol

SUM, PRODUCT, PALE, CURVE, NAMED = PALETTE[0], PALETTE[1], "#c3ccd3", "#1b3a57", "#00694d"
RADIUS = 0.155  # of a node, in inches
MARGIN = 0.55  # around the drawing, in inches
LINE = 0.3  # height of a line below it


def network_figure(source: DrawableNetwork) -> Figure:
    """Draw a solution's network, or a network alone with numbered inputs and outputs.

    Σ nodes add the edges below them, Π nodes multiply two sums. The width and shade of an edge show its importance
    within its layer; edges of importance 0, the pruned ones, are left out. Edges that are atoms are green and are
    labelled with their formula, or with their name alone if the formula does not fit. Of a layer with many nodes the
    most important ones are drawn, and a line says how many more there are and what they add.
    """
    whole = source.edge_curves()
    layers, omitted = most_important(whole)
    layout = arrange(layers)
    foot = LINE * len(omitted)
    figure = new_figure(layout.width + 2 * MARGIN, layout.height + 2 * MARGIN + 1.0 + foot, layout="none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(-MARGIN, layout.width + MARGIN), ylim=(-MARGIN - 0.4 - foot, layout.height + MARGIN + 0.6))
    axes.set_axis_off()
    problem = getattr(source, "problem", None)
    inputs = _names(problem.domain.names if problem else (), "x", len(layout.bands[0].sources))
    for layer, band in zip(layers, layout.bands, strict=True):
        strength = _strength(np.asarray(layer["importance"], dtype=np.float64))
        _draw_wires(axes, band, strength, layout.side)
        _draw_squares(axes, band, strength, layer, layout.side)
        _draw_formulas(axes, band, strength, layer, layout, inputs)
        inputs = _names((), "h", len(band.nodes))
        _draw_nodes(axes, band, strength.any(axis=0))
    scale = float(np.clip((layout.width / 9) ** 0.5, 1.0, 1.8))  # a wide drawing is shown reduced
    _draw_names(axes, source, layout.bands, (LABEL + 4) * scale)
    for number, line in enumerate(omitted):
        place = layout.width / 2, -MARGIN - 0.22 - LINE * (number + 1)
        axes.text(*place, line, fontsize=LABEL * scale, color=INK, ha="center", va="center")
    caption = "width and shade of an edge: its importance within the layer"
    look: dict[str, Any] = {"ha": "center", "va": "center"}
    top = layout.height + MARGIN + 0.35
    axes.text(
        layout.width / 2, top, _title(source, whole), fontsize=(TITLE + 1) * scale, weight="bold", color=INK, **look
    )
    axes.text(layout.width / 2, -MARGIN - 0.22, caption, fontsize=TICK * scale, color=MUTED, **look)
    return figure


def _strength(importance: Array) -> Array:
    """Return √(importance / the layer's largest); the square root keeps less important edges visible."""
    finite = np.where(np.isfinite(importance), importance, 0.0).clip(min=0.0)
    return np.sqrt(finite / max(float(finite.max(initial=0.0)), 1e-300))


def _shade(strength: Array, colour: str, minimum: float) -> Array:
    """Return RGBA (n, 4): the colour, with an opacity that grows linearly from `minimum` to 1 with the strength."""
    opacity = minimum + (1 - minimum) * strength[:, None]
    return np.concatenate([np.tile(to_rgb(colour), (len(strength), 1)), opacity], axis=1)


def _draw_wires(axes: Axes, band: Band, strength: Array, side: float) -> None:
    """Draw each edge's wires: from the node below to the square and from the square to the node above."""
    below, above = [], []
    edges = _edges(strength)
    top = float(band.squares[..., 1].max()) + side / 2
    for i, j in edges:
        x, y = band.squares[i, j]
        foot = (x, y - side / 2)
        below.append(np.concatenate([_bend(band.sources[i], (x, band.bottom)), [foot]]))
        above.append(np.concatenate([[(x, y + side / 2)], _bend((x, top), band.targets[j])]))
    values = np.array([strength[i, j] for i, j in edges])
    if edges:
        looks: dict[str, Any] = {"colors": _shade(np.tile(values, 2), MUTED, 0.16), "capstyle": "round", "zorder": 1}
        axes.add_collection(LineCollection(below + above, linewidths=np.tile(0.4 + 2.0 * values, 2), **looks))


def _draw_squares(axes: Axes, band: Band, strength: Array, layer: Mapping[str, Any], side: float) -> None:
    """Draw a white square on each edge, framed in the edge's shade, with the edge's curve scaled to fit in it."""
    edges = _edges(strength)
    if not edges:
        return
    inputs, values = np.asarray(layer["inputs"]), np.asarray(layer["values"])
    # A curve whose range is negligible in its layer is drawn flat, because scaling would show only its round-off.
    flat = 1e-6 * float(np.ptp(values, axis=-1).max())
    corners = side / 2 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    centres = np.array([band.squares[i, j] for i, j in edges])
    fitted = [np.stack([_fit(inputs[i], 0.0), _fit(values[i, j], flat)], axis=1) for i, j in edges]
    curves = [0.8 * side * curve + centre for curve, centre in zip(fitted, centres, strict=True)]
    shades = np.array([strength[i, j] for i, j in edges])
    frames = list(centres[:, None] + corners)
    named = np.array([edge in layer.get("atoms", {}) for edge in edges])[:, None]
    rim = np.where(named, _shade(shades, NAMED, 0.5), _shade(shades, INK, 0.25))
    ink = np.where(named, _shade(shades, NAMED, 0.6), _shade(shades, CURVE, 0.4))
    axes.add_collection(PolyCollection(frames, facecolors="white", edgecolors=rim, linewidths=0.8, zorder=2))
    axes.add_collection(LineCollection(curves, colors=ink, linewidths=1.5, capstyle="round", zorder=3))


def _draw_formulas(
    axes: Axes, band: Band, strength: Array, layer: Mapping[str, Any], layout: Layout, inputs: Sequence[str]
) -> None:
    """Write an atom's formula beside its square if it fits, else its name above the square's right half."""
    drawn = np.array([band.squares[edge] for edge in _edges(strength)]).reshape(-1, 2)
    look: dict[str, Any] = {"fontsize": LABEL - 1, "color": NAMED, "zorder": 6}
    for (i, o), (name, constants) in layer.get("atoms", {}).items():
        if not strength[i, o] > 0:
            continue
        (x, y), argument, reach = band.squares[i, o], latex_name(inputs[i]), layout.side / 2 + 0.08
        text = formula_label(name, constants, argument)
        room = reach + width(text, LABEL - 1) + 0.1
        beside = drawn[np.abs(drawn[:, 1] - y) < layout.side, 0]
        if x + room <= min([layout.width + MARGIN, *(beside[beside > x] - layout.side / 2)]):
            axes.text(x + reach, y, text, ha="left", va="center", **look)
        elif x - room >= max([-MARGIN, *(beside[beside < x] + layout.side / 2)]):
            axes.text(x - reach, y, text, ha="right", va="center", **look)
        else:
            short = name_label(name, argument)
            axes.text(x + 0.07, y + layout.side / 2 + 0.04, short, ha="left", va="bottom", **look)


def _draw_nodes(axes: Axes, band: Band, fed: Any) -> None:
    """Draw sums as discs and products as rounded squares above two small sums; pale if all edges below are pruned."""
    for (x, y), alive in zip(band.nodes[: band.sums], fed, strict=False):
        _draw_sum(axes, x, y, SUM if alive else PALE)
    pairs = band.targets[band.sums :].reshape(-1, 2, 2)
    for (x, y), pair, alive in zip(band.nodes[band.sums :], pairs, fed[band.sums :].reshape(-1, 2), strict=True):
        colour = PRODUCT if alive.any() else PALE
        factors = [_bend(small, (x, y)) for small in pair]
        axes.add_collection(LineCollection(factors, colors=colour, linewidths=1.6, zorder=3))
        for small, one in zip(pair, alive, strict=True):
            _draw_sum(axes, small[0], small[1], SUM if one else PALE, 0.62)
        look: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.05", "fc": colour, "ec": "white", "zorder": 4}
        axes.add_patch(FancyBboxPatch((x - RADIUS, y - RADIUS), 2 * RADIUS, 2 * RADIUS, **look))
        _write(axes, x, y, "Π", 10.5)


def _draw_sum(axes: Axes, x: float, y: float, colour: str, scale: float = 1.0) -> None:
    axes.add_patch(Circle((x, y), RADIUS * scale, fc=colour, ec="white", lw=1.0, zorder=4))
    _write(axes, x, y, "Σ", 10.5 * scale)


def _write(axes: Axes, x: float, y: float, glyph: str, size: float) -> None:
    axes.text(x, y, glyph, ha="center", va="center_baseline", fontsize=size, color="white", weight="bold", zorder=5)


def _draw_names(axes: Axes, source: DrawableNetwork, bands: Sequence[Band], size: float) -> None:
    """Write coordinates below the inputs and fields above the outputs; numbered latex_name if the counts differ."""
    problem = getattr(source, "problem", None)
    inputs = _names(problem.domain.names if problem else (), "x", len(bands[0].sources))
    outputs = _names(problem.fields if problem else (), "u", len(bands[-1].nodes))
    for (x, y), name in zip(bands[0].sources, inputs, strict=True):
        axes.add_patch(Circle((x, y), 0.06, fc=INK, ec="white", lw=1.0, zorder=4))
        axes.text(x, y - 0.16, symbol(name), ha="center", va="top", fontsize=size, color=INK)
    for (x, y), name in zip(bands[-1].nodes, outputs, strict=True):
        axes.text(x, y + RADIUS + 0.08, symbol(name), ha="center", va="bottom", fontsize=size, color=INK)


def _names(known: tuple[str, ...], letter: str, count: int) -> tuple[str, ...]:
    return known if len(known) == count else tuple(f"{letter}_{i + 1}" for i in range(count))


def _title(source: DrawableNetwork, layers: Sequence[Mapping[str, Any]]) -> str:
    """Return the problem's name and the width as a user writes it: poisson, network [2, (4, 4), 1]."""
    width = [str(np.shape(layers[0]["importance"])[0])]
    width += [f"({y['sums']}, {y['products']})" if y["products"] else str(y["sums"]) for y in layers]
    problem = getattr(source, "problem", None)
    return f"{problem.name}, network [{', '.join(width)}]" if problem else f"network [{', '.join(width)}]"


def _edges(strength: Array) -> list[tuple[int, int]]:
    """The edges that are drawn, from the weakest to the strongest."""
    order = np.argsort(strength, axis=None, kind="stable")
    pairs = [(int(k) // strength.shape[1], int(k) % strength.shape[1]) for k in order]
    return [(i, j) for i, j in pairs if strength[i, j] > 0]


def _fit(values: Array, flat: float) -> Array:
    """Shift and scale values into [-1/2, 1/2]; return zeros if their range is at most `flat`."""
    low, high = float(values.min()), float(values.max())
    return (values - (low + high) / 2) / (high - low) if high - low > flat else np.zeros_like(values)


def _bend(start: Any, end: Any, points: int = 40) -> Array:
    """Return a cubic Bézier curve (points, 2) that is vertical at both ends."""
    (x0, y0), (x1, y1) = start, end
    t = (1 - np.cos(np.linspace(0.0, np.pi, points))) / 2  # dense at both ends, where the curve bends
    middle = (y0 + y1) / 2
    b0, b1, b2, b3 = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    return np.stack([(b0 + b1) * x0 + (b2 + b3) * x1, b0 * y0 + (b1 + b2) * middle + b3 * y1], axis=1)
