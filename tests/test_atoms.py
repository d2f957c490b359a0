"""Atoms and variable projection: derivatives, agreement with a slow oracle, a library that users extend."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from atom_targets import BASES, NODES, target

from kanpde.errors import ConfigurationError
from kanpde.symbolic.structure import atoms
from kanpde.symbolic.structure.variable_projection import fit

BESSEL = [b for b in BASES if any(f.has(sp.besselj, sp.bessely, sp.besseli, sp.besselk) for f in b.functions)]


@pytest.mark.parametrize("basis", BESSEL, ids=lambda b: str(b.functions[0]))
def test_slopes_of_bessel_functions_are_limits_of_differences(basis):
    """They are SciPy's, which torch does not differentiate."""
    s, step = torch.linspace(0.1, 0.9, 7, dtype=torch.float64), 1e-5
    above, below = (basis.values(s, torch.tensor([[1.3 + h]], dtype=torch.float64)) for h in (step, -step))
    slopes = basis.slopes(s, torch.tensor([[1.3]], dtype=torch.float64))[..., 0]
    torch.testing.assert_close(slopes, (above - below) / (2 * step), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "basis", [b for b in BASES if b.parameters and b not in BESSEL], ids=lambda b: f"{b.name}{len(b.functions)}"
)
def test_slopes_are_the_derivatives_of_the_values(basis):
    s = torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    guess = torch.tensor([[1.3, 0.4][: len(basis.parameters)]], dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(lambda p: basis.values(s, p[None])[0], guess[0])
    torch.testing.assert_close(basis.slopes(s, guess)[0], slopes, rtol=1e-10, atol=1e-12)
    own = [[f.subs({atoms.VARIABLE: 0.1, atoms.B: 1.3, atoms.C: 0.4}) for f in basis.functions]]
    np.testing.assert_allclose(basis.values(s, guess)[0, :1], np.array(own, dtype=float), rtol=1e-12)


@pytest.mark.parametrize("basis", [b for b in BASES if b.parameters], ids=lambda b: f"{b.name}{len(b.functions)}")
def test_starts_are_finite_and_as_many_as_the_constants(basis):
    starts = basis.starts(-1.0, 2.0, 40)
    assert starts.ndim == 2 and starts.shape[1] == len(basis.parameters) and np.isfinite(starts).all()


def test_waves_are_found_up_to_nyquist():
    basis = next(b for b in BASES if b.name == "sin" and len(b.functions) == 2 and len(b.parameters) == 1)
    for frequency in (0.9, 7.0, 23.0):
        found = fit(target(np.sin(frequency * NODES + 0.3)), (basis,), basis.starts(-1, 1, 40))[0]
        assert abs(found.parameters[0]) == pytest.approx(frequency, rel=1e-8) and found.misfit < 1e-9


def test_unknown_functions_bring_the_nearest():
    with pytest.raises(ConfigurationError, match="'tanhh'.*did you mean 'tanh'"):
        atoms.library(["tanhh"])
    assert {b.name for b in atoms.library(["exp"])} == {"exp"}
