"""The methods by name, and which of them are taken by default: by the size of the problem and its precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from kanpde.optim.broyden import ssbfgs, ssbroyden
from kanpde.optim.first_order import adam, lbfgs
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.krylov import KrylovGaussNewton
from kanpde.optim.least_squares import Method
from kanpde.optim.soap import SOAP


@dataclass(frozen=True)
class Entry:
    """A method of the registry."""

    make: Callable[..., Method]  # takes a learning_rate if the method has one
    has_rate: bool = False  # the other methods find their own steps
    gauss_newton: bool = False  # steps from the residual's Jacobian, whose loss tells when they gain nothing more
    iterations: int | None = 2000  # of a stage that names none; None: until convergence


METHODS: Mapping[str, Entry] = {
    "gauss_newton": Entry(GaussNewton, gauss_newton=True, iterations=None),
    "krylov_gauss_newton": Entry(KrylovGaussNewton, gauss_newton=True, iterations=None),
    "ssbroyden": Entry(ssbroyden),
    "ssbfgs": Entry(ssbfgs),
    "lbfgs": Entry(lbfgs, has_rate=True),
    "soap": Entry(SOAP, has_rate=True),
    "adam": Entry(adam, has_rate=True),
}

DENSE = 4000  # parameters or rows, whichever are fewer, up to which a factor of that size is affordable at every step
KRYLOV = 50_000  # parameters up to which some dozens of products with J are
QUASI_NEWTON = 4000  # parameters up to which a dense inverse Hessian is


def default_methods(parameters: int, rows: int, dtype: torch.dtype) -> tuple[str, ...]:
    """Return the methods of a training that names none, one after the other.

    In double precision Gauss–Newton with a dense factor, in the space of rows where these are fewer than parameters
    (`woodbury`), then in a Krylov space, then SOAP and L-BFGS. Single precision loses the small singular values that
    Gauss–Newton lives on: Adam comes first there, and what follows needs gradients alone.
    """
    if dtype != torch.float64:
        return "adam", ("ssbroyden" if parameters <= QUASI_NEWTON else "lbfgs")
    if min(parameters, rows) <= DENSE:
        return ("gauss_newton",)
    if parameters <= KRYLOV:
        return ("krylov_gauss_newton",)
    return "soap", "lbfgs"
