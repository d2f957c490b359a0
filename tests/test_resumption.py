"""Exact repetition and resumption, from every iteration and through Ctrl-C."""

from __future__ import annotations

import functools
import itertools
import signal
import threading

import numpy as np
import pytest
import torch
from equations import Swing
from trainings import Beam, Pendulum, Rod, Watcher, run, steps, vector

from kanpde import KAN
from kanpde.geometry.box import Box
from kanpde.optim.methods import METHODS
from kanpde.problem.conditions import Data
from kanpde.problem.problem import Problem
from kanpde.training.trainer import resume


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
