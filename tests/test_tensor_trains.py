"""Many coordinates: problems solved by tensor trains, their algebra, their knots, their networks, and their audit."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Neumann, Problem, Solution, load_problem, solve
from kanpde.collocation.sampling import SamplingOptions
from kanpde.marching.audit.products import weakest_product
from kanpde.marching.axes import SplineAxis
from kanpde.marching.tensor_trains import algebra
from kanpde.marching.tensor_trains.as_network import network_of
from kanpde.marching.tensor_trains.knots import finer_axes, omitted, transferred
from kanpde.marching.tensor_trains.rows import TrainTask
from kanpde.marching.tensor_trains.search import Search, begin
from kanpde.network.kan import KAN
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer


class Waves(Problem):
    """Poisson's equation for a sum of cosines, in any number of coordinates."""

    names = tuple("abcxy")
    domain = Box(**dict.fromkeys(names, (0, 1)))
    source = "exact"

    def residual(self, u):
        return -sum(getattr(u, 2 * name) for name in self.names)

    def conditions(self):
        return {"wall": Dirichlet("exact")}

    def exact(self):
        return sum(sp.cos(sp.pi * x) for x in sp.symbols(self.names, real=True))


class TenWaves(Waves):
    names = tuple("abcfghpqxy")
    domain = Box(**dict.fromkeys(names, (0, 1)))

    def conditions(self):
        high = [f"{name}+" for name in self.names]
        return {"wall": Dirichlet("exact", on=[f"{name}-" for name in self.names]), "flux": Neumann("exact", on=high)}


class NoWall(Waves):
    def conditions(self):
        return {"flux": Neumann("exact")}


class Cooling(Problem):
    """Heat in four coordinates and time: two modes that decay at other rates."""

    domain = Box(a=(0, 1), b=(0, 1), c=(0, 1), x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - 0.05 * (u.aa + u.bb + u.cc + u.xx)

    def conditions(self):
        return {"start": Initial("exact"), "wall": Dirichlet(0)}

    def exact(self, a, b, c, x, t):
        rest = sp.sin(sp.pi * b) * sp.sin(sp.pi * c) * sp.sin(sp.pi * x)
        slow = sp.exp(-(sp.pi**2) * t / 5) * sp.sin(sp.pi * a)
        return (slow + sp.exp(-7 * sp.pi**2 * t / 20) * sp.sin(2 * sp.pi * a)) * rest


class Cubic(Problem):
    domain = Box(a=(0, 1), b=(0, 2), c=(0, 1), x=(-1, 1))
    source = "exact"

    def residual(self, u, a):
        return -(u.aa + 0.1 * u.bb + 3 * u.cc + (1 + a) * u.xx) + u**3

    def conditions(self):
        return {"wall": Dirichlet("exact", hard=True)}

    def exact(self, a, b, c, x):
        return sp.sin(a + b) * sp.exp(-c) + x


class Knotted(Waves):
    """No sum of few products."""

    names = tuple("abcx")
    domain = Box(**dict.fromkeys(names, (0, 1)))

    def exact(self):
        a, b, c, x = sp.symbols(self.names, real=True)
        return sp.tanh(8 * (sp.sin(3 * a * b) + c * x - a * x))


# Solutions -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waves():
    return solve(Waves(), device="cpu")


@pytest.mark.parametrize("problem", [TenWaves(), Cooling(), Cubic()], ids=lambda p: type(p).__name__)
def test_problems_in_many_coordinates_are_solved_to_ten_digits(problem):
    solution = solve(problem, device="cpu")
    error = solution.errors()["relative_l2"]
    assert error < 1e-10 and solution.audited.verdict == "solved"
    assert 0.1 * error < solution.audited.error_estimate < 1e-9


def test_a_sum_of_functions_of_one_coordinate_is_a_network_without_hidden_layers(waves):
    assert waves.errors()["relative_l2"] < 1e-11
    assert waves.model.network.width == () and waves.audited.verdict == "solved"


def test_the_solution_is_saved_and_its_formula_proved(waves, tmp_path):
    waves.save(tmp_path / "waves.kan")
    again = Solution.load(tmp_path / "waves.kan", Waves())
    points = np.random.default_rng(0).random((50, 5))
    assert np.array_equal(again.evaluate(points), waves.evaluate(points))
    formula = waves.symbolify()
    assert formula.proved and sp.simplify(formula.expression - Waves().exact()) == 0


def test_a_missing_condition_is_told(waves):
    assert weakest_product(Waves(), waves.model).noticed > 0.1
    direction = weakest_product(NoWall(), waves.model)
    assert direction.noticed < 1e-9 and direction.constant


def test_a_search_that_ends_before_its_first_solution_is_judged_by_its_residual():
    solution = solve(load_problem("poisson_5d"), device="cpu", training={"max_iterations": 1})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] <= solution.error_estimate < 1e-10


