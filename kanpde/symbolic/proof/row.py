"""An equation as an expression in symbols for the field's partial derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.calculus.arrays import MultiIndex
from kanpde.geometry.box import as_box
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.statement import Statement


@dataclass(frozen=True)
class Row:
    """F(x, ∂^α u) in the coordinates and in `symbols`, α -> symbol; F = 0 is the equation."""

    expression: Any
    symbols: Mapping[MultiIndex, Any]

    def slope(self, partial: MultiIndex) -> Any:
        """Return ∂F/∂(∂^α u)."""
        return sp.diff(self.expression, self.symbols[partial]) if partial in self.symbols else sp.S.Zero

    @property
    def orders(self) -> tuple[MultiIndex, ...]:
        """The partials that occur, without the value."""
        return tuple(partial for partial in self.symbols if partial)

    def negative(self) -> Row:
        """Return −F."""
        return Row(-self.expression, self.symbols)


def row_of(statement: Statement) -> Row:
    """Return the one equation of a problem of one field on a box; raise NoTheorem for others."""
    if statement.problem.unknowns:
        raise NoTheorem("it has unknown constants; bounds are proved for equations that are known")
    return row_with_unknowns(statement)


def row_with_unknowns(statement: Statement) -> Row:
    """Return the same of a problem that may have unknown constants, whose symbols stay in the equation."""
    problem = statement.problem
    equations = [e for e in statement.equations if e.name == "residual"]
    if as_box(problem.domain) is None:
        raise NoTheorem(f"the domain is {problem.domain}; bounds are proved on boxes only")
    if len(equations) != 1 or len(problem.fields) != 1:
        raise NoTheorem("it is a system; bounds are proved for one equation of one field")
    u = sp.Function("u")(*statement.coordinates)
    row = sp.sympify(equations[0].of((u,)))
    derivatives = sorted(row.atoms(sp.Derivative), key=lambda d: -d.derivative_count)
    placeholders = {d: sp.Dummy(f"u{_axes(d, statement)}", real=True) for d in (*derivatives, u)}
    for derivative, symbol in placeholders.items():
        row = row.xreplace({derivative: symbol})
    if not row.free_symbols <= {*statement.coordinates, *statement.unknowns, *placeholders.values()} or row.has(u.func):
        raise NoTheorem("the equation has terms besides the field's partial derivatives")
    return Row(row, {_axes(d, statement): symbol for d, symbol in placeholders.items()})


def _axes(derivative: Any, statement: Statement) -> MultiIndex:
    if not isinstance(derivative, sp.Derivative):
        return ()
    return tuple(sorted(statement.coordinates.index(symbol) for symbol in derivative.variables))
