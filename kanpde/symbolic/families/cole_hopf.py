"""The Cole–Hopf transformation u = κ D_x / D of Burgers' equation in any scaling.

u solves τ u_t + a u u_x + b u_xx = 0 with κ = 2 b / a if D solves τ D_t + b D_xx = 0 (Hopf, Comm. Pure Appl. Math. 3
(1950) 201; Cole, Quart. Appl. Math. 9 (1951) 225). D is exp(∫ u dx / κ) times a function of time, which the equation
of D determines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.statement import state
from kanpde.symbolic.structure.factors import antiderivative
from kanpde.symbolic.structure.sampled import Sampled

# Time limit for SymPy to read the coefficients off the equation, in seconds.
SECONDS = 2.0


@dataclass(frozen=True)
class Transformation:
    """The coefficients τ, a, b of Burgers' equation, and the axes of space and time."""

    rate: sp.Expr
    advection: sp.Expr
    diffusion: sp.Expr
    space: int
    time: int

    @property
    def factor(self) -> sp.Expr:
        """κ = 2 b / a."""
        return 2 * self.diffusion / self.advection


def transformation(problem: Problem) -> Transformation | None:
    """Return the transformation of Burgers' equation in any scaling, or None for another problem."""
    domain = problem.domain
    if domain.dimension != 2 or domain.time is None or len(problem.fields) > 1 or problem.unknowns:
        return None
    (space,) = domain.space
    try:
        with time_limit(SECONDS):
            statement = state(problem, [])
            x, t = statement.coordinates[space], statement.coordinates[domain.time]
            u = sp.Function("u")(*statement.coordinates)
            rows = [equation.of((u,)) for equation in statement.equations if equation.name == "residual"]
            terms = [sp.diff(u, t), u * sp.diff(u, x), sp.diff(u, x, x)]
            names = sp.symbols("a:3")
            left = sp.expand(sp.expand(rows[0]).xreplace({u.diff(x, x): names[2], u.diff(t): names[0]}))
            found = [left.coeff(names[0]), left.coeff(u * sp.diff(u, x)), left.coeff(names[2])]
            rest = sp.expand(rows[0] - sum(c * term for c, term in zip(found, terms, strict=True)))
    except (Exception, TimeLimit):  # SymPy raises many types of error on unsupported input
        return None
    if len(rows) > 1 or rest != 0 or not all(c.is_number and c != 0 for c in found):
        return None
    return Transformation(found[0], found[1], found[2], space, domain.time)


def transformed(field: Sampled, by: Transformation) -> tuple[Sampled, Callable[[sp.Expr], sp.Expr]]:
    """Return D on the grid, and the map from an expression of D to one of u."""
    kappa, nu = float(by.factor), float(-by.diffusion / by.rate)
    space, time = by.space, by.time

    def integrated(values: Array, axis: int) -> Array:
        matrix = np.ptp(field.nodes[axis]) * antiderivative(len(field.nodes[axis]))
        return np.asarray(np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis))

    u, u_x, u_t, u_tt = field.values, field.first[space], field.first[time], field.second[time]
    w, w_t, w_tt = (integrated(part, space) / kappa for part in (u, u_t, u_tt))
    # (h e^w)_t = ν (h e^w)_xx determines h'/h, which does not depend on x.
    rate = nu * (u_x / kappa + (u / kappa) ** 2) - w_t
    mean = np.mean(rate, axis=space, keepdims=True)
    w, w_t = w + integrated(mean, time), w_t + mean
    w_tt = w_tt + np.gradient(mean, field.nodes[time], axis=time, edge_order=2)
    d = np.exp(w - w.max())
    first, second = [d, d], [d, d]
    first[space], first[time] = d * u / kappa, d * w_t
    second[space], second[time] = d * (u_x / kappa + (u / kappa) ** 2), d * (w_tt + w_t**2)
    x = symbols(field.names)[space]
    found = Sampled(field.names, field.nodes, field.weights, d, tuple(first), tuple(second), field.error)
    return found, lambda expression: by.factor * sp.diff(expression, x) / expression
