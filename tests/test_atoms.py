"""Atoms and variable projection: derivatives, agreement with a slow oracle, a library that users extend."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from atom_targets import BASES, NODES, target

import kanpde
from kanpde.errors import ConfigurationError
from kanpde.symbolic.structure import atoms
from kanpde.symbolic.structure.variable_projection import fit


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setattr(atoms, "_ADDED", {})


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


def test_a_user_adds_a_function_in_one_line(added):
    kanpde.register_atom("lorentz", lambda z: 1 / (1 + z**2))
    assert "lorentz" in atoms.names()
    (basis,), failures = atoms.library(["lorentz"])
    assert not failures
    found = fit(target(2 / (1 + (3 * NODES - 1) ** 2)), (basis,), basis.starts(-1, 1, 40))[0]
    assert np.abs(found.parameters) == pytest.approx([3, 1], rel=1e-6)


def broken(z):
    raise ValueError("no such thing")


@pytest.mark.parametrize(("function", "said"), [(broken, "ValueError: no such thing"), (sp.airyai, "numerical")])
def test_a_function_that_fails_is_named_and_skipped(added, function, said):
    kanpde.register_atom("odd", function)
    bases, (line,) = atoms.library()
    assert "'odd'" in line and said in line and len(bases) == len(BASES)


@pytest.mark.parametrize(("name", "function"), [("sin", sp.sin), ("two words", sp.sin), ("mine", 3)])
def test_slips_in_registering_are_told(added, name, function):
    with pytest.raises(ConfigurationError, match="expected"):
        kanpde.register_atom(name, function)


def test_unknown_functions_bring_the_nearest():
    with pytest.raises(ConfigurationError, match="'tanhh'.*did you mean 'tanh'"):
        atoms.library(["tanhh"])
    assert {b.name for b in atoms.library(["exp"])[0]} == {"exp"}
