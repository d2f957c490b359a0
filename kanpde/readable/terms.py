"""Decompose a SymPy expression into a network's nodes: sums of terms c f(a h + b) of nodes h, and products of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.calculus.functions import ATOMS, HEADS, SHIPPED, Atom, registered
from kanpde.errors import ProblemError
from kanpde.readable.suggestions import RESOLUTION, fitted

ARGUMENT = sp.Symbol("h", real=True)  # the argument of a function that is no atom
FUNCTIONS: dict[Any, str] = {row.sympy: row.name for row in HEADS.values() if isinstance(row, Atom)}
POWERS: dict[Any, str] = {
    form.exp: name for name in SHIPPED if (form := ATOMS[name].sympy(ARGUMENT)).is_Pow and form.base == ARGUMENT
}
SAME = 1e-12  # the error, relative to its spread, below which a function is a user's atom
LARGEST_POWER = max(int(exponent) for exponent in POWERS if exponent.is_Integer)


@dataclass(frozen=True)
class Term:
    """c f(a h + b) + d with the node h = `argument`; f is an atom's name or an expression in `ARGUMENT`."""

    function: Any
    argument: Any
    a: Any = sp.S.One
    b: Any = sp.S.Zero
    c: Any = sp.S.One
    d: Any = sp.S.Zero

    @property
    def constants(self) -> tuple[float, float, float, float]:
        """(a, b, c, d) as numbers."""
        a, b, c, d = (float(sp.N(value, 30)) for value in (self.a, self.b, self.c, self.d))
        return a, b, c, d

    def times(self, factor: Any) -> Term:
        """Return the term multiplied by a number."""
        return replace(self, c=self.c * factor, d=self.d * factor)


