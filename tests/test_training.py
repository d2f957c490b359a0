"""Training: bounds on the errors of small solves, exact repetition and resumption, and every way to end."""

from __future__ import annotations

import copy
import functools
import itertools
import math
import signal
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import KAN, files, load_problem, solve
from kanpde.errors import ConfigurationError, KanpdeError
from kanpde.geometry.box import Box
from kanpde.optim.methods import METHODS
from kanpde.problem.conditions import Data, Dirichlet, Initial
from kanpde.problem.problem import Problem
from kanpde.training.settings import TrainingOptions
from kanpde.training.trainer import resume

POINTS = {"interior": 400, "boundary": 64}


@dataclass(frozen=True)
class Rod(Problem):
    """u_t = D u_xx, with conditions that hold by construction where `hard`."""

    diffusivity: float = 0.3
    hard: bool = False

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        start = sp.sin(sp.pi * sp.Symbol("x"))
        return {"start": Initial(start, hard=self.hard), "ends": Dirichlet(0, on="x", hard=self.hard)}

    def exact(self, x, t):
        return sp.exp(-self.diffusivity * sp.pi**2 * t) * sp.sin(sp.pi * x)


class Beam(Problem):
    """u'' = u with its values at both ends."""

    domain = Box(x=(-1, 2))

    def residual(self, u, x):
        return u.xx - u + 10 * torch.sin(3 * x)

    def conditions(self):
        return {"ends": Dirichlet("exact")}

    def exact(self, x):
        return sp.sin(3 * x)


class Pendulum(Problem):
    """A nonlinear one: u'' = −u³ has no closed form here, and none is needed."""

    domain = Box(t=(0, 2))

    def residual(self, u):
        return u.tt + u**3

    def conditions(self):
        return {"start": Initial(1), "push": Initial(0, order=1)}


class Swing(Problem):
    fields = ("u", "v")
    domain = Box(t=(0, 3))

    def residual(self, u, v):
        return {"first": u.t - v, "second": v.t + u}

    def conditions(self):
        return {"u0": Initial(1, field="u"), "v0": Initial(0, field="v")}

    def exact(self, t):
        return {"u": sp.cos(t), "v": -sp.sin(t)}


class Plate(Problem):
    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.5))

    def residual(self, u):
        return u.t - 0.1 * (u.xx + u.yy)

    def conditions(self):
        return {"start": Initial("exact"), "rim": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-(sp.pi**2) * t / 5) * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)


class Sought(Rod):
    """The diffusivity is to be found from the solution with 0.3."""

    unknowns = {"rate": 1.0}

    def residual(self, u, rate):
        return u.t - rate * u.xx

    def conditions(self):
        points = np.random.default_rng(0).random((60, 2))
        return {**super().conditions(), "data": Data(points, Rod().exact_values(points))}


class Cliff(Problem):
    """The conditions drag the field to −10, over the edge at −3 where the equation has no more real numbers."""

    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.xx + torch.sqrt(u + 3)

    def conditions(self):
        return {"ends": Dirichlet(-10)}


class Growth(Problem):
    """A network starts around zero, and below it there is no logarithm."""

    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.x + torch.log(u)

    def conditions(self):
        return {"start": Dirichlet(1, on="x-")}


