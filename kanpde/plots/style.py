"""The style of all figures: sizes, colours, and the typesetting of names and numbers."""

from __future__ import annotations

import io
import re
import textwrap
from typing import Any

import matplotlib.figure
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kanpde.plots.drawable import DrawableProblem

TITLE, LABEL, TICK = 11.0, 10.0, 8.5  # font sizes in points
INK, MUTED, FAINT = "#222222", "#767676", "#d9d9d9"
# Okabe and Ito's palette, which colour-blind readers can tell apart, without its yellow, which is too pale for lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")  # one for each repetition of the palette, if there are more lines than colours

GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)


class Figure(matplotlib.figure.Figure):
    """A matplotlib Figure that a notebook shows as a picture although pyplot did not make it."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Return an empty white figure of this size in inches, drawn by Agg independently of the user's backend."""
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, text: str) -> None:
    """Set the figure's title, wrapped to the figure's width."""
    lines = textwrap.fill(text, int(9 * figure.get_figwidth()))
    figure.suptitle(lines, fontsize=TITLE + 1.5, color=INK, weight="bold")


def style_axes(axes: Axes, x: str = "", y: str = "") -> None:
    """Label the axes and set the same ticks and spines in every figure."""
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(which="both", labelsize=TICK, color=MUTED, length=2)
    axes.tick_params(which="major", length=3)
    for spine in axes.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)


def latex_name(name: str) -> str:
    """Return a name in LaTeX without dollar signs: x, \\theta, u_{1}, \\mathrm{pressure}."""
    match = re.fullmatch(r"([^\W\d_]+)_?(\w*)", name)
    if match is None:
        return rf"\mathrm{{{_upright(name)}}}"
    base, index = match.groups()
    if GREEK.fullmatch(base):
        base = f"\\{base}"
    elif len(base) > 1:
        base = rf"\mathrm{{{base}}}"
    return rf"{base}_{{\mathrm{{{_upright(index)}}}}}" if index else base


def _upright(text: str) -> str:
    return text.replace("_", r"\_")


def symbol(name: str) -> str:
    """Return the name of a coordinate or field as matplotlib sets it, such as $\\theta$."""
    return f"${latex_name(name)}$"


def number(value: float) -> str:
    """Return three significant digits, with a typographic minus and no negative zero: 0.25, −3, 1e-09."""
    return f"{value + 0.0:.3g}".replace("-", "−", 1) if value < 0 else f"{abs(value):.3g}"


def headline(problem: DrawableProblem) -> str:
    """Return the problem's name and its parameters: burgers (viscosity = 0.01)."""
    settings = [
        f"{name} = {number(value) if isinstance(value, float) else value}"
        for name, value in problem.parameters().items()
        if isinstance(value, (int, float, str))
    ]
    return f"{problem.name} ({', '.join(settings)})" if settings else str(problem.name)
