"""Draw the typeset formula above the solution and its error."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import matplotlib.mathtext
import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.plots.curves import curves
from kanpde.plots.drawable import DrawableDomain, DrawableProblem, DrawableWithFormula
from kanpde.plots.maps import maps, sliced_maps
from kanpde.plots.quantities import Quantity, magnitude, quantities
from kanpde.plots.slices import slices
from kanpde.plots.style import INK, TITLE, Figure

MAX_CHARACTERS = 220  # of LaTeX in a line of mathematics; longer lines are too wide and are set as wrapped text
STATUS = {"proved": "proved", "numeric": "verified numerically", "none": "an approximation: no closed form was found"}


def formula_figure(solution: DrawableWithFormula) -> Figure:
    """Draw the solution, the values of the formula and their difference, with the typeset formula as the title."""
    compared = _FormulaAsReference(solution)
    cuts = slices(solution.problem.domain, partial(magnitude, compared))
    rows = [[_relabel(quantity) for quantity in row] for row in quantities(compared, cuts)]
    figure = curves(rows, cuts[0]) if len(cuts[0].axes) == 1 else _draw_maps(rows, cuts)
    figure.suptitle(title(solution, figure), fontsize=TITLE + 2, color=INK)
    return figure


def _relabel(quantity: Quantity) -> Quantity:
    label = quantity.label.replace(r"_{\mathrm{ref}}", r"_{\mathrm{formula}}")
    return replace(quantity, kind="formula" if quantity.kind == "reference" else quantity.kind, label=label)


def _draw_maps(rows: Any, cuts: Any) -> Figure:
    return maps(rows, cuts[0]) if len(cuts) == 1 else sliced_maps(rows, cuts)


def title(solution: DrawableWithFormula, figure: Figure) -> str:
    """Return the equations as mathematics, or as text if matplotlib cannot set them, and the status below."""
    formula = solution.formula
    typeset_lines = [typeset(line) for line in formula.latex_lines()]
    lines = [line for line in typeset_lines if line is not None]
    if len(lines) < len(typeset_lines):
        plain = textwrap.shorten(formula.text(), 400, placeholder=" …").replace("$", r"\$")
        lines = [textwrap.fill(plain, int(8 * figure.get_figwidth()))]
    return "\n".join([*lines, f"({STATUS[formula.status]})"])


def typeset(latex: str) -> str | None:
    """Return a line of LaTeX between dollar signs; None if it is too long or matplotlib cannot set it."""
    line = f"${latex}$"
    if len(latex) > MAX_CHARACTERS:
        return None
    try:
        matplotlib.mathtext.MathTextParser("path").parse(line)
    except (ValueError, RuntimeError):
        return None
    return line


@dataclass
class _FormulaAsReference:
    """A solution whose problem has the formula as its reference."""

    solution: DrawableWithFormula

    @property
    def problem(self) -> DrawableProblem:
        return _ProblemWithFormula(self.solution)

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
class _ProblemWithFormula:
    """The solution's problem with the formula as its reference."""

    solution: DrawableWithFormula

    @property
    def name(self) -> str:
        return self.solution.problem.name

    @property
    def domain(self) -> DrawableDomain:
        return self.solution.problem.domain

    @property
    def has_equation(self) -> bool:
        return self.solution.problem.has_equation

    @property
    def fields(self) -> tuple[str, ...]:
        return self.solution.problem.fields

    def parameters(self) -> Mapping[str, Any]:
        return self.solution.problem.parameters()

    def reference_values(self, points: Array) -> Array:
        found = self.solution.formula(**dict(zip(self.domain.names, points.T, strict=True)))
        parts = [found[name] for name in self.fields] if isinstance(found, Mapping) else [found]
        return np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=-1)
