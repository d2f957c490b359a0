"""The formula, typeset, over its values and their error."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.mathtext
import numpy as np

from kanpde.plots.curves import curves
from kanpde.plots.drawable import Array, Drawable, Posed, Region, Symbolified
from kanpde.plots.maps import maps, sliced_maps
from kanpde.plots.quantities import magnitude, quantities
from kanpde.plots.slices import slices
from kanpde.plots.style import INK, TITLE, Figure

# A line of mathematics of more characters is too wide for the figure, and is set as text.
LONGEST = 220
STATUS = {"proved": "proved", "numeric": "holds in numbers", "none": "an approximation: no closed form was found"}


def formula_figure(solution: Symbolified) -> Figure:
    """The formula over its values, what they are compared with, and the error.

    They are compared with the known solution, and without one with the network.
    """
    drawn = _Formula(solution)
    cuts = slices(solution.problem.domain, partial(magnitude, drawn))
    rows = quantities(drawn, cuts)
    figure = curves(rows, cuts[0]) if len(cuts[0].axes) == 1 else _mapped(rows, cuts)
    figure.suptitle(title(solution, figure), fontsize=TITLE + 2, color=INK)
    return figure


def _mapped(rows: Any, cuts: Any) -> Figure:
    return maps(rows, cuts[0]) if len(cuts) == 1 else sliced_maps(rows, cuts)


def title(solution: Symbolified, figure: Figure) -> str:
    """The equations as mathematics, as text where matplotlib cannot set them, and the status below."""
    formula = solution.formula
    set_ = [typeset(line) for line in formula.latex_lines()]
    lines = [line for line in set_ if line is not None]
    if len(lines) < len(set_):
        plain = textwrap.shorten(formula.text(), 400, placeholder=" …").replace("$", r"\$")
        lines = [textwrap.fill(plain, int(8 * figure.get_figwidth()))]
    return "\n".join([*lines, f"({STATUS[formula.status]})"])


def typeset(latex: str) -> str | None:
    """A line between dollar signs; None where matplotlib cannot set it or it is too long."""
    line = f"${latex}$"
    if len(latex) > LONGEST:
        return None
    try:
        matplotlib.mathtext.MathTextParser("path").parse(line)
    except (ValueError, RuntimeError):
        return None
    return line


@dataclass
class _Formula:
    """A formula in the place of a solution."""

    solution: Symbolified

    @property
    def problem(self) -> Posed:
        return _Known(self.solution)

    @property
    def history(self) -> Mapping[str, Any]:
        return self.solution.history

    def __call__(self, **coordinates: Any) -> Any:
        return self.solution.formula(**coordinates)

    def residual(self, **coordinates: Any) -> Any:
        return self.solution.residual(**coordinates)

    def edge_curves(self) -> Any:
        return self.solution.edge_curves()


@dataclass
class _Known:
    """A problem whose reference is the network where there is none of its own."""

    solution: Drawable

    @property
    def name(self) -> str:
        return self.solution.problem.name

    @property
    def domain(self) -> Region:
        return self.solution.problem.domain

    @property
    def fields(self) -> tuple[str, ...]:
        return self.solution.problem.fields

    def parameters(self) -> Mapping[str, Any]:
        return self.solution.problem.parameters()

    def reference_values(self, points: Array) -> Array:
        known = self.solution.problem.reference_values(points)
        if known is not None:
            return np.asarray(known, dtype=np.float64)
        found = self.solution(**dict(zip(self.domain.names, points.T, strict=True)))
        parts = [found[name] for name in self.fields] if isinstance(found, Mapping) else [found]
        return np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=-1)
