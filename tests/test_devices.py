"""Trainings on a card that is not there (`pretended_device`): no two devices meet, and numbers are read rarely."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import sympy as sp
import torch
from march_problems import Warmth
from pretended_device import DEVICE, Card, Mixed

from kanpde import KAN, Box, Data, Dirichlet, Function, Problem, Robin, fit, load_problem, solve
from kanpde.calculus.devices import torch_device
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ProblemError, options
from kanpde.marching import iteration, smoothing
from kanpde.marching.audit.correction import finer_axes
from kanpde.marching.audit.iterated_correction import iterated_correction
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training import device_choice, settings
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer

READS = 60  # numbers of an iterated step that are read
POINTS = {"interior": 60, "boundary": 16}


@pytest.fixture
def named(monkeypatch):
    """The name "cuda" is that of the pretended device."""

    def found(name):
        return DEVICE if name == "cuda" else torch_device(name)

    monkeypatch.setattr(device_choice, "torch_device", found)
    monkeypatch.setattr(settings, "torch_device", found)


@pytest.fixture
def card(named):
    """A card with the name "cuda"."""
    with Card() as mode:
        yield mode


def trained(problem, device, network=None, training=None, sampling=None):
    """A phase that has begun."""
    chosen = Settings(
        network=network or KAN(),
        training=options(TrainingOptions, "training", training),
        sampling=options(SamplingOptions, "sampling", sampling),
        symbolic=SymbolicOptions(enabled=False),
        seed=0,
        device=device,
        dtype="float64",
    )
    found = Trainer(problem, chosen).phase
    found.begin()
    return found


def descent(problem, device, method, **training):
    stages = {"stages": [{"optimiser": method, "iterations": 9}], "warm_start": "none", "max_parameters": 0, **training}
    return trained(problem, device, KAN(width=[2], degree=5, intervals=2), stages, POINTS)


def test_the_card_refuses_what_a_card_refuses(card):
    here, there = torch.ones(2), torch.ones(2, device=DEVICE)
    assert float((there + there * torch.tensor(2.0)).sum()) == 6 and there[torch.tensor([0])].device == DEVICE
    with pytest.raises(Mixed, match="same device"):
        here + there
    with pytest.raises(Mixed, match="same device"):
        torch.stack([here[0], there[0]])
    with pytest.raises(RuntimeError):
        there.numpy()
    assert card.reads["aten::_local_scalar_dense"] == 1


@dataclass(frozen=True)
class Load(Problem):
    """u'' + k(x) = 0 with measurements of u = sin πx: an unknown load k = π² sin πx."""

    domain = Box(x=(0, 1))
    unknowns = {"k": Function("x", start=1.0, intervals=3, degree=3)}

    def residual(self, u, x, k):
        return u.xx + k

    def conditions(self):
        points = np.linspace(0, 1, 12)[:, None]
        return {"ends": Dirichlet(0), "seen": Data(points, np.sin(np.pi * points[:, 0]))}


def marched(problem, device, steps):
    """The vectors of the first steps of a march."""
    march = trained(problem, device)
    vectors = [march.advance().vector for _ in range(steps)]
    assert {vector.device for vector in vectors} == {DEVICE if device == "cuda" else torch.device("cpu")}
    return torch.cat(vectors).cpu()


@pytest.mark.parametrize(("name", "steps"), [("poisson", 2), ("heat", 2), ("quantum_box", 1)])
def test_a_march_is_on_the_card_and_has_the_numbers_of_the_processor(card, name, steps):
    here, there = (marched(load_problem(name), device, steps) for device in ("cpu", "cuda"))
    # A band on the processor and a dense matrix on a card are rounded in other orders.
    torch.testing.assert_close(there, here, rtol=1e-7, atol=1e-9)


def test_an_unknown_function_is_on_the_card(card, monkeypatch):
    monkeypatch.setattr(smoothing, "GRID", smoothing.GRID[::12])
    monkeypatch.setattr(smoothing, "ITERATIONS", 2)
    here, there = (marched(Load(), device, 2) for device in ("cpu", "cuda"))
    torch.testing.assert_close(there, here, rtol=1e-5, atol=1e-6)


class Plane(Problem):
    """An equation whose coefficients vary, with two kinds of conditions."""

    domain = Box(x=(0, 1), y=(0, 2))
    source = "exact"

    def residual(self, u, x, y):
        return (1 + 0.2 * x * y) * u.xx + u.yy - u

    def conditions(self):
        return {"sides": Dirichlet("exact", on="x"), "ends": Robin(1.0, 0.5, "exact", on="y")}

    def exact(self, x, y):
        return sp.sin(3 * x + 2 * y)


class Space(Problem):
    """Poisson's equation in three coordinates."""

    domain = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    source = "exact"

    def residual(self, u, x, y, z):
        return u.xx + u.yy + u.zz

    def conditions(self):
        return {"faces": Dirichlet("exact")}

    def exact(self, x, y, z):
        return sp.exp(x - y) * sp.cos(2 * z)


def by_iteration(problem, device, steps):
    """The vectors of the first steps of a march by iteration, and the march."""
    march = trained(problem, device, KAN(degree=6, intervals=4))
    vectors = [march.advance().vector for _ in range(steps)]
    assert {vector.device for vector in vectors} == {march.task.device}
    return torch.cat(vectors), march