class Shy(Problem):
    """u' = x, which is a number at few points, such as those of a training, and none at many, such as fresh ones."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.x - (x if len(x) <= 20 else math.nan * x)

    def conditions(self):
        return {"start": Dirichlet(0, on="x-")}


def small(**options):
    return KAN(**{"width": [(0, 2)], "degree": 7, "intervals": [6, 2], **options})


def steps(count, optimiser="gauss_newton", **more):
    return {"optimiser": optimiser, "iterations": count, **more}


def run(problem, count=25, network=None, *, stages=None, sampling=None, seed=0, dtype="float64", callbacks=(), **more):
    """A training of so many Gauss–Newton steps on the processor."""
    return solve(
        problem,
        network or small(),
        seed=seed,
        device="cpu",
        dtype=dtype,
        training={"stages": stages or [steps(count)], **more},
        sampling=sampling or POINTS,
        callbacks=callbacks,
    )


class Watcher:
    """A callback that notes what happens, keeps a checkpoint at the end, and presses Ctrl-C where it is told to.

    After the iterations in `refine_after` it asks for finer knots.
    """

    def __init__(self, path=None, interrupt_after=None, refine_after=()):
        self.path, self.interrupt_after, self.refine_after = path, interrupt_after, refine_after
        self.calls, self.records, self.points = [], [], []

    def on_start(self, trainer):
        self.trainer = trainer
        self.calls.append("start")

    def on_iteration(self, record):
        self.calls.append("iteration")
        self.records.append(dict(record))
        self.points.append(self.trainer.phase.residuals.parts[0].points)
        if record["iteration"] in self.refine_after:
            self.trainer.phase.refine()
        if record["iteration"] == self.interrupt_after:
            raise KeyboardInterrupt

    def on_checkpoint(self, trainer):
        self.calls.append("checkpoint")

    def on_end(self, trainer):
        self.calls.append("end")
        if self.path is not None:
            files.write(self.path, *trainer.state())

    @property
    def exchanges(self):
        """The numbers of the iterations before which interior points were exchanged."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return [n for n, (a, b) in enumerate(pairs, start=1) if a.shape != b.shape or not torch.equal(a, b)]


def vector(solution):
    return solution.model.vector


# Errors --------------------------------------------------------------------------------------------------------------


def test_heat_is_solved():
    errors = run(load_problem("heat", diffusivity=0.3), 60).errors()
    assert errors["relative_l2"] < 1e-4 and errors["max_error"] < 1e-4 and errors["relative_h1"] < 1e-3


def test_a_boundary_value_problem_on_a_line_is_solved():
    solution = run(Beam(), 30, KAN(width=[(2, 1)], degree=7, intervals=[12, 3]))
    assert solution.errors()["relative_l2"] < 1e-6


def test_a_system_is_solved():
    solution = run(Swing(), 30, KAN(width=[3], degree=7, intervals=[8, 3]))
    assert solution.errors()["relative_l2"] < 1e-6
    assert solution.model.network.architecture()["outputs"] == 2


def test_a_constant_is_found_from_measurements():
    solution = run(Sought(), 60)
    assert solution.unknowns["rate"] == pytest.approx(0.3, rel=1e-4)
    assert solution.history["unknown/rate"][-1] == solution.unknowns["rate"]


def test_two_coordinates_in_space_and_time_are_solved():
    network = KAN(width=[(0, 3)], degree=5, intervals=[4, 2])
    solution = run(Plate(), 60, network, sampling={"interior": 600, "boundary": 200})
    assert solution.errors()["relative_l2"] < 1e-2


def test_hard_conditions_hold_to_round_off():
    solution = run(Rod(hard=True), 40)
    assert solution.errors()["relative_l2"] < 1e-4
    xs, ts = np.linspace(0, 1, 33), np.linspace(0, 1, 17)
    assert np.abs(solution(x=xs, t=0.0) - np.sin(np.pi * xs)).max() < 1e-15
    assert np.abs(solution(x=np.array([0.0, 1.0])[:, None], t=ts)).max() < 1e-15
    assert solution.rms()["start"] < 1e-15 and solution.rms()["ends"] < 1e-15


STAGES = {"gauss_newton": steps(10), "lbfgs": steps(7, "lbfgs"), "adam": steps(80, "adam", learning_rate=2e-2)}
every_optimiser = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)


@every_optimiser
def test_single_precision_is_trained_and_stays(stage):
    solution = run(Rod(), stages=[stage], dtype="float32")
    losses = solution.history["loss"]
    assert losses[-1] < losses[0] / 4
    assert {p.dtype for p in solution.model.parameters()} == {torch.float32}
    assert solution(x=0.5, t=0.5).dtype == np.float32 and solution.metrics()["dtype"] == "float32"


