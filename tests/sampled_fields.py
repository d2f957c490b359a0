"""Fields of known functions on their grids."""

from __future__ import annotations

import sympy as sp
from planted import Planted, problem_of

from kanpde.symbolic.families.proposal import evaluated
from kanpde.symbolic.structure.sampled import sample

r, x, y, z, t = sp.symbols("r x y z t", real=True)
ERROR = 1e-10


def field(expression, domain, residual=lambda u: u, error=ERROR):
    return sample(Planted(problem_of(domain, residual, expression), error))[0]


def misfit(proposal, of):
    values = evaluated(proposal.expression, proposal.constants, dict(zip(of.names, of.coordinates, strict=True)))
    return of.norm(values - of.values) / of.norm()
