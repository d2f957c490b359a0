"""The formula, typeset, over the solution and its error."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import matplotlib.mathtext
import numpy as np

from kanpde.arrays import Array
from kanpde.plots.curves import curves
from kanpde.plots.drawable import Posed, Region, Symbolified
from kanpde.plots.maps import maps, sliced_maps
from kanpde.plots.quantities import Quantity, magnitude, quantities
from kanpde.plots.slices import slices
from kanpde.plots.style import INK, TITLE, Figure

# A line of mathematics of more characters is too wide for the figure, and is set as text.
LONGEST = 220
STATUS = {"proved": "proved", "numeric": "holds in numbers", "none": "an approximation: no closed form was found"}


def formula_figure(solution: Symbolified) -> Figure:
    """The solution, the formula below its typeset self, and how far the one is from the other."""
    compared = _Compared(solution)
    cuts = slices(solution.problem.domain, partial(magnitude, compared))
    rows = [[_named(quantity) for quantity in row] for row in quantities(compared, cuts)]
    figure = curves(rows, cuts[0]) if len(cuts[0].axes) == 1 else _mapped(rows, cuts)
    figure.suptitle(title(solution, figure), fontsize=TITLE + 2, color=INK)
    return figure


def _named(quantity: Quantity) -> Quantity:
    label = quantity.label.replace(r"_{\mathrm{ref}}", r"_{\mathrm{formula}}")
    return replace(quantity, kind="formula" if quantity.kind == "reference" else quantity.kind, label=label)


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
class _Compared:
    """A solution whose problem has the formula as its reference."""

    solution: Symbolified

    @property
    def problem(self) -> Posed:
        return _Known(self.solution)

    @property
    def history(self) -> Mapping[str, Any]:
        return self.solution.history

    def __call__(self, **coordinates: Any) -> Any:
        return self.solution(**coordinates)

    def residual(self, **coordinates: Any) -> Any:
        return self.solution.residual(**coordinates)

    def edge_curves(self) -> Any:
        return self.solution.edge_curves()


@dataclass
class _Known:
    """The solution's problem, its reference the formula."""

    solution: Symbolified

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
        found = self.solution.formula(**dict(zip(self.domain.names, points.T, strict=True)))
        parts = [found[name] for name in self.fields] if isinstance(found, Mapping) else [found]
        return np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=-1)