@every_optimiser
def test_every_optimiser_reduces_the_loss(stage):
    solution = run(Rod(), stages=[stage], resample_every=0)
    losses = solution.history["loss"]
    assert len(losses) == stage["iterations"] and losses[-1] < losses[0] / 4
    assert math.sqrt(losses[-1]) > solution.errors()["relative_l2"] / 100


def test_stages_follow_each_other():
    solution = run(Rod(), stages=[steps(30, "adam", learning_rate=1e-2), steps(5, "lbfgs"), steps(15)])
    assert solution.history["stage"] == [1] * 30 + [2] * 5 + [3] * 15
    assert solution.errors()["relative_l2"] < 1e-3


def test_knots_are_refined_until_the_limit_and_the_error_falls():
    coarse = KAN(width=[1], degree=5, intervals=[2, 1])
    before, after = (run(Beam(), 60, coarse, max_parameters=limit) for limit in (0, 40))
    parameters = after.history["parameters"]
    assert set(before.history["parameters"]) == {parameters[0]}
    assert parameters[0] < parameters[-1] <= 40 and after.model.size == parameters[-1]
    assert after.errors()["relative_l2"] < before.errors()["relative_l2"] / 3


# Repetition and resumption -------------------------------------------------------------------------------------------


def assert_same_course(one, other):
    """Bitwise, but for the clock and the errors that it asks for."""
    assert torch.equal(vector(one), vector(other))
    assert one.history.keys() == other.history.keys()
    for name in one.history.keys() - {"seconds", "error"}:
        assert np.array_equal(one.history[name], other.history[name], equal_nan=True), name


def test_a_seed_fixes_everything_and_another_one_changes_it():
    one, same, other = (run(Rod(), 8, seed=seed, resample_every=2, sampling={"interior": 60}) for seed in (0, 0, 1))
    assert_same_course(one, same)
    assert not torch.equal(vector(one), vector(other))


class Spring(Problem):
    """u'' = −k² sin(3x) with k to be found from measurements; k = 3."""

    domain = Box(x=(-1, 2))
    unknowns = {"k": 2.0}

    def residual(self, u, x, k):
        return u.xx + k**2 * torch.sin(3 * x)

    def conditions(self):
        xs = np.linspace(-1, 2, 7)
        return {"data": Data(xs, np.sin(3 * xs))}


# Every optimiser, and in some finer knots with their fresh points: all that a checkpoint must carry.
COURSES = {
    "plain": {"problem": Spring(), "resample_every": 0, "refine_after": ()},
    "a system": {"problem": Swing(), "resample_every": 0, "refine_after": ()},
    "finer knots": {"problem": Spring(), "resample_every": 0, "refine_after": (14,)},
    "fresh points": {"problem": Spring(), "resample_every": 3, "refine_after": (13, 16)},
    "an evolution": {"problem": Pendulum(), "resample_every": 3, "refine_after": (13,)},
}
INTERRUPTS = {
    "plain": [1, 5, 6, 8, 12],
    "a system": [5, 8, 13],
    "finer knots": [4, 8, 14, 15, 17],
    "fresh points": [1, 4, 8, 12, 14, 17],
    "an evolution": [1, 4, 8, 12, 14, 17],
}


def course(name, **watching):
    """A course from its beginning, and what was seen of it."""
    settings = {**COURSES[name]}
    watcher = Watcher(refine_after=settings.pop("refine_after"), **watching)
    solution = run(
        network=KAN(width=[(1, 1)], degree=5, intervals=[2, 2]),
        stages=[steps(6, "adam", learning_rate=1e-2), steps(4, "lbfgs"), steps(20)],
        sampling={"interior": 20},
        callbacks=[watcher],
        **settings,
    )
    return solution, watcher


@pytest.fixture(scope="module")
def straight():
    """Every course from beginning to end."""
    return {name: course(name) for name in COURSES}


