"""Sums of products of functions of the radius and of the angle, and sums of functions singular in holes.

    r^k cos kθ,  log r,  J_n(k r) cos nθ,  r^{2/3} sin(2θ/3)
    Σ_i (c_i + d_i |x - p_i|²) log |x - p_i| + multipoles + polynomials

A product is written in Cartesian coordinates: r^n cos nθ = Re (x + iy)^n, so what is smooth at the pole looks so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.expressions import symbols
from kanpde.geometry.holes import holes_of
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.families.proposal import Proposal, evaluated, linear
from kanpde.symbolic.families.separated import Separation
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.polar import NAMES, Pole, polar, poles
from kanpde.symbolic.structure.sampled import Sampled, Surrogate

# The distance from an integer below which an exponent or a frequency is that integer.
WHOLE = 1e-3
# The largest order of the multipoles, and of the polynomials beside them.
ORDER = 2
# Points of a fit with functions that are singular in holes.
POINTS = 1500
R, ANGLE = symbols(NAMES)


def about_poles(solution: Surrogate, place: int) -> list[tuple[Pole, Separation]]:
    """Return the separations of a field in polar coordinates about every pole of its domain."""
    found = []
    for pole in poles(solution.problem.domain):
        field = polar(solution, place, pole)
        if field.finite and field.norm() > 0:
            found.append((pole, Separation(field, "separated in polar coordinates", compositions=False)))
    return found


def cartesian(stream: Iterator[Proposal], pole: Pole, names: Sequence[str]) -> Iterator[Proposal]:
    """Yield the proposals, made in polar coordinates about a pole, in the coordinates of the domain."""
    for proposal in stream:
        found = _cartesian(proposal, pole, names)
        if found is not None:
            yield found


def _cartesian(proposal: Proposal, pole: Pole, names: Sequence[str]) -> Proposal | None:
    x, y = symbols(names[:2])
    expression, constants = proposal.expression, dict(proposal.constants)
    whole = {c: _integer(value) for c, value in constants.items() if _is_exponent(expression, c)}
    expression = expression.subs({c: value for c, value in whole.items() if value is not None})
    dx, dy = pole.away(x, y)
    harmonics: dict[Any, Any] = {}
    if pole.around:
        if any(not f.args[0].coeff(ANGLE).is_Integer for f in expression.atoms(sp.sin, sp.cos) if f.has(ANGLE)):
            return None
        expression = expression.replace(_of_angle, lambda f: _harmonic(f, harmonics))
        if expression.has(ANGLE):
            return None
    else:
        expression = expression.xreplace({ANGLE: pole.angle(x, y)})
    square = dx**2 + dy**2
    expression = sp.expand(expression).xreplace({sp.log(R): sp.log(square) / 2}).subs(R, sp.sqrt(square))
    expression = expression.xreplace({symbol: _polynomial(f, dx, dy) for f, symbol in harmonics.items()})
    left = {c: value for c, value in constants.items() if expression.has(c)}
    return replace(proposal, expression=expression, constants=left)


def _of_angle(part: Any) -> bool:
    return isinstance(part, (sp.sin, sp.cos)) and part.has(ANGLE)


def _harmonic(function: Any, harmonics: dict[Any, Any]) -> Any:
    """Return cos nθ or sin nθ as a symbol of r^n cos nθ or r^n sin nθ, by r^n."""
    n = int(function.args[0].coeff(ANGLE))
    sign = sp.sign(n) if isinstance(function, sp.sin) else 1
    key = function.func(abs(n) * ANGLE)
    return sign * harmonics.setdefault(key, sp.Dummy("harmonic", real=True)) / R ** abs(n)


def _polynomial(function: Any, dx: Any, dy: Any) -> Any:
    """Return r^n cos nθ or r^n sin nθ, which is Re or Im (x + iy)^n."""
    power = sp.expand((dx + sp.I * dy) ** int(function.args[0].coeff(ANGLE)))
    return sp.expand(sp.re(power) if isinstance(function, sp.cos) else sp.im(power))


def _is_exponent(expression: Any, constant: Any) -> bool:
    """Return whether a constant is the exponent of r or the frequency of the angle."""
    powers = [p for p in expression.atoms(sp.Pow) if p.base == R and p.exp.has(constant)]
    return bool(powers) or any(f.has(ANGLE) and f.has(constant) for f in expression.atoms(sp.sin, sp.cos))


def _integer(value: float) -> Any | None:
    return sp.Integer(round(value)) if abs(value - round(value)) < WHOLE else None


def in_holes(field: Sampled, solution: Surrogate, place: int) -> Iterator[Proposal]:
    """Yield the sum of logarithms and multipoles about the holes of a plane shape, and of polynomials, that fits."""
    domain = solution.problem.domain
    holes = holes_of(domain)
    if not holes or domain.dimension != 2:
        return
    x, y = symbols(field.names)
    terms = [sp.S.One, x, y, x**2 - y**2, x * y, x**2 + y**2]
    for hole in holes:
        dx, dy = x - exact_number(round(hole.at[0], 12)), y - exact_number(round(hole.at[1], 12))
        square = dx**2 + dy**2
        terms += [sp.log(square), square * sp.log(square)]
        for n in range(1, ORDER + 1):
            power = sp.expand((dx + sp.I * dy) ** n)
            terms += [sp.re(power) / square**n, sp.im(power) / square**n]
    points = domain.interior(np.random.default_rng(0).random((POINTS, 2)))
    columns = dict(zip(field.names, points.T, strict=True))
    values = np.asarray(solution.evaluate(points, ())[:, place], dtype=np.float64)
    size = max(float(np.linalg.norm(values)), 1e-300)
    design = np.stack([np.broadcast_to(evaluated(term, {}, columns), len(points)) for term in terms], axis=1)
    found = linear("singular in holes", terms, {}, design / size, values / size, field.error, POINTS)
    if found is not None:
        yield found


def quick(about: Sequence[tuple[Pole, Separation]], names: Sequence[str]) -> list[Iterator[Proposal]]:
    """Return one stream of proposals for each pole, from relations between factors and their derivatives."""
    return [cartesian(separation.quick(), pole, names) for pole, separation in about]


def thorough(
    about: Sequence[tuple[Pole, Separation]], bases: Sequence[Basis], names: Sequence[str]
) -> list[Iterator[Proposal]]:
    """Return one stream of proposals for each pole, from a search over these bases of the radius."""
    return [cartesian(separation.thorough(bases), pole, names) for pole, separation in about]
