"""Every method on every classic problem, its states, and the algebra behind each against dense formulas."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from classic_problems import CLASSICS, F64, Function, minimise

from kanpde.optim.broyden import QuasiNewton, scaled_bfgs, scaled_broyden, ssbfgs, ssbroyden
from kanpde.optim.first_order import adam, lbfgs
from kanpde.optim.gauss_newton import GaussNewton, damped_systems
from kanpde.optim.krylov import KrylovGaussNewton, Subspace, krylov
from kanpde.optim.line_search import CURVATURE, DECREASE, Point, strong_wolfe
from kanpde.optim.methods import MAX_DENSE, MAX_KRYLOV, METHODS, default_methods
from kanpde.optim.soap import DECAY, EPSILON, ROTATE_EVERY, SOAP, rotate, split
from kanpde.optim.woodbury import Woodbury

SECOND_ORDER = {
    "gauss_newton": GaussNewton,
    "krylov_gauss_newton": KrylovGaussNewton,
    "ssbroyden": ssbroyden,
    "ssbfgs": ssbfgs,
    "lbfgs": lbfgs,
}
FIRST_ORDER = {"soap": SOAP, "adam": adam}
NEW = {"krylov_gauss_newton": KrylovGaussNewton, "ssbroyden": ssbroyden, "ssbfgs": ssbfgs, "soap": SOAP}
RATES = {"meyer": 1.0}
ORACLES = {name: problem.oracle()[1] for name, problem in CLASSICS.items()}
# One learning rate has no use for parameters of the sizes 1e6 and 1e-6.
# Meyer's Hessian spans twenty decades: whether a quasi-Newton method gets through its valley is decided by rounding.
BEYOND = {("soap", "brown_badly_scaled"), ("adam", "brown_badly_scaled"), ("ssbfgs", "meyer"), ("ssbroyden", "meyer")}
new_method = pytest.mark.parametrize("kind", NEW)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


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


def reaches(method, problem, enough, steps):
    """Whether the loss is no more than enough after so many steps or fewer."""
    vector = problem.start
    for _ in range(steps):
        step = method.step(problem, vector)
        vector = step.vector
        if step.loss <= enough:
            return True
    return False


# States --------------------------------------------------------------------------------------------------------------


class Shaped(Function):
    """A product of matrices to be a given one, its parameters in two blocks."""

    shapes = ((3, 4), (4,))

    def __init__(self):
        super().__init__(self.product, random(16, seed=3).tolist())

    def product(self, vector):
        matrix, right = split(vector, self.shapes)
        return 0.01 * torch.cat([matrix @ right - 1, 0.1 * vector])


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


# Row space -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damping", [1e-13, 1e-6, 1.0, 1e6])
def test_steps_in_row_space_are_those_of_the_stacked_system(damping):
    matrix, residual, diagonal = random(5, 12), random(5, seed=1), torch.linspace(0.5, 2, 12, dtype=F64)
    system = Woodbury(matrix, (matrix / diagonal) @ matrix.T, diagonal, damping)
    stacked = np.concatenate([matrix.numpy(), np.diag(np.sqrt(damping * diagonal.numpy()))])
    expected = np.linalg.lstsq(stacked, np.concatenate([-residual.numpy(), np.zeros(12)]), rcond=None)[0]
    step = system.descent(residual, matrix.T @ residual).numpy()
    assert system.solvable and np.abs(step - expected).max() <= 1e-8 * np.abs(expected).max()
    assert torch.equal(
        system.solve_transposed(-residual, matrix.T @ -residual), system.descent(residual, matrix.T @ residual)
    )


def test_fewer_rows_than_parameters_choose_the_space_of_rows():
    for shape, kind in (((5, 12), "Woodbury"), ((12, 12), "Damped"), ((20, 12), "Damped")):
        scale, system = damped_systems(random(*shape))
        assert type(system(1e-3)).__name__ == kind and scale.shape == (12,)


def test_a_system_of_rows_that_is_not_positive_definite_is_not_solvable():
    matrix, ones = torch.zeros(2, 3, dtype=F64), torch.ones(3, dtype=F64)
    assert not Woodbury(matrix, matrix @ matrix.T, ones, 0.0).solvable
    assert not Woodbury(matrix, math.nan * matrix @ matrix.T, ones, 1.0).solvable


def test_gauss_newton_solves_more_parameters_than_rows_to_round_off():
    matrix = random(15, 40)
    problem = Function(lambda x: matrix @ torch.sinh(x) - 1, [0.1] * 40)
    assert reaches(GaussNewton(), problem, 1e-26, 12)


# Krylov space --------------------------------------------------------------------------------------------------------


def test_a_krylov_basis_is_orthonormal_in_its_metric_and_known_under_the_jacobian():
    jacobian, residual = random(50, 20) * torch.logspace(0, -3, 20, dtype=F64), random(50, seed=1)
    pieces = list(zip(torch.split(jacobian, 7), torch.split(residual, 7), strict=True))
    basis, products = krylov(lambda: pieces, 6)
    squares = jacobian.square().sum(dim=0)
    metric = squares + 1e-5 * squares.max()
    assert torch.allclose(basis.T @ (metric[:, None] * basis), torch.eye(6, dtype=F64), atol=1e-12)
    assert torch.allclose(products, jacobian @ basis, rtol=1e-12, atol=1e-12)
    powers = [jacobian.T @ residual / metric]
    for _ in range(5):
        powers.append(jacobian.T @ (jacobian @ powers[-1]) / metric)
    stacked = torch.stack([p / p.norm() for p in powers], dim=1)
    left = stacked - basis @ torch.linalg.lstsq(basis, stacked).solution
    assert left.abs().max() < 1e-9


def test_a_krylov_space_ends_where_nothing_is_new():
    matrix = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=F64))
    basis, products = krylov(lambda: [(matrix, random(4))], 4)
    assert basis.shape == products.shape == (4, 1)


def test_a_krylov_step_in_the_whole_space_is_the_gauss_newton_step_of_a_linear_problem():
    problem = CLASSICS["linear"]
    step = KrylovGaussNewton().step(problem, problem.start)
    assert torch.allclose(step.vector, GaussNewton().step(problem, problem.start).vector, rtol=1e-8, atol=1e-10)


def test_more_dimensions_reach_further_in_one_step():
    matrix, right = random(80, 40) * torch.logspace(0, -2, 40, dtype=F64), random(80, seed=1)
    problem = Function(lambda x: matrix @ x - right, [0.0] * 40)
    losses = [KrylovGaussNewton(dimension).step(problem, problem.start).loss for dimension in (1, 4, 12, 40)]
    assert losses == sorted(losses, reverse=True) and losses[0] > 1.01 * losses[-1]
    best = np.linalg.lstsq(matrix.numpy(), right.numpy(), rcond=None)[1]
    assert losses[-1] == pytest.approx(float(best[0]), rel=1e-8)


def test_a_jacobian_that_is_not_kept_takes_the_same_steps(monkeypatch):
    problem = CLASSICS["wood"]
    kept = minimise(KrylovGaussNewton(3), problem, 5)
    monkeypatch.setattr("kanpde.optim.krylov.MAX_STORED_ENTRIES", 0)
    for one, other in zip(kept, minimise(KrylovGaussNewton(3), problem, 5), strict=True):
        assert torch.equal(one.vector, other.vector)


def test_a_subspace_is_a_problem_of_its_own():
    problem = CLASSICS["broyden_tridiagonal"]
    subspace = Subspace(problem, problem.start, 4)
    zero = torch.zeros(4, dtype=F64)
    slow = torch.func.jacrev(subspace.residual)(zero)
    linear = subspace.linearise(zero)
    assert torch.allclose(linear.factor, slow, atol=1e-11) and torch.equal(linear.residual, subspace.residual(zero))
    loss, gradient = subspace.gradient(zero)
    assert loss == pytest.approx(linear.loss) and torch.allclose(gradient, 2 * slow.T @ linear.residual, atol=1e-9)
    ((jacobian, residual),) = subspace.chunks_of_rows(zero)
    assert torch.equal(jacobian, linear.factor) and torch.equal(residual, linear.residual)


# Quasi-Newton --------------------------------------------------------------------------------------------------------


def updated(rule, inverse, moved, change):
    """H⁺ by the method, from an H that has a scale."""
    method = QuasiNewton(rule)
    method.restore({"inverse": inverse}, {"scaled": True, "correlated": True})
    method._update(moved, change, float(moved @ torch.linalg.solve(inverse, moved)))
    return method.state()[0]["inverse"]


def pair(size, seed):
    """A positive definite H, and s and y with yᵀs > 0."""
    root, moved, change = random(size, size, seed=seed), random(size, seed=seed + 1), random(size, seed=seed + 2)
    return root @ root.T + 0.1 * torch.eye(size, dtype=F64), moved, change * torch.sign(change @ moved)


@pytest.mark.parametrize("rule", [scaled_bfgs, scaled_broyden])
@pytest.mark.parametrize("seed", range(8))
def test_an_update_keeps_the_secant_equation_symmetry_and_positive_definiteness(rule, seed):
    inverse, moved, change = pair(6, seed)
    found = updated(rule, inverse, moved, change)
    rounding = 1e-13 * (found.abs() @ change.abs())  # entries may be larger than their sum by eight decades
    assert ((found @ change - moved).abs() <= rounding + 1e-10).all()
    assert torch.allclose(found, found.T, rtol=1e-12, atol=1e-12)
    assert torch.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("seed", range(3))
def test_without_scaling_the_family_is_bfgs_and_dfp(seed):
    inverse, moved, change = pair(5, seed)
    product = float(moved @ change)
    left = torch.eye(5, dtype=F64) - torch.outer(moved, change) / product
    bfgs = left @ inverse @ left.T + torch.outer(moved, moved) / product
    pulled = inverse @ change
    dfp = inverse - torch.outer(pulled, pulled) / (change @ pulled) + torch.outer(moved, moved) / product
    for phi, expected in ((1.0, bfgs), (0.0, dfp)):
        found = updated(lambda b, h, size, phi=phi: (1.0, phi), inverse, moved, change)
        assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_self_scaling_only_shrinks_and_leaves_a_right_scale():
    for b, h in ((4.0, 3.0), (0.5, 2.5), (1.0, 1.0 + 1e-12)):
        assert scaled_bfgs(b, h, 9) == (min(1.0, 1 / b), 1.0)
        tau, _ = scaled_broyden(b, h, 9)
        assert 0 < tau <= 1
    assert scaled_broyden(1.0, 1.0, 9) == pytest.approx((1.0, 1.0), abs=1e-6)


def parabola(alpha):
    return Point(alpha, (alpha - 3.0) ** 2, 2 * (alpha - 3.0), torch.zeros(1))


LINES = {
    "a parabola": parabola,
    "far ahead": lambda a: Point(a, math.cosh(a / 100 - 2), math.sinh(a / 100 - 2) / 100, torch.zeros(1)),
    "a wall": lambda a: parabola(a) if a < 4 else Point(a, math.inf, math.nan, torch.zeros(1)),
    "no numbers beyond": lambda a: parabola(a) if a < 3.2 else Point(a, math.nan, math.nan, torch.zeros(1)),
    "waves": lambda a: Point(a, math.sin(3 * a) - a / 2, 3 * math.cos(3 * a) - 0.5, torch.zeros(1)),
}


@pytest.mark.parametrize("name", [name for name in LINES if name != "waves"])
@pytest.mark.parametrize("step", [0.01, 1.0, 50.0])
def test_a_line_search_satisfies_the_strong_wolfe_conditions(name, step):
    start = LINES[name](0.0)
    found = strong_wolfe(LINES[name], start, step)
    assert found.value <= start.value + DECREASE * found.step * start.slope and found.step > 0
    assert abs(found.slope) <= CURVATURE * abs(start.slope)


def test_a_line_search_stays_where_there_is_no_way_down():
    start = Point(0.0, 1.0, -1.0, torch.zeros(1))
    assert strong_wolfe(lambda a: Point(a, 2.0, 1.0, torch.zeros(1)), start, 1.0) is start


# SOAP ----------------------------------------------------------------------------------------------------------------


def test_soap_of_a_vector_is_adam_with_its_own_constants():
    problem = CLASSICS["rosenbrock"]
    parameter = torch.nn.Parameter(problem.start.clone())
    reference = torch.optim.Adam([parameter], lr=0.01, betas=(DECAY, DECAY), eps=EPSILON)
    for step in minimise(SOAP(0.01), problem, 25):
        parameter.grad = problem.gradient(parameter.detach())[1]
        reference.step()
        assert torch.allclose(step.vector, parameter.detach(), rtol=1e-12, atol=1e-12)


def test_soap_of_a_matrix_follows_the_published_algorithm():
    """Algorithm 3 of the paper written out for one matrix and one vector, until after the bases have turned.

    In its own eigenbasis the first gradient is diagonal, and what else there is of it is round-off over `EPSILON`.
    """
    problem, rate = Shaped(), 0.02
    vector = problem.start
    left = right = bases = None
    first, squares = torch.zeros(3, 4, dtype=F64), torch.zeros(3, 4, dtype=F64)
    first_vector, squares_vector = torch.zeros(4, dtype=F64), torch.zeros(4, dtype=F64)
    for count, step in enumerate(minimise(SOAP(rate), problem, ROTATE_EVERY + 3), start=1):
        matrix, tail = split(problem.gradient(vector)[1], problem.shapes)
        if bases is None:
            left, right = (1 - DECAY) * matrix @ matrix.T, (1 - DECAY) * matrix.T @ matrix
            bases = [torch.linalg.eigh(factor).eigenvectors.flip(1) for factor in (left, right)]
        left, right = (DECAY * f + (1 - DECAY) * n for f, n in ((left, matrix @ matrix.T), (right, matrix.T @ matrix)))
        first = DECAY * first + (1 - DECAY) * matrix
        squares = DECAY * squares + (1 - DECAY) * (bases[0].T @ matrix @ bases[1]) ** 2
        first_vector = DECAY * first_vector + (1 - DECAY) * tail
        squares_vector = DECAY * squares_vector + (1 - DECAY) * tail**2
        bias = 1 - DECAY**count
        inner = bases[0].T @ first @ bases[1] / bias / ((squares / bias).sqrt() + EPSILON)
        flat = first_vector / bias / ((squares_vector / bias).sqrt() + EPSILON)
        vector = vector - rate * torch.cat([(bases[0] @ inner @ bases[1].T).reshape(-1), flat])
        if count % ROTATE_EVERY == 0:
            bases = [torch.linalg.qr(factor @ q).Q for factor, q in zip((left, right), bases, strict=True)]
        assert torch.allclose(step.vector, vector, rtol=1e-9, atol=1e-9)


def test_rotations_of_a_tensor_are_undone_by_their_transposes():
    tensor = random(3, 4, 5)
    bases = {axis: torch.linalg.qr(random(n, n, seed=axis)).Q for axis, n in enumerate(tensor.shape) if axis != 1}
    there = rotate(tensor, bases)
    assert torch.allclose(there, torch.einsum("ai,abc,cj->ibj", bases[0], tensor, bases[2]))
    assert torch.allclose(rotate(there, {axis: basis.T for axis, basis in bases.items()}), tensor)


# The choice ----------------------------------------------------------------------------------------------------------


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
