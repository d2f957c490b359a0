"""The registry of methods by name, and the default methods by the problem's size and precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from kanpde.optim.broyden import ssbfgs, ssbroyden
from kanpde.optim.first_order import adam, adamw
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.krylov import KrylovGaussNewton
from kanpde.optim.least_squares import Method
from kanpde.optim.soap import SOAP
from kanpde.optim.torch_lbfgs import lbfgs


@dataclass(frozen=True)
class Entry:
    """A method of the registry."""

    make: Callable[..., Method]  # returns the method; takes a learning_rate if has_rate is True
    has_rate: bool = False  # True if the method has a learning rate
    gauss_newton: bool = False  # True if the method uses the residual's Jacobian: the loss then shows convergence
    guarded: bool = True  # True if the method takes only steps that reduce the loss
    iterations: int | None = 2000  # default number of iterations of a stage; None: until convergence
    decays: bool = False  # True if the method has a weight decay

    @property
    def first_order(self) -> bool:
        """True if the method follows the gradient alone, without a look at the loss after the step."""
        return not self.guarded


METHODS: Mapping[str, Entry] = {
    "gauss_newton": Entry(GaussNewton, gauss_newton=True, iterations=None),
    "krylov_gauss_newton": Entry(KrylovGaussNewton, gauss_newton=True, iterations=None),
    "ssbroyden": Entry(ssbroyden),
    "ssbfgs": Entry(ssbfgs),
    "lbfgs": Entry(lbfgs, has_rate=True),
    "soap": Entry(SOAP, has_rate=True, guarded=False, decays=True),
    "adamw": Entry(adamw, has_rate=True, guarded=False, decays=True),
    "adam": Entry(adam, has_rate=True, guarded=False),
}

MAX_DENSE = 4000  # largest size, parameters or rows, whichever are fewer, of a matrix that is factored at each step
MAX_KRYLOV = 50_000  # largest number of parameters for which a step of some dozens of products with J is affordable
MAX_QUASI_NEWTON = 4000  # largest number of parameters for which a dense inverse Hessian is affordable


def default_methods(parameters: int, rows: int, dtype: torch.dtype) -> tuple[str, ...]:
    """Return the names of the methods of a training whose stages are not set, in their order.

    In double precision they are Gauss–Newton with a dense factor, of the size of the rows if these are fewer than the
    parameters (`woodbury`); for larger problems Gauss–Newton in a Krylov space; for still larger ones SOAP, then
    L-BFGS. Single precision loses the small singular values that Gauss–Newton needs, so the methods are Adam and then
    a quasi-Newton method, which need gradients only.
    """
    if dtype != torch.float64:
        return "adam", ("ssbroyden" if parameters <= MAX_QUASI_NEWTON else "lbfgs")
    if min(parameters, rows) <= MAX_DENSE:
        return ("gauss_newton",)
    if parameters <= MAX_KRYLOV:
        return ("krylov_gauss_newton",)
    return "soap", "lbfgs"