@pytest.mark.parametrize(("problem", "steps"), [(Plane(), 1), (Space(), 1), (Warmth(), 2)])
def test_large_spaces_are_solved_on_the_card_with_the_numbers_of_the_processor(named, monkeypatch, problem, steps):
    monkeypatch.setattr(iteration, "WORTH", 0.0)
    here, _ = by_iteration(problem, "cpu", steps)
    with Card() as card:
        there, march = by_iteration(problem, "cuda", steps)
        reads = card.reads.total()
        corners = torch.tensor(np.stack([problem.domain.low, problem.domain.high]), device=DEVICE)
        present = march.current(corners).detach().cpu()
        there = there.cpu()
    assert here.norm() > 0
    torch.testing.assert_close(there, here, rtol=1e-9, atol=1e-10 * float(here.abs().max()))
    assert reads <= READS * steps  # of its norms, of what is left to an iteration, and of the coefficients
    exact = problem.reference_values(np.stack([problem.domain.low, problem.domain.high]))
    assert np.abs(present.numpy() - exact).max() < 1e-3


def test_a_large_solution_is_corrected_on_the_card(named, monkeypatch):
    monkeypatch.setattr(iteration, "WORTH", 0.0)
    monkeypatch.setattr(iteration, "WORTH_ONCE", 0.0)
    _, march = by_iteration(Space(), "cpu", 1)
    (part,) = march.parts()
    axes = finer_axes(march.march_task, part, 1.0)
    found, direction, *norms = iterated_correction(march.march_task, part, axes, None)
    with Card():
        task = replace(march.march_task, iterated_on=DEVICE)
        again, other, *others = iterated_correction(task, part, axes, None)
    torch.testing.assert_close(again.coefficients, found.coefficients, rtol=1e-9, atol=1e-10)
    assert other.noticed == pytest.approx(direction.noticed, rel=1e-6)
    assert [each["residual"] for each in others] == pytest.approx([each["residual"] for each in norms], rel=1e-3)


def test_a_quick_correction_of_a_large_solution_has_few_unknowns(monkeypatch):
    monkeypatch.setattr(iteration, "WORTH_ONCE", 0.0)
    _, march = by_iteration(Space(), "cpu", 1)
    (part,) = march.parts()
    task = replace(march.march_task, most=500)
    many, few = (math.prod(axis.size for axis in finer_axes(task, part, 4.0, quick=quick)) for quick in (False, True))
    assert few <= 500 < many


METHODS = ["gauss_newton", "krylov_gauss_newton", "ssbroyden", "soap", "adamw"]


@pytest.mark.parametrize("method", METHODS)
def test_an_optimiser_is_on_the_card_and_has_the_numbers_of_the_processor(card, method):
    losses = []
    for device in ("cpu", "cuda"):
        training = descent(load_problem("heat"), device, method)
        losses.append([training.advance().loss for _ in range(2)])
        assert all(value.device.type == training.vector.device.type for value in training.model.parameters())
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


@pytest.mark.parametrize("weighting", ["gradient_norm", "ntk", "residual_attention", "causal"])
def test_weights_are_on_the_card(card, weighting):
    training = descent(load_problem("heat"), "cuda", "gauss_newton", weighting=weighting, l1=1e-3, smoothness=1e-6)
    assert np.isfinite([training.advance().loss for _ in range(2)]).all()


def test_knots_are_inserted_on_the_card(card):
    training = descent(load_problem("poisson"), "cuda", "gauss_newton")
    training.advance()
    before = training.model.size
    training.refine()
    assert training.model.size > before and training.vector.device == DEVICE
    assert training.advance().accepted


def test_a_warm_start_and_a_fit_are_on_the_card(card):
    stages, network = (
        {"stages": [{"optimiser": "gauss_newton", "iterations": 1}]},
        KAN(width=[(0, 1)], degree=5, intervals=4),
    )
    errors = [solve(load_problem("poisson"), network, device=at, training=stages).errors() for at in ("cpu", "cuda")]
    assert errors[1] == pytest.approx(errors[0], rel=1e-6)
    x = np.random.default_rng(0).uniform(-1, 1, (40, 1))
    model = fit(x, x[:, 0] ** 2, KAN(width=[], degree=3, intervals=2), device="cuda", training={"smoothness": 1e-6})
    assert model.metrics(x, x[:, 0] ** 2)["rmse"] < 1e-2


def test_a_step_reads_few_numbers(card):
    """A processor that reads a number waits for the card, so that steps of many small operations read few."""
    reads = {}
    for method in ("adam", "gauss_newton"):
        training = descent(load_problem("poisson"), "cuda", method)
        training.advance()
        card.reads.clear()
        training.advance()
        reads[method] = card.reads.total()
    assert reads["adam"] <= 3 and reads["gauss_newton"] <= 20


@dataclass(frozen=True)
class Elsewhere(Problem):
    """A residual with a tensor of the user's own, on the processor."""

    domain = Box(x=(0, 1))
    copied: bool = False

    def residual(self, u, x):
        return (u.xx + 1).cpu() if self.copied else u.xx + torch.ones(len(x), dtype=torch.float64)

    def conditions(self):
        return {"ends": Dirichlet(0)}


@pytest.mark.parametrize(("copied", "words"), [(False, "device=x.device"), (True, "leave out copies")])
def test_a_tensor_of_another_device_is_a_mistake_in_one_line(card, copied, words):
    solve(Elsewhere(copied=copied), device="cpu", training={"target": 1e-2})
    with pytest.raises(ProblemError, match=words) as caught:
        solve(Elsewhere(copied=copied), device="cuda", training={"target": 1e-2})
    assert "\n" not in str(caught.value)
