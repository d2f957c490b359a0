"""The table of functions: their SymPy and torch forms, derivatives, ranges, conditions of smoothness, complexity.

Every other list of functions in kanpde is a view of this table: the compiler of expressions, the interval arithmetic,
the proof of smoothness, the tracing of a user's code, the atoms of edges, the library of the search. A developer adds a
function here, in one row; a user adds one by `kanpde.register_atom`.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch

from kanpde.calculus import derivatives as by_torch
from kanpde.calculus import ranges
from kanpde.calculus.derivatives import Derivatives
from kanpde.calculus.ranges import Range, increasing
from kanpde.calculus.torch_functions import (
    Operation,
    at_reciprocal,
    from_scipy,
    heaviside,
    lambert_w,
    largest,
    one_over,
    smallest,
    zero,
)
from kanpde.errors import ConfigurationError, ProblemError, among, nearest

# A condition under which a function is smooth: (an expression, the signs that it may have, in words).
Demand = tuple[Any, tuple[str, ...], str]
Demands = Callable[[Any], list[Demand]]

NONZERO = ("positive", "negative")
# The words of demands whose zeros are kinks and jumps inside a domain, but may lie at its corners.
KINK, JUMP = "a root of", "a jump of atan2 at the zeros of"


def everywhere(x: Any) -> list[Demand]:
    """Return no demand, because the function is smooth on the whole real line."""
    return []


def positive(words: str, of: Callable[[Any], Any] = lambda x: x) -> Demands:
    """Return the demand that an expression of the argument is positive."""
    return lambda x: [(of(x), ("positive",), words)]


def nonnegative(words: str, of: Callable[[Any], Any]) -> Demands:
    """Return the demand that an expression of the argument is not negative."""
    return lambda x: [(of(x), ("positive", "nonnegative"), words)]


def nonzero(words: str, of: Callable[[Any], Any] = lambda x: x) -> Demands:
    """Return the demand that an expression of the argument does not vanish."""
    return lambda x: [(of(x), NONZERO, words)]


def pole(name: str, of: Callable[[Any], Any]) -> Demands:
    """Return the demand that `of(x)`, the denominator of a function, does not vanish."""
    return nonzero(f"{name}, whose pole is where there vanishes", of)


@dataclass(frozen=True, kw_only=True)
class Function:
    """One row: a function f of one real variable, or of several if `torch` accepts several.

    `sympy` makes f(x) from x; it is SymPy's class if that exists. `torch` is the operation on tensors, None if the
    expression is composed of other rows. `range` gives the range on intervals, None if it is unknown; `smooth` gives
    the conditions on the argument under which f is smooth, None if they are unknown. `family` is the name of f's family
    in the search's library.
    """

    sympy: Callable[..., Any]
    torch: Operation | None = None
    range: Range | None = None
    smooth: Demands | None = None
    family: str = ""


@dataclass(frozen=True, kw_only=True)
class Atom(Function):
    """A function that an edge of a network can be: c f(a x + b) + d.

    `derivatives(x, orders)` are f and its derivatives by torch. `free` says whether a and b are free; a constant is not
    free if it repeats c or d (e^{x+b} = e^b e^x), because a least-squares fit is then singular. A scale that is not
    free is ±1, and a shift 0. `domain` is the open interval in which f is smooth. `complexity` ranks atoms with similar
    errors. `mirrored` says that f(−x) has another shape, so that a fit tries it too; `squares` that f is a function of
    x², which changes faster with a scale.
    """

    name: str
    derivatives: Derivatives
    complexity: int
    free: tuple[bool, bool] = (True, True)
    domain: tuple[float, float] = (-math.inf, math.inf)
    mirrored: bool = False
    squares: bool = False


HALF_LINE = (0.0, math.inf)
UNSCALED = (False, True)  # the free constants of homogeneous functions, because c absorbs the scale
_sin, _cos = torch.sin, torch.cos
_power, _cycle, _integral, _quadratic = by_torch.power, by_torch.cycle, by_torch.integral, by_torch.reciprocal_quadratic


def _power_atom(name: str, exponent: Any, complexity: int, domain: tuple[float, float] = HALF_LINE) -> Atom:
    """Return x to a constant exponent, as an atom."""
    family = "polynomial" if domain[0] < 0 else "power"
    return Atom(
        name=name, sympy=lambda x: x**exponent, derivatives=_power(float(exponent)), complexity=complexity,
        free=UNSCALED, domain=domain, family=family,
    )  # fmt: skip


def _of_square(name: str, sympy: Callable[[Any], Any], derivatives: Derivatives) -> Atom:
    """Return f(x²) as an atom."""
    return Atom(
        name=name, sympy=lambda x: sympy(x**2), derivatives=by_torch.of_square(derivatives), complexity=6, squares=True,
    )  # fmt: skip


_waves = {
    "sin": _cycle((1, _sin), (1, _cos), (-1, _sin), (-1, _cos)),
    "cos": _cycle((1, _cos), (-1, _sin), (-1, _cos), (1, _sin)),
}
_LINE, _HALF = (-math.inf, math.inf), sp.Rational(1, 2)
# The atoms of an edge, the simplest first.
_ATOMS = (
    Atom(
        name="x", sympy=lambda x: x, derivatives=by_torch.identity, complexity=1, free=(False, False),
        family="polynomial",
    ),
    _power_atom("x^2", 2, 2, _LINE),
    _power_atom("x^3", 3, 3, _LINE),
    _power_atom("x^4", 4, 4, _LINE),
    _power_atom("x^5", 5, 5, _LINE),
    _power_atom("1/x", -1, 3),
    _power_atom("1/x^2", -2, 4),
    _power_atom("sqrt", _HALF, 3),
    _power_atom("1/sqrt", -_HALF, 4),
    Atom(
        name="exp", sympy=sp.exp, torch=torch.exp, derivatives=_cycle((1, torch.exp)), complexity=2, free=(True, False),
        range=increasing(np.exp), smooth=everywhere, family="exp",
    ),
    Atom(
        name="log", sympy=sp.log, torch=torch.log, derivatives=_integral(torch.log, _power(-1)), complexity=3,
        free=UNSCALED, domain=HALF_LINE, range=ranges.log, smooth=positive("log of"), family="log",
    ),
    Atom(
        name="sin", sympy=sp.sin, torch=_sin, derivatives=_waves["sin"], complexity=3,
        range=ranges.sin, smooth=everywhere, family="sin",
    ),
    Atom(
        name="cos", sympy=sp.cos, torch=_cos, derivatives=_waves["cos"], complexity=4,
        range=ranges.cos, smooth=everywhere, family="sin",
    ),
    Atom(
        name="tan", sympy=sp.tan, torch=torch.tan, derivatives=by_torch.tan, complexity=5,
        domain=(-math.pi / 2, math.pi / 2), smooth=pole("tan", sp.cos), family="tan",
    ),
    Atom(
        name="sinh", sympy=sp.sinh, torch=torch.sinh, derivatives=_cycle((1, torch.sinh), (1, torch.cosh)),
        complexity=5, range=increasing(np.sinh), smooth=everywhere, family="exp",
    ),
    Atom(
        name="cosh", sympy=sp.cosh, torch=torch.cosh, derivatives=_cycle((1, torch.cosh), (1, torch.sinh)),
        complexity=5, range=ranges.cosh, smooth=everywhere, family="exp",
    ),
    Atom(
        name="tanh", sympy=sp.tanh, torch=torch.tanh, derivatives=by_torch.tanh, complexity=4,
        range=increasing(np.tanh), smooth=everywhere, family="tanh",
    ),
    Atom(
        name="sech", sympy=sp.sech, torch=one_over(torch.cosh), derivatives=by_torch.sech, complexity=5,
        range=ranges.sech, smooth=everywhere, family="sech",
    ),
    Atom(name="sech^2", sympy=lambda x: sp.sech(x) ** 2, derivatives=by_torch.square_sech, complexity=5),
    Atom(
        name="atan", sympy=sp.atan, torch=torch.atan, derivatives=_integral(torch.atan, _quadratic(1.0)), complexity=5,
        range=increasing(np.arctan), smooth=everywhere, family="atan",
    ),
    Atom(
        name="atanh", sympy=sp.atanh, torch=torch.atanh, derivatives=_integral(torch.atanh, _quadratic(-1.0)),
        complexity=6, domain=(-1.0, 1.0), smooth=positive("atanh, where the log is of", lambda x: 1 - x**2),
    ),
    Atom(name="1/(1+x^2)", sympy=lambda x: 1 / (1 + x**2), derivatives=_quadratic(1.0), complexity=5),
    Atom(
        name="erf", sympy=sp.erf, torch=torch.erf, complexity=5,
        derivatives=_integral(torch.erf, by_torch.gaussian, 2 / math.sqrt(math.pi)),
        range=ranges.erf, smooth=everywhere, family="erf",
    ),
    Atom(
        name="gaussian", sympy=lambda x: sp.exp(-(x**2)), derivatives=by_torch.gaussian, complexity=4,
        family="gaussian",
    ),
    _of_square("sin(x^2)", sp.sin, _waves["sin"]),
    _of_square("cos(x^2)", sp.cos, _waves["cos"]),
    _of_square("exp(x^2)", sp.exp, _cycle((1, torch.exp))),
)  # fmt: skip


def _row(head: Any, torch: Operation, smooth: Demands | None = None, range: Range | None = None) -> Function:
    return Function(sympy=head, torch=torch, smooth=smooth, range=range)


# Functions that occur in formulas but are no atoms.
_OTHERS = (
    _row(sp.Abs, torch.abs, lambda x: [(x, (*NONZERO, "nonnegative", "nonpositive"), "the absolute value of")],
         ranges.absolute),
    _row(sp.sign, torch.sign, nonzero("the sign of")),
    _row(sp.Heaviside, heaviside, nonzero("a jump at")),
    # The derivative of a jump is zero almost everywhere, and points almost never lie on the jump.
    _row(sp.DiracDelta, zero),
    _row(sp.floor, torch.floor), _row(sp.ceiling, torch.ceil), _row(sp.Mod, torch.remainder),
    _row(sp.Min, smallest), _row(sp.Max, largest),
    _row(sp.cot, one_over(torch.tan), pole("cot", sp.sin)),
    _row(sp.sec, one_over(torch.cos), pole("sec", sp.cos)),
    _row(sp.csc, one_over(torch.sin), pole("csc", sp.sin)),
    _row(sp.asin, torch.asin, nonnegative("asin, where the root is of", lambda x: 1 - x**2)),
    _row(sp.acos, torch.acos, nonnegative("acos, where the root is of", lambda x: 1 - x**2)),
    _row(sp.atan2, torch.atan2),
    _row(sp.acot, at_reciprocal(torch.atan)), _row(sp.asec, at_reciprocal(torch.acos)),
    _row(sp.acsc, at_reciprocal(torch.asin)),
    _row(sp.coth, one_over(torch.tanh), nonzero("coth of")), _row(sp.csch, one_over(torch.sinh), nonzero("csch of")),
    _row(sp.asinh, torch.asinh, everywhere, increasing(np.arcsinh)),
    _row(sp.acosh, torch.acosh, nonnegative("acosh, where the root is of", lambda x: x - 1)),
    _row(sp.acoth, at_reciprocal(torch.atanh)), _row(sp.asech, at_reciprocal(torch.acosh)),
    _row(sp.acsch, at_reciprocal(torch.asinh)),
    _row(sp.sinc, lambda x: torch.sinc(x / math.pi), everywhere),
    _row(sp.erfc, torch.erfc, everywhere, ranges.erfc), _row(sp.erfinv, torch.erfinv),
    _row(sp.erfi, from_scipy("erfi"), everywhere),
    _row(sp.gamma, from_scipy("gamma"), positive("gamma of")),
    _row(sp.loggamma, torch.lgamma, positive("loggamma of")),
    _row(sp.LambertW, lambert_w), _row(sp.Ei, from_scipy("expi"), nonzero("Ei of")),
    _row(sp.besselj, from_scipy("jv"), everywhere), _row(sp.bessely, from_scipy("yv"), positive("bessely of")),
    _row(sp.besseli, from_scipy("iv"), everywhere), _row(sp.besselk, from_scipy("kv"), positive("besselk of")),
    _row(sp.elliptic_k, from_scipy("ellipk")), _row(sp.elliptic_e, from_scipy("ellipe")),
)  # fmt: skip
_RELATIONS: dict[Any, Operation] = {
    sp.StrictGreaterThan: operator.gt, sp.GreaterThan: operator.ge,
    sp.StrictLessThan: operator.lt, sp.LessThan: operator.le,
    sp.Equality: operator.eq, sp.Unequality: operator.ne,
    sp.And: lambda *c: functools.reduce(torch.logical_and, c), sp.Or: lambda *c: functools.reduce(torch.logical_or, c),
    sp.Not: torch.logical_not,
}  # fmt: skip

# The atoms by name, to which a user's own functions are added.
ATOMS: dict[str, Atom] = {row.name: row for row in _ATOMS}
SHIPPED = frozenset(ATOMS)
# The functions that occur in formulas, by SymPy's class.
HEADS: dict[Any, Function] = {row.sympy: row for row in (*_ATOMS, *_OTHERS) if isinstance(row.sympy, type)}
OPERATIONS: dict[Any, Operation] = {head: row.torch for head, row in HEADS.items() if row.torch} | _RELATIONS
# The families of the search's library, by SymPy's class of their functions.
FAMILIES: dict[Any, str] = {head: row.family for head, row in HEADS.items() if row.family}


def atom(name: Any) -> Atom:
    """Return the atom of a name; raise ConfigurationError if it is unknown."""
    if not among(name, ATOMS):
        add = f"if it is a function of yours, register it first: kanpde.register_atom({name!r}, ...)"
        raise ConfigurationError(f"unknown atom {name!r}; {nearest(name, ATOMS)}; {add}")
    return ATOMS[name]


def registered() -> dict[str, Atom]:
    """Return the functions that the user has added, by name."""
    return {name: row for name, row in ATOMS.items() if name not in SHIPPED}


def operation(expression: sp.Basic) -> Operation:
    """Return the operation on tensors of an expression's outermost function; raise ProblemError if there is none."""
    found = OPERATIONS.get(expression.func)
    if found is None or (expression.func is sp.elliptic_e and len(expression.args) > 1):
        raise ProblemError(
            f"expected functions that have a numerical counterpart, got {type(expression).__name__} in {expression}; "
            "rewrite it, or give a torch callable instead"
        )
    return found