@dataclass(frozen=True)
class Grammar:
    """The rules that decompose expressions in `symbols`; values at `points` identify a user's own functions.

    `points` holds an array of values for each symbol.
    """

    symbols: tuple[Any, ...]
    points: tuple[Array, ...] = ()

    @cached_property
    def _levels(self) -> dict[Any, int]:
        return {}

    def sum(self, expression: Any) -> list[Term]:
        """Return the terms that add up to an expression, each with a different node.

        Only one edge leads from a node to a sum, so further terms of the same node become nodes themselves.
        """
        constant, rest = expression.as_independent(*self.symbols, as_Add=True)
        if rest == 0:
            return [Term("x", self.symbols[0], c=sp.S.Zero, d=constant)]
        if rest.is_Add and (own := self._own(rest)) is not None:
            return [replace(own, d=own.d + constant)]
        terms: list[Term] = []
        for piece in sp.Add.make_args(rest):
            factor, function = piece.as_independent(*self.symbols, as_Add=False)
            inner = self.sum(function) if function.is_Add else [self.term(function)]
            terms += [term.times(factor) for term in inner]
        terms[0] = replace(terms[0], d=terms[0].d + constant)
        return self._apart(terms)

    def _apart(self, terms: Sequence[Term]) -> list[Term]:
        """Return the terms with at most one term of each node."""
        result: dict[Any, Term] = {}
        for term in terms:
            if term.argument in result:
                node = self.expression(replace(term, c=sp.S.One, d=sp.S.Zero))
                term = Term("x", node, c=term.c, d=term.d)
            if term.argument in result:
                before = result[term.argument]
                term = replace(before, c=before.c + term.c, d=before.d + term.d)
            result[term.argument] = term
        return list(result.values())

    def expression(self, term: Term) -> Any:
        """Return f(a h + b) of a term, as a node."""
        inner = term.a * term.argument + term.b
        if isinstance(term.function, str):
            return ATOMS[term.function].sympy(inner)
        return term.function.subs(ARGUMENT, inner)

    def term(self, function: Any) -> Term:
        """Return a function, which is no sum and has no constant factor, as one edge from one node."""
        shipped = self._shipped(function)
        if shipped.argument.is_Symbol and shipped.function in ATOMS:
            return shipped
        return self._own(function) or shipped

    def _own(self, function: Any) -> Term | None:
        """Return a function as a user's own atom of the one expression that it depends on, None if no atom fits."""
        names, core = registered(), self._core(function) if self.points else None
        if not names or core is None:
            return None
        met = numpy_function(core, [symbol.name for symbol in self.symbols])(*self.points)
        x = np.linspace(met.min(), met.max(), RESOLUTION)
        y = numpy_function(function.xreplace({core: ARGUMENT}), [ARGUMENT.name])(x)
        for name in names if np.isfinite(y).all() else ():
            found = fitted(name, x, y)
            if found is not None and found.error < SAME:
                return Term(name, core, *map(sp.Float, found.constants))
        return None

    def _core(self, function: Any) -> Any | None:
        """Return the smallest part through which alone a function depends on the coordinates, None without one."""
        parts = {part for part in sp.preorder_traversal(function) if part != function and part.has(*self.symbols)}
        alone = (part for part in parts if not function.xreplace({part: ARGUMENT}).has(*self.symbols))
        return min(alone, key=lambda part: (part.count_ops(), str(part)), default=None)

    def _shipped(self, function: Any) -> Term:
        if function.is_Symbol or self.factors(function) is not None:
            return Term("x", function)
        if function.is_Pow and function.exp.has(*self.symbols):
            return self._composed("exp", function.exp * sp.log(function.base))
        if function.is_Pow and function.base.func is sp.sech and function.exp == 2:
            return self._composed("sech^2", function.base.args[0])
        if function.is_Pow and function.exp in POWERS:
            return self._composed(POWERS[function.exp], function.base)
        if function.is_Pow and function.exp.is_Integer:
            return Term("1/x", function.base ** (-function.exp))
        if function.is_Pow and (2 * function.exp).is_Integer:
            root = sp.sign(function.exp) / 2
            return Term(POWERS[root], function.base ** abs(2 * function.exp))
        if function.func in FUNCTIONS:
            return self._composed(FUNCTIONS[function.func], function.args[0])
        return self._splined(function)

    def _composed(self, outer: Any, inner: Any) -> Term:
        """Return outer(inner) as a term, with the inner function's affine part as a and b."""
        b, rest = inner.as_independent(*self.symbols, as_Add=True)
        a, core = rest.as_independent(*self.symbols, as_Add=False)
        return Term(outer, core, a, b)

    def _splined(self, function: Any) -> Term:
        """Return a function that is no atom as a term of its one argument; raise ProblemError if there are several."""
        inner = {argument for argument in function.args if argument.has(*self.symbols)}
        if len(inner) != 1:
            inner = function.free_symbols
        if len(inner) != 1:
            raise ProblemError(
                f"expected functions of one variable, sums and products, got {function}; rewrite it with these"
            )
        (argument,) = inner
        return self._composed(function.subs(argument, ARGUMENT), argument)

    def factors(self, node: Any) -> tuple[Any, Any] | None:
        """Return the two factors of a product, None for other nodes."""
        if node.is_Mul:
            half = len(node.args) // 2
            return sp.Mul(*node.args[:half]), sp.Mul(*node.args[half:])
        if node.is_Pow and node.exp.is_Integer and node.exp > LARGEST_POWER:
            half = int(node.exp) // 2
            return node.base**half, node.base ** (node.exp - half)
        return None

    def subnodes(self, node: Any) -> list[list[Term]]:
        """Return the terms of a sum node's one subnode, or of a product's two."""
        return [self.sum(factor) for factor in self.factors(node) or (node,)]

    def level(self, node: Any) -> int:
        """Return the first layer whose output can be a node; 0 for coordinates."""
        if node not in self._levels:
            self._levels[node] = 0 if node.is_Symbol else 1 + self.height(self.subnodes(node))
        return self._levels[node]

    def height(self, subnodes: Sequence[Sequence[Term]]) -> int:
        """Return the highest level of the nodes in the terms of some sums."""
        return max(self.level(term.argument) for terms in subnodes for term in terms)
