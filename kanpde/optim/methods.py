"""Which methods a training takes where none are named: by the size of its problem and its precision."""

from __future__ import annotations

import torch

DENSE = 4000  # parameters or rows, whichever are fewer, up to which a factor of that size is affordable at every step
KRYLOV = 50_000  # parameters up to which some dozens of products with J are
QUASI_NEWTON = 4000  # parameters up to which a dense inverse Hessian is


def chosen(parameters: int, rows: int, dtype: torch.dtype) -> tuple[str, ...]:
    """The methods in turn for a residual of so many rows.

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