@pytest.mark.parametrize("name", COURSES)
def test_a_course_has_its_events(straight, name):
    solution, watcher = straight[name]
    assert set(solution.history["stage"]) == {1, 2, 3}
    assert len(set(solution.history["parameters"])) == 1 + len(COURSES[name]["refine_after"])
    finer = set(COURSES[name]["refine_after"])
    assert finer <= set(watcher.exchanges)
    assert bool(set(watcher.exchanges) - finer) == bool(COURSES[name]["resample_every"])
    assert solution.history["loss"][-1] < solution.history["loss"][0] / 10


@pytest.mark.parametrize(
    ("name", "interrupt_after"), [(name, count) for name, counts in INTERRUPTS.items() for count in counts]
)
def test_an_interrupted_training_goes_on_exactly(straight, name, interrupt_after, tmp_path):
    """From every stage, through finer knots, fresh points and a window of time that grows."""
    stopped, _ = course(name, path=tmp_path / "checkpoint", interrupt_after=interrupt_after)
    assert stopped.stopped_because.startswith("interrupted") and len(stopped.history["loss"]) == interrupt_after
    watcher = Watcher(refine_after=COURSES[name]["refine_after"])
    resumed = resume(tmp_path / "checkpoint", COURSES[name]["problem"], callbacks=[watcher])
    assert_same_course(resumed, straight[name][0])
    assert resumed.stopped_because == straight[name][0].stopped_because
    assert resumed.record["seconds"] > stopped.record["seconds"]


@pytest.fixture
def press(monkeypatch):
    """(problem, call) -> nothing: Ctrl-C is pressed in that call of the problem's residual, so many times."""

    def arranged(problem, call, times=1):
        residual, count = type(problem).residual, itertools.count(1)

        @functools.wraps(residual)
        def pressing(*given, **named):
            if next(count) == call:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return residual(*given, **named)

        monkeypatch.setattr(type(problem), "residual", pressing)

    # A process in the background is born deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield arranged
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["fresh points", "an evolution"])
@pytest.mark.parametrize("call", ["start", 60, 100, 140, 180])
def test_ctrl_c_waits_for_the_end_of_an_iteration(straight, press, monkeypatch, name, call, tmp_path):
    """In trials of a step and in checks at fresh points: the training goes on exactly from there."""
    if call == "start":
        monkeypatch.setattr(Watcher, "on_start", lambda self, trainer: signal.raise_signal(signal.SIGINT))
    press(COURSES[name]["problem"], call)
    stopped, watcher = course(name, path=tmp_path / "checkpoint")
    monkeypatch.undo()
    assert stopped.stopped_because.startswith("interrupted") and watcher.calls[-1] == "end"
    done, all_of_them = len(watcher.records), len(straight[name][1].records)
    assert done == 0 if call == "start" else 0 < done < all_of_them
    resumed = resume(
        tmp_path / "checkpoint",
        COURSES[name]["problem"],
        callbacks=[Watcher(refine_after=COURSES[name]["refine_after"])],
    )
    assert_same_course(resumed, straight[name][0])


def test_a_second_ctrl_c_ends_the_step_too(press):
    press(Beam(), 150, times=2)
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        run(Beam(), network=KAN(width=[2], degree=5, intervals=4), callbacks=[watcher])
    assert watcher.records and "end" not in watcher.calls


def test_ctrl_c_is_left_alone_outside_the_main_thread(press):
    heard = []

    class Listening(Watcher):
        def on_iteration(self, record):
            heard.append(signal.getsignal(signal.SIGINT))

    options = {"network": KAN(width=[2], degree=5, intervals=4), "callbacks": [Listening()]}
    thread = threading.Thread(target=lambda: run(Beam(), 2, **options))
    thread.start()
    thread.join()
    run(Beam(), 2, **options)
    aside, main = heard[:2], heard[2:]
    assert set(aside) == {signal.default_int_handler} and len(main) == 2 and not set(main) & set(aside)