def smoothness_demands(expression: Any) -> list[Demand]:
    """Return the conditions under which an expression's functions, powers and quotients are smooth."""
    return [demand for part in sp.preorder_traversal(expression) for demand in _demands(part)]


def _demands(part: Any) -> list[Demand]:
    if isinstance(part, sp.Pow):
        return _demands_of_power(part.base, part.exp)
    if isinstance(part, sp.atan2) and part.free_symbols:
        y, x = part.args
        return positive(JUMP)(sp.sqrt(x**2 + y**2) + x)
    if isinstance(part, (sp.Function, sp.Piecewise, sp.Min, sp.Max)) and part.free_symbols:
        row = HEADS.get(part.func)
        if row is not None and row.smooth is not None:
            return row.smooth(part.args[-1])  # that of a Bessel function is behind its order
        return [(sp.S.Zero, NONZERO, f"{part.func.__name__} may not be smooth: {part};")]
    return [(sp.S.Zero, NONZERO, "it is not real:")] if part is sp.I else []


def _demands_of_power(base: Any, exponent: Any) -> list[Demand]:
    if not base.free_symbols or exponent.is_integer and exponent.is_nonnegative:
        return positive("a power of")(base) if not base.is_positive and exponent.free_symbols else []
    if exponent.is_integer:
        return nonzero("division by")(base)
    if exponent.is_positive:
        return nonnegative(KINK, lambda x: x)(base)
    return positive("a power of")(base)
