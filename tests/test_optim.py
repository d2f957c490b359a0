"""Optimisers on classic problems with SciPy as the oracle; linear algebra against NumPy's on the whole matrix."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from classic_problems import CLASSICS, F64, MATRIX, MINIMA, RIGHT, Function, kowalik_osborne, minimise

from kanpde.optim.first_order import RATE_REDUCTION, adam, lbfgs
from kanpde.optim.gauss_newton import FLOOR, MAX_DAMPING, MIN_DAMPING, MIN_REDUCTION_RATIO, GaussNewton, Search
from kanpde.optim.least_squares import Damped, Linearisation

METHODS = {"gauss_newton": GaussNewton, "lbfgs": lbfgs, "adam": adam}
classic = pytest.mark.parametrize("name", CLASSICS)
method_of = pytest.mark.parametrize("kind", METHODS)


# Classic problems ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MINIMA)
def test_the_oracle_finds_the_published_minimum(name):
    assert CLASSICS[name].oracle()[1] == pytest.approx(MINIMA[name], rel=1e-5, abs=1e-20)


@classic
def test_gauss_newton_finds_the_minimum(name):
    problem = CLASSICS[name]
    x, loss = problem.oracle()
    last = minimise(GaussNewton(), problem, 100)[-1]
    assert last.loss <= loss * (1 + 1e-10) + 1e-24
    # Near the singular solution of Powell's function the loss is a fourth power.
    assert np.allclose(last.vector, x, rtol=1e-5, atol=1e-5)


@classic
def test_gauss_newton_never_loses_and_keeps_its_promise(name):
    problem = CLASSICS[name]
    before = problem.loss(problem.start)
    for step in minimise(GaussNewton(), problem, 100):
        assert step.loss <= before and step.loss == problem.loss(step.vector)
        assert not step.accepted or step.ratio >= MIN_REDUCTION_RATIO
        assert 1 <= step.probes <= 16
        before = step.loss


def test_one_bold_step_solves_a_linear_problem():
    problem = CLASSICS["linear"]
    step = GaussNewton().step(problem, problem.start)
    best = np.linalg.lstsq(MATRIX.numpy(), RIGHT.numpy(), rcond=None)[0]
    assert np.allclose(step.vector, best, rtol=1e-10, atol=1e-10)
    assert step.damping < 1e-10 and step.ratio == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("name", ["rosenbrock", "powell"])
def test_a_step_is_bent_by_half_the_geodesic_acceleration(name):
    """Dense algebra and exact second derivatives; the finite difference is exact for a quadratic residual."""
    problem, vector = CLASSICS[name], CLASSICS[name].start
    bent = 0
    for step in (step for step in minimise(GaussNewton(), problem, 8) if step.accepted):
        jacobian, residual = problem.jacobian(vector), problem.residual(vector)
        squares = jacobian.square().sum(dim=0)
        scale = squares + FLOOR * squares.max()
        system = jacobian.T @ jacobian + step.damping * torch.diag(scale)
        straight = torch.linalg.solve(system, -jacobian.T @ residual)
        second = torch.func.jacrev(torch.func.jacrev(problem.residual))(vector)
        along = torch.einsum("nij,i,j->n", second, straight, straight)
        acceleration = torch.linalg.solve(system, -jacobian.T @ along)
        expected = straight + acceleration / 2 if step.accelerated else straight
        assert torch.allclose(step.vector - vector, expected, rtol=1e-6, atol=1e-9)
        predicted = residual.square().sum() - (jacobian @ straight + residual).square().sum()
        assert step.ratio == pytest.approx(float((residual.square().sum() - step.loss) / predicted), rel=1e-6)
        bent += step.accelerated
        vector = step.vector
    assert bent >= 2


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_a_streamed_jacobian_takes_the_same_steps(cut):
    whole = minimise(GaussNewton(), Function(kowalik_osborne, [0.25, 0.39, 0.415, 0.39]), 6)
    streamed = minimise(GaussNewton(), Function(kowalik_osborne, [0.25, 0.39, 0.415, 0.39], keep=False, cut=cut), 6)
    for one, other in zip(whole, streamed, strict=True):
        assert torch.allclose(one.vector, other.vector, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "problem",
    [
        Function(lambda x: x[:1] * x[1:2] - 1, [3.0, 0.1, -2.0]),
        Function(lambda x: torch.stack([x[0] + x[1] - 2, 2 * x[0] + 2 * x[1] - 4, x[2].exp() - 1]), [0.0, 0.5, 2.0]),
    ],
    ids=["fewer equations than unknowns", "a Jacobian of lower rank"],
)
def test_gauss_newton_finds_one_of_many_solutions(problem):
    last = minimise(GaussNewton(), problem, 30)[-1]
    assert last.loss < 1e-28 and torch.isfinite(last.vector).all()


def test_at_a_solution_nothing_moves():
    there = torch.ones(2, dtype=F64)
    step = GaussNewton().step(CLASSICS["rosenbrock"], there)
    assert not step.accepted and torch.equal(step.vector, there) and step.loss == 0


# Numbers that are not finite -----------------------------------------------------------------------------------------


def logarithm():
    """The full Gauss–Newton step from 5 is to 5 − 5 log 5 < 0, where there is no logarithm."""
    return Function(lambda x: torch.log(x), [5.0])


def test_gauss_newton_steps_around_what_is_not_finite():
    taken = minimise(GaussNewton(damping=1e-12), logarithm(), 40)
    assert all(math.isfinite(step.loss) and torch.isfinite(step.vector).all() for step in taken)
    assert taken[0].accepted and taken[0].probes > 1
    assert float(taken[-1].vector) == pytest.approx(1, abs=1e-12)


def test_gauss_newton_stays_where_nothing_is_finite():
    start = torch.tensor([-1.0], dtype=F64)
    step = GaussNewton().step(logarithm(), start)
    assert not step.accepted and torch.equal(step.vector, start) and math.isnan(step.loss)


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_methods_of_first_order_say_that_a_loss_is_not_finite(kind):
    step = METHODS[kind]().step(logarithm(), torch.tensor([-1.0], dtype=F64))
    assert not math.isfinite(step.loss)


def test_gauss_newton_retreats_to_more_damping_and_not_beyond_the_most():
    method, problem = GaussNewton(), CLASSICS["rosenbrock"]
    bold = method.step(problem, problem.start)
    method.retreat()
    assert method.damping > 100 * bold.damping
    for _ in range(40):
        method.retreat()
    assert method.damping == MAX_DAMPING


@pytest.mark.parametrize("damping", [MIN_DAMPING, 3 * MIN_DAMPING, 5 * MIN_DAMPING, MAX_DAMPING / 3, MAX_DAMPING])
@pytest.mark.parametrize("uphill", [False, True])
def test_dampings_stay_in_their_range(damping, uphill, monkeypatch):
    """Whether every trial gains and the search goes down, or none does and it goes up."""
    tried, trial = [], Search.trial
    monkeypatch.setattr(Search, "trial", lambda self, d: tried.append(d) or (None if uphill else trial(self, d)))
    step = GaussNewton(damping).step(CLASSICS["linear"], CLASSICS["linear"].start)
    assert all(MIN_DAMPING <= d <= MAX_DAMPING for d in [*tried, step.damping])
    assert tried[-1] in (MIN_DAMPING, MAX_DAMPING) or len(tried) == 16


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_methods_of_first_order_retreat_to_a_new_beginning_with_a_smaller_rate(kind):
    problem, rate = CLASSICS["rosenbrock"], 0.1
    method = METHODS[kind](rate)
    vector = minimise(method, problem, 4)[-1].vector
    method.retreat()
    fresh = METHODS[kind](RATE_REDUCTION * rate)
    assert str(method.state()) == str(fresh.state())
    for ours, theirs in zip(minimise(method, problem, 3, vector), minimise(fresh, problem, 3, vector), strict=True):
        assert torch.equal(ours.vector, theirs.vector)


# States --------------------------------------------------------------------------------------------------------------


def copied(method, kind):
    """Another method of the kind with the state of this one, which has been through JSON."""
    tensors, numbers = method.state()
    other = METHODS[kind]()
    other.restore({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(numbers)))
    return other


@method_of
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_state_is_all_that_the_next_steps_depend_on(kind, steps):
    problem, method = CLASSICS["powell"], METHODS[kind]()
    vector = problem.start
    if steps:
        vector = minimise(method, problem, steps)[-1].vector
    other = copied(method, kind)
    for ours, theirs in zip(minimise(method, problem, 4, vector), minimise(other, problem, 4, vector), strict=True):
        assert torch.equal(ours.vector, theirs.vector) and ours.loss == theirs.loss


@method_of
def test_a_state_taken_up_can_be_given_back_at_once(kind):
    """By a method that is new, and by one that has steps of its own behind it."""
    problem, method, used = CLASSICS["powell"], METHODS[kind](), METHODS[kind]()
    minimise(method, problem, 5)
    minimise(used, problem, 2)
    tensors, numbers = method.state()
    used.restore(tensors, numbers)
    assert str(used.state()) == str(copied(method, kind).state()) == str((tensors, numbers))


@method_of
def test_a_state_stays_as_it_was_when_the_method_goes_on(kind):
    problem, method = CLASSICS["powell"], METHODS[kind]()
    vector = minimise(method, problem, 3)[-1].vector
    tensors, numbers = method.state()
    before = {name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(numbers)
    minimise(method, problem, 3, vector)
    assert json.dumps(numbers) == before[1]
    assert set(tensors) == set(before[0]) and all(torch.equal(tensors[name], before[0][name]) for name in tensors)


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_a_state_remembers_the_learning_rate(kind):
    problem = CLASSICS["rosenbrock"]
    method = METHODS[kind](0.37)
    vector = minimise(method, problem, 2)[-1].vector
    other = copied(method, kind)
    for each in (method, other):
        each.retreat()
    ours, theirs = method.step(problem, vector), other.step(problem, vector)
    assert torch.equal(ours.vector, theirs.vector)


# Linearisation -------------------------------------------------------------------------------------------------------

CUTS = {"one": [40], "several": [3, 17, 1, 19], "points": [1] * 40, "short": [2, 2], "one row": [1]}


def rows(count, size=6, seed=0):
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.normal(size=(count, size))), torch.from_numpy(generator.normal(size=count))


def linearised(jacobian, residual, cuts, keep):
    if keep:
        return Linearisation.whole(jacobian, residual)
    chunks = list(zip(torch.split(jacobian, cuts), torch.split(residual, cuts), strict=True))
    return Linearisation.streamed(lambda: chunks, jacobian.shape[1])


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_a_linearisation_is_the_dense_one(cuts, keep):
    jacobian, residual = rows(sum(cuts))
    linear = linearised(jacobian, residual, cuts, keep)
    assert keep or linear.factor.shape[0] <= jacobian.shape[1] + 1
    assert torch.allclose(linear.factor.T @ linear.factor, jacobian.T @ jacobian, rtol=1e-13, atol=1e-13)
    assert torch.allclose(linear.factor.T @ linear.rest, jacobian.T @ residual, rtol=1e-13, atol=1e-13)
    assert torch.equal(linear.residual, residual) and linear.loss == float(residual.square().sum())
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        step = torch.randn(jacobian.shape[1], generator=generator, dtype=F64)
        weights = torch.randn(len(residual), generator=generator, dtype=F64)
        moved = jacobian @ step + residual
        assert float((linear.factor @ step + linear.rest).norm()) == pytest.approx(float(moved.norm()), rel=1e-13)
        product, pulled = linear.product_and_pullback(step)
        assert torch.allclose(product, jacobian @ step, rtol=1e-13, atol=1e-13)
        assert torch.allclose(pulled, jacobian.T @ (jacobian @ step), rtol=1e-13, atol=1e-12)
        moved_by, pulled = linear.product_and_pullback(step, -3.0, weights)
        assert torch.allclose(moved_by, weights - 3 * jacobian @ step, rtol=1e-13, atol=1e-13)
        assert torch.allclose(pulled, jacobian.T @ (weights - 3 * jacobian @ step), rtol=1e-13, atol=1e-12)
        assert torch.allclose(linear.transposed(weights), jacobian.T @ weights, rtol=1e-13, atol=1e-13)
        predicted = float(residual.square().sum() - moved.square().sum())
        assert linear.predicted(step) == pytest.approx(predicted, rel=1e-11)


def test_a_step_makes_a_jacobian_that_is_not_kept_once_and_once_more_for_every_probe():
    jacobian, right = rows(40)
    passes = []

    class Counted:
        def residual(self, vector):
            return torch.sin(jacobian @ vector) + right

        def linearise(self, vector):
            def chunks():
                passes.append(1)
                scaled = torch.cos(jacobian @ vector)[:, None] * jacobian
                return zip(torch.split(scaled, 7), torch.split(self.residual(vector), 7), strict=True)

            return Linearisation.streamed(chunks, jacobian.shape[1])

    step = GaussNewton().step(Counted(), torch.zeros(jacobian.shape[1], dtype=F64))
    assert step.accepted and len(passes) == 1 + step.probes


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
def test_small_singular_values_survive_the_factor(keep):
    """JᵀJ would lose all that is below the root of the last digit."""
    jacobian = conditioned(200, 8, 1e-12)
    linear = linearised(jacobian, torch.ones(200, dtype=F64), [30] * 6 + [20], keep)
    found = np.linalg.svd(linear.factor.numpy(), compute_uv=False)
    assert np.allclose(found, np.logspace(0, -12, 8), rtol=1e-2, atol=0)


# Damped solves -------------------------------------------------------------------------------------------------------


def conditioned(count, size, smallest):
    """A matrix with singular values from 1 to `smallest`, evenly on a logarithmic scale."""
    generator = np.random.default_rng(5)
    left = np.linalg.qr(generator.normal(size=(count, size)))[0]
    right = np.linalg.qr(generator.normal(size=(size, size)))[0]
    return torch.from_numpy(left * np.logspace(0, np.log10(smallest), size) @ right.T)


def duplicated():
    matrix = rows(12)[0]
    matrix[:, 5] = matrix[:, 0] + matrix[:, 1]
    return matrix


MATRICES = {
    "well conditioned": (rows(30)[0], 1e-3),
    "hardly damped": (rows(30)[0], 1e-15),
    "strongly damped": (rows(30)[0], 1e6),
    "condition 1e10": (conditioned(30, 8, 1e-10), 1e-13),
    "rank deficient": (duplicated(), 1e-6),  # what tells the equal columns apart is lost to round-off at eps / λ
    "underdetermined": (rows(3)[0], 1e-6),
}


def step_of(linear, diagonal, damping):
    system = Damped(linear.factor, linear.factor.T @ linear.factor, diagonal, damping)
    assert system.solvable
    return system.descent(linear.rest, linear.factor.T @ linear.rest).numpy()


def stacked_solution(matrix, residual, diagonal, damping):
    """The least-squares solution of [J; sqrt(λ D)] p = [−r; 0] by NumPy."""
    rows = np.concatenate([matrix.numpy(), np.diag(np.sqrt(damping * diagonal.numpy()))])
    right = np.concatenate([-residual.numpy(), np.zeros(len(diagonal))])
    return np.linalg.lstsq(rows, right, rcond=None)[0]


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
@pytest.mark.parametrize("name", MATRICES)
def test_a_damped_step_is_the_least_squares_solution_of_the_stacked_system(name, keep):
    matrix, damping = MATRICES[name]
    residual = torch.from_numpy(np.random.default_rng(2).normal(size=len(matrix)))
    diagonal = torch.linspace(0.5, 2, matrix.shape[1], dtype=F64)
    expected = stacked_solution(matrix, residual, diagonal, damping)
    found = step_of(linearised(matrix, residual, [len(matrix)], keep), diagonal, damping)
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["well conditioned", "strongly damped", "rank deficient", "underdetermined"])
def test_a_damped_system_is_solved(name):
    matrix, damping = MATRICES[name]
    diagonal = torch.linspace(0.5, 2, matrix.shape[1], dtype=F64)
    gram = matrix.T @ matrix
    right = torch.from_numpy(np.random.default_rng(3).normal(size=matrix.shape[1]))
    found = Damped(matrix, gram, diagonal, damping).solve(right)
    full = gram + damping * torch.diag(diagonal)
    assert (full @ found - right).abs().max() <= 1e-14 * torch.linalg.matrix_norm(full) * found.norm()


def test_refinement_gives_back_the_digits_that_the_normal_equations_cost():
    matrix, damping = MATRICES["condition 1e10"]
    residual = torch.from_numpy(np.random.default_rng(2).normal(size=len(matrix)))
    diagonal = torch.ones(matrix.shape[1], dtype=F64)
    expected = stacked_solution(matrix, residual, diagonal, damping)
    normal = torch.linalg.solve(matrix.T @ matrix + damping * torch.diag(diagonal), -matrix.T @ residual).numpy()
    found = step_of(linearised(matrix, residual, [len(matrix)], keep=True), diagonal, damping)
    assert np.abs(found - expected).max() < np.abs(normal - expected).max() / 100


def test_a_system_that_is_not_positive_definite_is_not_solvable():
    matrix = torch.diag(torch.tensor([1.0, 0.0], dtype=F64))
    assert not Damped(matrix, matrix, torch.ones(2, dtype=F64), 0.0).solvable
    assert not Damped(matrix, matrix * math.nan, torch.ones(2, dtype=F64), 1.0).solvable