def test_ctrl_c_that_is_ignored_stays_ignored(press):
    press(Beam(), 50, times=2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    solution = run(Beam(), 5, KAN(width=[2], degree=5, intervals=4))
    assert solution.record["iterations"] == 5 and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("optimiser", METHODS)
def test_more_iterations_after_the_end_are_those_of_a_longer_training(optimiser, tmp_path):
    options = {"network": KAN(width=[2], degree=5, intervals=4), "sampling": {"interior": 20}, "resample_every": 3}
    longer = run(Beam(), stages=[steps(16, optimiser)], **options)
    run(Beam(), stages=[steps(8, optimiser)], callbacks=[Watcher(tmp_path / "checkpoint")], **options)
    resumed = resume(tmp_path / "checkpoint", Beam(), training={"stages": [steps(16, optimiser)]})
    assert_same_course(resumed, longer)


def test_a_training_that_is_over_stays_over(tmp_path):
    watcher = Watcher(tmp_path / "checkpoint")
    before = run(Rod(), 5, callbacks=[watcher])
    after = resume(tmp_path / "checkpoint", Rod())
    assert torch.equal(vector(before), vector(after)) and after.history["loss"] == before.history["loss"]


def test_a_resumed_training_can_have_another_budget(tmp_path):
    run(Rod(), 5, callbacks=[Watcher(tmp_path / "checkpoint")])
    settings = {"budget_seconds": 1e-9, "stages": [steps(50)]}
    resumed = resume(tmp_path / "checkpoint", Rod(), training=settings)
    assert resumed.stopped_because.startswith("budget") and len(resumed.history["loss"]) == 5


def test_a_checkpoint_of_another_problem_is_refused(tmp_path):
    run(Rod(), 2, callbacks=[Watcher(tmp_path / "checkpoint")])
    with pytest.raises(ConfigurationError, match="expected a checkpoint of beam at .*checkpoint"):
        resume(tmp_path / "checkpoint", Beam())


def test_a_checkpoint_of_other_parameters_is_refused(tmp_path):
    run(Rod(diffusivity=0.3), 2, callbacks=[Watcher(tmp_path / "checkpoint")])
    said = r"expected the parameters {'diffusivity': 0.4, 'hard': False} at .*checkpoint, got {'diffusivity': 0.3,"
    with pytest.raises(ConfigurationError, match=said):
        resume(tmp_path / "checkpoint", Rod(diffusivity=0.4))


@dataclass(frozen=True)
class Listed(Beam):
    ends: tuple[float, ...] = (1.0, np.float64(2.0))
    count: int = np.int64(3)


def test_parameters_are_the_same_after_they_have_been_written(tmp_path):
    before = run(Listed(), 2, KAN(width=[2]), callbacks=[Watcher(tmp_path / "checkpoint")])
    assert torch.equal(vector(before), vector(resume(tmp_path / "checkpoint", Listed())))


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(KanpdeError, match="got none; check the path"):
        resume(tmp_path / "nothing", Rod())
    (tmp_path / "text").write_text("not a checkpoint")
    with pytest.raises(KanpdeError, match="cannot be read"):
        resume(tmp_path / "text", Rod())
    run(Rod(), 2).save(tmp_path / "run.kan")
    with pytest.raises(ConfigurationError, match="expected a checkpoint of rod"):
        resume(tmp_path / "run.kan", Rod())


# Ends ----------------------------------------------------------------------------------------------------------------


def test_a_target_ends_the_training_and_is_met():
    solution = run(Rod(), stages=[steps(200)], target=1e-4)
    assert solution.stopped_because.startswith("target") and "0.0001" in solution.stopped_because
    assert math.sqrt(solution.history["loss"][-1]) <= 1e-4 and len(solution.history["loss"]) < 200
    assert solution.errors()["relative_l2"] < 1e-3


def test_a_budget_ends_the_training():
    solution = run(Rod(), stages=[steps(10_000, "adam")], budget_seconds=0.3)
    assert solution.stopped_because == "budget: 0.3 seconds are over"
    assert solution.record["seconds"] >= 0.3 and solution.record["iterations"] == len(solution.history["loss"]) > 0


def test_a_training_that_gains_nothing_more_has_converged():
    solution = run(Beam(), stages=[steps(None)], network=KAN(width=[1], degree=5, intervals=[2, 1]), max_parameters=0)
    assert solution.stopped_because.startswith("converged") and len(solution.history["loss"]) < 400


@pytest.mark.parametrize("optimiser", METHODS)
def test_a_training_that_has_run_its_iterations_says_so(optimiser):
    solution = run(Beam(), stages=[steps(3, "adam"), steps(4, optimiser)], network=KAN(width=[1], degree=5))
    assert solution.stopped_because == "iterations: the last stage has run its 4 iterations"
    assert len(solution.history["loss"]) == 7


def test_an_interrupt_returns_the_solution_so_far():
    watcher = Watcher(interrupt_after=7)
    solution = run(Rod(), callbacks=[watcher])
    assert solution.stopped_because.startswith("interrupted")
    assert solution.record["iterations"] == 7 and len(solution.history["loss"]) == 7
    assert torch.equal(vector(solution), watcher.trainer.phase.vector) and watcher.calls[-1] == "end"
    assert np.isfinite(solution(x=0.5, t=0.5))


def test_an_interrupt_in_the_middle_of_a_step_leaves_the_step_before():
    """Ctrl-C comes while a trial is under way, its parameters in the network."""
    calls = []

    class Interrupted(Beam):
        def residual(self, u, x):
            calls.append(None)
            if len(calls) == 200:
                raise KeyboardInterrupt
            return super().residual(u, x)

    watcher = Watcher()
    solution = run(Interrupted(), network=KAN(width=[2], degree=5, intervals=4), callbacks=[watcher])
    assert solution.stopped_because.startswith("interrupted") and watcher.records
    assert torch.equal(vector(solution), watcher.trainer.phase.vector)
    fresh = run(Beam(), solution.record["iterations"], KAN(width=[2], degree=5, intervals=4))
    assert torch.equal(vector(solution), vector(fresh))


def test_numbers_that_are_not_finite_are_stepped_back_from():
    """A first-order method walks over the edge; each time it is put back and told to be more careful."""
    watcher = Watcher()
    solution = run(
        Cliff(), stages=[steps(500, "adam", learning_rate=3.0)], network=KAN(width=[2], degree=5), callbacks=[watcher]
    )
    assert solution.stopped_because.startswith("diverged: the residual is not finite")
    losses = np.array(solution.history["loss"])
    assert np.isnan(losses).any() and np.isfinite(losses).any()
    assert torch.isfinite(vector(solution)).all()
    assert np.isfinite(solution(x=np.linspace(0, 1, 50))).all()


def test_gauss_newton_never_goes_where_nothing_is_finite():
    solution = run(Cliff(), 30, KAN(width=[2], degree=5, intervals=4), resample_every=0)
    assert np.isfinite(solution.history["loss"]).all() and not solution.stopped_because.startswith("diverged")
    assert np.isfinite(solution.history["rms/residual"]).all()
    assert np.isfinite(solution(x=np.linspace(0, 1, 50))).all()


@pytest.mark.parametrize("stages", [[steps(None)], [steps(3)]], ids=["open", "few iterations"])
def test_an_equation_without_numbers_from_the_start_has_diverged(stages):
    solution = run(Growth(), stages=stages, network=KAN(width=[2], degree=5, intervals=4), resample_every=0)
    assert solution.stopped_because.startswith("diverged") and np.isnan(solution.history["loss"]).all()
    assert len(solution.history["loss"]) < 10 and torch.isfinite(vector(solution)).all()


def test_an_equation_without_numbers_at_fresh_points_keeps_its_points_and_has_diverged():
    watcher = Watcher()
    network, sampling = KAN(width=[1], degree=5, intervals=2), {"interior": 20}
    solution = run(Shy(), None, network, sampling=sampling, callbacks=[watcher], max_parameters=0)
    assert np.isfinite(solution.history["loss"]).all() and watcher.exchanges == []
    assert set(watcher.trainer.phase.course.checks) == {math.inf}
    assert solution.stopped_because.startswith("diverged")


def test_gauss_newton_goes_on_where_fresh_points_see_numbers_that_are_not_finite():
    solution = run(Cliff(), None, KAN(width=[2], degree=5, intervals=4))
    assert solution.stopped_because.startswith("diverged") and np.isfinite(solution.history["loss"][:5]).all()
    assert torch.isfinite(vector(solution)).all()


# Callbacks and the history -------------------------------------------------------------------------------------------


def test_callbacks_see_the_course_of_a_training():
    watcher = Watcher()
    solution = run(Rod(), 4, callbacks=[watcher], checkpoint_seconds=0)
    assert watcher.calls == ["start", *["iteration", "checkpoint"] * 4, "end"]
    assert {name: [record[name] for record in watcher.records] for name in watcher.records[0]} == solution.history
    assert watcher.records[-1]["iteration"] == 4 and watcher.records[-1]["parameters"] == solution.model.size
    assert {"seconds", "loss", "damping", "rms/residual", "rms/start", "rms/ends"} <= watcher.records[0].keys()


def test_the_history_knows_the_error_where_there_is_a_solution_to_compare_with():
    assert run(Rod(), 4).history["error"][0] > 0
    assert np.isnan(run(Pendulum(), 4, KAN(width=[2], degree=5, intervals=4)).history["error"]).all()


# Networks that are given ---------------------------------------------------------------------------------------------


def test_a_built_network_is_where_training_starts_and_stays_as_it_is():
    network = small().build([0, 0], [1, 1], 1, seed=5)
    before = copy.deepcopy(network.state_dict())
    one, other = (run(Rod(), 6, network, seed=3) for _ in range(2))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(vector(one), vector(other)) and one.network is not network
    start = Watcher(interrupt_after=1)
    assert run(Rod(), 6, network, seed=3, callbacks=[start]).history["loss"] == one.history["loss"][:1]


def test_a_solution_is_a_start_for_another_training():
    first = run(Rod(), 30)
    second = run(Rod(diffusivity=0.31), 10, first.network)
    assert second.history["loss"][0] < first.history["loss"][0] / 100
    assert second.errors()["relative_l2"] < 1e-3


def test_settings_of_a_network_are_left_as_they_are():
    network = KAN(width=[2])
    run(Beam(), 2, network)
    assert not network.built and network.degree is None


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ConfigurationError, match="expected a network with 1 inputs and 1 outputs for beam, got one"):
        run(Beam(), 2, small().build([0, 0], [1, 1], 1))


