"""Variable projection agrees with a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from atom_targets import BASES, NODES, WEIGHTS, target

from kanpde.symbolic.families.proposal import eliminate
from kanpde.symbolic.structure.variable_projection import fit


def test_the_projection_is_the_least_squares_fit_of_all_constants():
    """The linear constants eliminate, the minimum is that of SciPy's over all of them."""
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
