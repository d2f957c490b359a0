"""Fields of known functions on one box, known to the error of a short training."""

from __future__ import annotations

import sympy as sp
from planted import Planted, problem_of

from kanpde import Box
from kanpde.symbolic.structure.sampled import sample

x, y, t = sp.symbols("x y t", real=True)
BOX = Box(x=(0, 2), t=(0.5, 2))


def field(expression, domain=BOX, error=1e-6):
    return sample(Planted(problem_of(domain, lambda u: u, expression), error))[0]
