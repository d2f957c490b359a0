"""Weights that balance themselves: every rule against a slow formula, what it leaves invariant, and in a training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanpde import KAN, files, load_problem, solve
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Dirichlet
from kanpde.problem.problem import Problem
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer, resume
from kanpde.training.weighting import RULES
from kanpde.training.weighting.causal import STRICTNESS, causal, next_stage
from kanpde.training.weighting.gradient_norm import gradient_norm
from kanpde.training.weighting.measures import gradient_norms, squared_residuals, traces
from kanpde.training.weighting.ntk import ntk
from kanpde.training.weighting.residual_attention import nearest_values, residual_attention

F64 = torch.float64
NAMES = [name for name in RULES if name != "none"]
every_rule = pytest.mark.parametrize("rule", NAMES)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


# Rules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [gradient_norm, ntk])
def test_blocks_are_weighed_by_their_share_of_the_whole(rule):
    sizes = torch.tensor([4.0, 0.5, 1e-6], dtype=F64)
    found = rule(sizes)
    for weight, size in zip(found.tolist(), sizes.tolist(), strict=True):
        assert weight == pytest.approx(sum(sizes.tolist()) / size, rel=1e-15)
    assert torch.allclose(rule(7 * sizes), found, rtol=1e-15)
    assert torch.allclose(found * sizes, sizes.sum(), rtol=1e-15)


@pytest.mark.parametrize("rule", [gradient_norm, ntk])
@pytest.mark.parametrize("useless", [0.0, math.nan, math.inf])
def test_a_block_without_a_size_keeps_its_weight(rule, useless):
    assert rule(torch.tensor([3.0, useless, 1.0], dtype=F64)).tolist() == [4 / 3, 1.0, 4.0]


def test_attention_follows_the_formula_and_stays_within_its_bounds():
    residuals, values = 10 * random(30, 8) - 5, torch.ones(8, dtype=F64)
    slow = [1.0] * 8
    for residual in residuals:
        values = residual_attention(values, residual)
        largest = max(abs(r) for r in residual.tolist())
        slow = [0.99 * before + 0.01 * abs(r) / largest for before, r in zip(slow, residual.tolist(), strict=True)]
    assert np.allclose(values, slow, rtol=1e-14, atol=0)
    assert (values > 0).all() and (values <= 1 + 1e-14).all()


def test_attention_settles_at_the_relative_residual_and_sees_no_scale():
    residual = torch.tensor([0.2, -1.0, 0.0, 0.5], dtype=F64)
    values = torch.ones(4, dtype=F64)
    for _ in range(3000):
        values = residual_attention(values, residual)
    assert torch.allclose(values, residual.abs(), atol=1e-12)
    assert torch.allclose(residual_attention(values, 1e6 * residual), residual_attention(values, residual))


@pytest.mark.parametrize("residual", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_attention_stays_where_the_residual_says_nothing(residual):
    before = torch.tensor([0.3, 0.6], dtype=F64)
    assert torch.equal(residual_attention(before, torch.tensor(residual, dtype=F64)), before)


def test_a_new_point_inherits_from_the_nearest_old_one():
    before, values, points = random(40, 3), random(40, seed=1), random(25, 3, seed=2)
    nearest = [min(range(40), key=lambda n, p=p: float((before[n] - p).square().sum())) for p in points]
    assert torch.equal(nearest_values(points, before, values), values[nearest])
    assert torch.equal(nearest_values(before, before, values), values)


def test_causal_weights_follow_the_formula():
    times, squares, strictness, pieces = random(200), random(200, seed=1), 0.7, 5
    found = causal(times, squares, strictness, pieces)
    losses = [squares[(times >= k / pieces) & (times < (k + 1) / pieces)].mean() for k in range(pieces)]
    for time, weight in zip(times.tolist(), found.tolist(), strict=True):
        assert weight == pytest.approx(math.exp(-strictness * float(sum(losses[: int(time * pieces)]))), rel=1e-12)


def test_causal_weights_fall_in_time_from_one():
    times = torch.linspace(0, 1, 400, dtype=F64)
    weights = causal(times, 0.1 + random(400), 3.0)
    assert (weights[times < 1 / 16] == 1).all() and weights[-1] < 0.1
    assert (weights.diff() <= 0).all()


def test_causal_weights_are_one_where_nothing_is_left_and_pieces_may_be_empty():
    times = torch.tensor([0.01, 0.02, 0.97, 1.0], dtype=F64)
    assert torch.equal(causal(times, torch.zeros(4, dtype=F64), 100.0), torch.ones(4, dtype=F64))
    found = causal(times, torch.tensor([1.0, 3.0, 5.0, 7.0], dtype=F64), 1.0)
    assert found.tolist() == pytest.approx([1, 1, math.exp(-2), math.exp(-2)])


def test_causal_weights_are_tightened_when_all_are_open_and_not_beyond_the_last():
    assert next_stage(0, torch.tensor([1.0, 0.995])) == 1 and next_stage(1, torch.tensor([1.0, 0.9])) == 1
    assert next_stage(len(STRICTNESS) - 1, torch.ones(3)) == len(STRICTNESS) - 1


# Measures ------------------------------------------------------------------------------------------------------------


def training(rule="none", *, problem=None):
    settings = Settings(
        network=KAN(width=[(1, 1)], degree=5, intervals=[4, 2]),
        training=TrainingOptions(weighting=rule, warm_start="none"),
        sampling=SamplingOptions(interior=64, boundary=16),
        symbolic=SymbolicOptions(enabled=False),
        seed=0,
        device="cpu",
        dtype="float64",
    )
    made = Trainer(problem or load_problem("heat"), settings).phase
    made.begin()
    return made


def test_measures_of_blocks_are_those_of_the_whole_jacobian():
    made = training()
    residuals, vector = made.residuals, made.vector
    for number, part in enumerate(residuals.parts):
        part.emphasis = 1.0 + number
    linear = residuals.linearise(vector)
    norms, found, start = gradient_norms(residuals), traces(residuals, vector), 0
    for number, part in enumerate(residuals.parts):
        rows = slice(start, start + len(part.points) * len(part.block.components))
        jacobian, residual = linear.factor[rows], linear.residual[rows]
        assert float(norms[number]) == pytest.approx(float((2 * jacobian.T @ residual).norm()) / (1 + number), rel=1e-9)
        assert float(found[number]) == pytest.approx(float(jacobian.square().sum()) / (1 + number), rel=1e-9)
        start = rows.stop
    assert start == len(linear.residual)


@every_rule
def test_weights_have_the_mean_one_and_multiply_the_rows(rule):
    made = training(rule)
    before = [squared_residuals(made.residuals, part) for part in made.residuals.parts]
    made.weighting.apply(made.residuals, 0)
    emphasis = [part.emphasis for part in made.residuals.parts]
    assert sum(emphasis) == pytest.approx(len(emphasis)) and min(emphasis) > 0
    expected = 0.0
    for part, squares in zip(made.residuals.parts, before, strict=True):
        assert float(part.attention.mean()) == pytest.approx(1)
        expected += part.emphasis * float((part.attention * part.weights * squares).mean())
    assert float(made.residuals.residual(made.vector).square().sum()) == pytest.approx(expected, rel=1e-12)
    assert len(set(emphasis)) > 1 or made.residuals.parts[0].attention.std() > 0 or rule == "residual_attention"


@pytest.mark.parametrize(("rule", "measure"), [("gradient_norm", gradient_norms), ("ntk", None)])
def test_blocks_are_alike_by_their_measure_once_they_are_weighed(rule, measure):
    made = training(rule)
    made.weighting.apply(made.residuals, 0)
    sizes = measure(made.residuals) if measure else traces(made.residuals, made.vector)
    weighed = sizes * torch.tensor([part.emphasis for part in made.residuals.parts], dtype=F64)
    assert torch.allclose(weighed, weighed[0], rtol=1e-10)


def test_causal_weights_of_a_training_fall_in_time():
    made = training("causal")
    made.weighting.apply(made.residuals, 0)
    part = made.residuals.parts[0]
    order = torch.argsort(part.points[:, made.task.problem.domain.time])
    assert (part.attention[order].diff() <= 0).all() and part.attention.min() < part.attention.max()
    assert all((other.attention == 1).all() for other in made.residuals.parts[1:])


# Trainings -----------------------------------------------------------------------------------------------------------


class Keeper:
    """A callback that keeps the last state."""

    def __init__(self, path):
        self.path = path

    def on_start(self, trainer):
        pass

    def on_iteration(self, record):
        pass

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        files.write(self.path, *trainer.state())


def run(rule, iterations, *, problem="heat", callbacks=(), optimiser="gauss_newton", **more):
    return solve(
        load_problem(problem),
        KAN(width=[(0, 2)], degree=5, intervals=[4, 2]),
        device="cpu",
        training={"stages": [{"optimiser": optimiser, "iterations": iterations}], "weighting": rule, **more},
        sampling={"interior": 150, "boundary": 16},
        callbacks=callbacks,
    )


@every_rule
def test_heat_is_trained_with_every_rule(rule):
    solution = run(rule, 14)
    losses = solution.history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0] / 1000
    assert solution.errors()["relative_l2"] < 0.01


@pytest.mark.parametrize(
    ("rule", "problem"),
    [(rule, "heat") for rule in NAMES] + [("residual_attention", "burgers"), ("causal", "burgers")],
)
def test_a_resumed_training_has_the_same_weights(rule, problem, tmp_path):
    options = {"problem": problem, "resample_every": 3}
    longer = run(rule, 9, **options)
    run(rule, 6, callbacks=[Keeper(tmp_path / "checkpoint")], **options)
    stages = [{"optimiser": "gauss_newton", "iterations": 9}]
    resumed = resume(tmp_path / "checkpoint", load_problem(problem), training={"stages": stages})
    assert torch.equal(longer.model.vector, resumed.model.vector)
    assert longer.history["loss"] == resumed.history["loss"]


@every_rule
@pytest.mark.parametrize("before", ["none", "residual_attention"])
def test_a_resumed_training_may_have_another_rule(before, rule, tmp_path):
    run(before, 3, callbacks=[Keeper(tmp_path / "checkpoint")])
    changes = {"weighting": rule, "stages": [{"optimiser": "gauss_newton", "iterations": 6}]}
    losses = resume(tmp_path / "checkpoint", load_problem("heat"), training=changes).history["loss"]
    assert len(losses) == 6 and min(losses[3:]) < losses[2]


class Beam(Problem):
    domain = Box(x=(-1, 2))

    def residual(self, u):
        return u.xx - u

    def conditions(self):
        return {"ends": Dirichlet(1)}


def test_causal_weights_need_time():
    with pytest.raises(
        ConfigurationError, match="expected a coordinate t for training.weighting=causal, got x; choose"
    ):
        training("causal", problem=Beam())


def test_an_unknown_rule_is_told_with_its_nearest_name():
    with pytest.raises(ConfigurationError, match="unknown training.weighting 'casual'; did you mean 'causal'"):
        TrainingOptions(weighting="casual")
