"""Atoms and variable projection: derivatives, agreement with a slow oracle, the library of the search."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch

from kanpde.calculus.functions import ATOMS, HEADS
from kanpde.errors import ConfigurationError
from kanpde.symbolic.families.proposal import eliminate
from kanpde.symbolic.structure import atoms
from kanpde.symbolic.structure.variable_projection import Target, fit

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
BASES = atoms.library()


def target(values):
    return Target.of(NODES, np.atleast_2d(values).reshape(len(NODES), -1), WEIGHTS)


@pytest.mark.parametrize("basis", [b for b in BASES if b.parameters], ids=lambda b: f"{b.name}{len(b.functions)}")
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


def test_the_projection_is_the_least_squares_fit_of_all_constants():
    """The linear constants eliminated, the minimum is that of SciPy's over all of them."""
    basis = next(b for b in BASES if b.name == "tanh")
    values = np.arctan(3 * NODES) + 0.1 * NODES**2
    found = fit(target(values), (basis,), basis.starts(-1, 1, 40))[0]
    root = np.sqrt(WEIGHTS)

    def residual(p):
        return root * (p[0] + p[1] * np.tanh(p[2] * NODES + p[3]) - values)

    slow = min(scipy.optimize.least_squares(residual, [0, 1, b, c]).cost for b in (1, 3) for c in (-1, 0, 1))
    assert found.misfit == pytest.approx(np.sqrt(2 * slow) / np.linalg.norm(root * values), rel=1e-6)


def test_several_functions_share_the_nonlinear_constants():
    basis = next(b for b in BASES if b.name == "exp" and len(b.functions) == 2 and b.functions[0] == 1)
    mixture = np.stack([1 + np.exp(-3 * NODES), 2 - np.exp(-3 * NODES)], axis=1)
    found = fit(target(mixture), (basis,), basis.starts(-1, 1, 40))[0]
    assert found.parameters == pytest.approx([-3], rel=1e-8) and found.misfit < 1e-10


def test_guesses_outside_the_domain_of_a_function_are_passed_over():
    basis = next(b for b in BASES if b.name == "log")
    found = fit(target(np.log(NODES + 2)), (basis,), np.array([[-0.5], [1.7]]))[0]
    assert found.parameters == pytest.approx([2], rel=1e-8)


def test_elimination_keeps_the_columns_that_are_needed():
    random = np.random.default_rng(0)
    design = random.normal(size=(200, 6))
    truth = design @ np.array([0, 2.0, 0, 0, -1.0, 0])
    size = np.linalg.norm(truth)
    kept, coefficients, left = eliminate(design / size, truth / size + 1e-9 * random.normal(size=200), 1e-7)
    assert kept == [1, 4] and left < 1e-7
    np.testing.assert_allclose(coefficients, [2, -1], atol=1e-6)


def test_unknown_functions_bring_the_nearest():
    with pytest.raises(ConfigurationError, match="'tanhh'.*did you mean 'tanh'"):
        atoms.library(["tanhh"])
    assert {b.name for b in atoms.library(["exp"])} == {"exp"}


def test_the_library_has_every_family_of_the_table():
    families = {row.family for row in (*ATOMS.values(), *HEADS.values()) if row.family}
    assert set(atoms.names()) == families
