"""Every method on every classic problem, the states of the new ones, and which are chosen by default."""

from __future__ import annotations

import json
import math

import pytest
import torch
from classic_problems import CLASSICS, F64, Function, minimise
from optimisers import Shaped, reaches

from kanpde.optim.broyden import ssbfgs, ssbroyden
from kanpde.optim.first_order import adam, adamw
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.krylov import KrylovGaussNewton
from kanpde.optim.methods import MAX_DENSE, MAX_KRYLOV, METHODS, default_methods
from kanpde.optim.soap import SOAP
from kanpde.optim.torch_lbfgs import lbfgs

SECOND_ORDER = {
    "gauss_newton": GaussNewton,
    "krylov_gauss_newton": KrylovGaussNewton,
    "ssbroyden": ssbroyden,
    "ssbfgs": ssbfgs,
    "lbfgs": lbfgs,
}
FIRST_ORDER = {"soap": SOAP, "adam": adam, "adamw": adamw}
NEW = {"krylov_gauss_newton": KrylovGaussNewton, "ssbroyden": ssbroyden, "ssbfgs": ssbfgs, "soap": SOAP}
RATES = {"meyer": 1.0}
ORACLES = {name: problem.oracle()[1] for name, problem in CLASSICS.items()}
# One learning rate has no use for parameters of the sizes 1e6 and 1e-6.
# Meyer's Hessian spans twenty decades: whether a quasi-Newton method gets through its valley is decided by rounding.
BEYOND = {
    ("soap", "brown_badly_scaled"),
    ("adam", "brown_badly_scaled"),
    ("adamw", "brown_badly_scaled"),
    ("ssbfgs", "meyer"),
    ("ssbroyden", "meyer"),
}
new_method = pytest.mark.parametrize("kind", NEW)


def test_every_optimiser_is_tested():
    assert {*SECOND_ORDER, *FIRST_ORDER} == set(METHODS)


@pytest.mark.parametrize("name", CLASSICS)
@pytest.mark.parametrize("kind", {**SECOND_ORDER, **FIRST_ORDER})
def test_every_method_finds_the_minimum_of_every_problem(kind, name):
    """Methods that know curvature to round-off; those of first order make most of the way in so many steps."""
    problem, best = CLASSICS[name], ORACLES[name]
    if (kind, name) in BEYOND:
        pytest.skip("beyond this method")
    if kind in SECOND_ORDER:
        assert reaches(SECOND_ORDER[kind](), problem, best * (1 + 1e-8) + 1e-14, 100)
    else:
        first = problem.loss(problem.start)
        assert reaches(FIRST_ORDER[kind](RATES.get(name, 0.05)), problem, best + 0.1 * (first - best), 300)


@new_method
@pytest.mark.parametrize("steps", [0, 1, 12])
def test_a_state_is_all_that_the_next_steps_depend_on(kind, steps):
    problem, method, other = Shaped(), NEW[kind](), NEW[kind]()
    vector = minimise(method, problem, steps)[-1].vector if steps else problem.start
    tensors, numbers = method.state()
    written = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    other.restore(written, json.loads(json.dumps(numbers)))
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    for ours, theirs in zip(minimise(method, problem, 11, vector), minimise(other, problem, 11, vector), strict=True):
        assert torch.equal(ours.vector, theirs.vector) and ours.loss == theirs.loss
    assert all(torch.equal(tensors[name], before[name]) for name in before)


@new_method
def test_numbers_that_are_not_finite_are_told_and_retreated_from(kind):
    problem = Function(lambda x: torch.log(x), [5.0])
    method = NEW[kind]()
    step = method.step(problem, torch.tensor([-1.0], dtype=F64))
    assert not math.isfinite(step.loss)
    method.retreat()
    assert reaches(method, problem, 1e-8 if kind != "soap" else 2.58, 60)


@new_method
def test_at_a_solution_nothing_is_lost(kind):
    there = torch.ones(2, dtype=F64)
    step = NEW[kind]().step(CLASSICS["rosenbrock"], there)
    assert step.loss == 0 and torch.equal(step.vector, there)


@pytest.mark.parametrize("kind", ["ssbroyden", "ssbfgs", "soap"])
def test_a_method_begins_anew_when_the_problem_has_another_size(kind):
    method, fresh = NEW[kind](), NEW[kind]()
    minimise(method, CLASSICS["powell"], 3)
    problem = CLASSICS["beale"]
    assert torch.equal(method.step(problem, problem.start).vector, fresh.step(problem, problem.start).vector)


def test_the_methods_are_chosen_by_size_and_precision():
    assert default_methods(500, 2000, F64) == default_methods(MAX_DENSE, 10**6, F64) == ("gauss_newton",)
    assert default_methods(10**6, MAX_DENSE, F64) == ("gauss_newton",)
    assert default_methods(MAX_DENSE + 1, 3 * MAX_DENSE, F64) == ("krylov_gauss_newton",)
    assert default_methods(MAX_KRYLOV + 1, 3 * MAX_KRYLOV, F64) == ("soap", "lbfgs")
    assert default_methods(500, 2000, torch.float32) == ("adam", "ssbroyden")
    assert default_methods(10**5, 10**6, torch.float32) == ("adam", "lbfgs")
    names = {
        name
        for size in (1, 10**4, 10**6)
        for kind in (F64, torch.float32)
        for name in default_methods(size, size, kind)
    }
    assert names <= set(METHODS)