@pytest.mark.parametrize("prebuilt", [False, True])
def test_a_degree_without_the_derivatives_that_are_needed_is_refused(prebuilt):
    network = KAN(width=[2], degree=2, intervals=4)
    if prebuilt:
        network.build([-1], [2], 1)
    with pytest.raises(ConfigurationError, match="expected splines of degree at least 3 for order 2 in residual, got"):
        run(Beam(), 2, network)


# Settings that cannot be ---------------------------------------------------------------------------------------------

BAD = [
    ({"training": {"budget_seconds": -1}}, "expected training.budget_seconds to be a positive number or null, got -1"),
    ({"training": {"budget_seconds": "long"}}, "training.budget_seconds"),
    ({"training": {"target": 0}}, "expected training.target to be a positive number or null, got 0"),
    ({"training": {"target": math.inf}}, "training.target"),
    ({"training": {"max_parameters": -5}}, "expected training.max_parameters to be a number of at least 0, got -5"),
    ({"training": {"resample_every": "often"}}, "training.resample_every"),
    ({"training": {"checkpoint_seconds": math.nan}}, "training.checkpoint_seconds"),
    ({"training": {"iterations": 5}}, "unknown setting training.iterations; known: "),
    ({"training": {"buget_seconds": 5}}, "did you mean 'budget_seconds'"),
    ({"training": {"stages": [{"iterations": 5}]}}, "entries like {optimiser: gauss_newton}"),
    ({"training": {"stages": ["adam"]}}, "got 'adam'"),
    ({"training": {"stages": [{"optimiser": "adma"}]}}, "unknown optimiser 'adma'; did you mean 'adam'"),
    ({"training": {"stages": [{"optimiser": "adam", "rate": 1}]}}, "unknown key 'rate' in training.stages"),
    ({"training": {"stages": [{"optimiser": "adam", "iterations": 0}]}}, "expected iterations in training.stages"),
    ({"training": {"stages": [{"optimiser": "adam", "learning_rate": -1}]}}, "expected learning_rate in training"),
    (
        {"training": {"stages": [{"optimiser": "gauss_newton", "learning_rate": 1}]}},
        "no learning_rate for gauss_newton",
    ),
    (
        {"training": {"stages": []}},
        "expected training.stages to be null or a list with an entry like {optimiser: gauss",
    ),
    ({"training": {"stages": 5}}, "like {optimiser: gauss_newton}, got 5"),
    ({"training": {"stages": {"optimiser": "adam"}}}, "got {'optimiser': 'adam'}"),
    (
        {"training": {"stages": [{"optimiser": "adam", "iterations": 2.5}]}},
        "expected iterations in training.stages to be a positive whole number or null, got 2.5",
    ),
    ({"training": {"resample_every": 2.5}}, "expected training.resample_every to be a whole number of at least 0"),
    ({"training": 30}, "expected training as settings by name such as budget_seconds, got 30"),
    ({"training": 0}, "got 0"),
    ({"sampling": "sobol"}, "expected sampling as settings by name such as interior, got 'sobol'"),
    ({"sampling": {"adaptive": None}}, "expected sampling.adaptive between 0 and 0.95, got None"),
    ({"sampling": {"interior": True}}, "expected a positive number of sampling.interior points or null, got True"),
    ({"network": [5, 5]}, "expected a network such as KAN(width=[5, 5]), got [5, 5]"),
    ({"network": []}, "got []"),
    ({"problem": "heat"}, "expected a problem such as load_problem('heat'), got 'heat'"),
    ({"sampling": {"interior": -1}}, "sampling.interior"),
    ({"sampling": {"pints": 1}}, "unknown setting sampling.pints"),
    ({"seed": -1}, "expected seed to be a whole number of at least 0, got -1"),
    ({"seed": 0.5}, "got 0.5"),
    ({"seed": True}, "got True"),
    ({"device": "abacus"}, "expected device auto, cpu, cuda or cuda:N, got 'abacus'"),
    ({"dtype": "float16"}, "expected dtype float64 or float32, got 'float16'"),
]


def test_settings_that_can_be_are_taken():
    stages = [{"optimiser": "adam", "iterations": 3.0}, {"optimiser": "lbfgs"}]
    assert TrainingOptions(stages=stages, resample_every=1e1).stages[0].iterations == 3
    solution = run(Beam(), stages=stages[:1], network=KAN(width=[2]))
    assert solution.stopped_because == "iterations: the last stage has run its 3 iterations"


def test_a_setting_that_is_none_is_told_when_going_on_too(tmp_path):
    run(Beam(), 2, KAN(width=[2]), callbacks=[Watcher(tmp_path / "checkpoint")])
    with pytest.raises(ConfigurationError, match="unknown setting training.buget_seconds; did you mean 'budget_secon"):
        resume(tmp_path / "checkpoint", Beam(), training={"buget_seconds": 3})


@pytest.mark.parametrize(("settings", "said"), BAD, ids=[str(settings) for settings, _ in BAD])
def test_settings_that_cannot_be_are_said_in_one_line(settings, said):
    with pytest.raises(ConfigurationError) as caught:
        solve(**{"problem": Beam(), "network": KAN(width=[2]), **settings})
    assert said in str(caught.value) and "\n" not in str(caught.value)