def test_what_has_no_low_rank_is_not_solved():
    search = Search(task := TrainTask(Knotted(), 9, None, most=500), begin(TrainTask(Knotted(), 9, None, most=500)))
    while search.state.done is None:
        search.step()
    assert search.state.best.residual > 1e-3
    points = np.random.default_rng(0).random((500, 4))
    found = task.model(search.state.best.axes, search.state.best.trains)(torch.as_tensor(points)).detach().numpy()
    exact = Knotted().exact_values(points)
    assert np.linalg.norm(found - exact) < 3 * search.state.best.estimate * np.linalg.norm(exact)


def test_a_search_goes_on_exactly_from_its_checkpoint():
    off = SymbolicOptions(enabled=False)
    settings = Settings(KAN(), TrainingOptions(), SamplingOptions(), off, seed=0, device="cpu", dtype="float64")
    whole = Trainer(Cooling(), settings)
    for _ in range(17):
        whole.phase.advance()
    other = Trainer.restored(whole.checkpoint(), Cooling(), settings)
    for _ in range(5):
        one, two = whole.phase.advance(), other.phase.advance()
        assert one.loss == two.loss and torch.equal(one.vector, two.vector)


# Trains --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def axes():
    return [SplineAxis(np.linspace(0, 1 + a, 2 + a % 2), 7) for a in range(5)]


@pytest.fixture
def train(axes):
    generator = np.random.default_rng(0)
    one, two = (algebra.random_product(axes, generator) for _ in range(2))
    return algebra.total(one, two, 0.5)


def sampled(train, axes):
    points = np.random.default_rng(1).random((200, len(axes))) * [axis.breakpoints[-1] for axis in axes]
    return algebra.values(train, axes, points), points


def test_rounding_drops_the_ranks_that_add_nothing(train, axes):
    twice = algebra.total(train, train, 1.0)
    kept = algebra.rounded(twice, axes, [2] * 5, 1e-10)
    assert algebra.ranks(twice) == (4,) * 4 and algebra.ranks(kept) == (2,) * 4
    assert np.allclose(sampled(kept, axes)[0], 2 * sampled(train, axes)[0], rtol=1e-9)


def test_finer_knots_change_nothing_and_halve_what_lacks_degrees(axes):
    train = tuple(np.ones((axis.size, 1, 1)) for axis in axes)
    train = (train[0], train[1], np.random.default_rng(0).standard_normal((axes[2].size, 1, 1)), *train[3:])
    lacking = [float(each.max()) for each in omitted(train, axes, [2] * 5)]
    assert lacking[2] > 1e3 * max(lacking[:2] + lacking[3:])
    finer = finer_axes([train], axes, [2] * 5, 1e-6, 1e-2)
    assert [axis.intervals for axis in finer] == [1, 2, 2, 2, 1]
    assert np.allclose(sampled(transferred(train, axes, finer), finer)[0], sampled(train, axes)[0], rtol=1e-12)


def test_a_train_and_its_network_are_the_same_function(train, axes):
    other = algebra.random_product(axes, np.random.default_rng(2))
    network = network_of([train, other], axes, 1e-9)
    expected, points = sampled(train, axes)
    with torch.no_grad():
        found = network(torch.as_tensor(points)).numpy()
    assert np.allclose(found[:, 0], expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())
    assert np.allclose(found[:, 1], sampled(other, axes)[0], rtol=1e-10)
