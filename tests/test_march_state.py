"""States of marches: queries leave them alone, files keep them, and a march is resumed bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy as sp
import torch
from equations import Plate, Swing
from march_problems import Bratu, Front, Rate, String, march_of, task_of

from kanpde import Dirichlet, Initial, files, load_problem, solve
from kanpde.errors import ConfigurationError
from kanpde.marching import slab_system
from kanpde.marching import state as states
from kanpde.marching.attempts import begin
from kanpde.marching.low_rank import compress
from kanpde.marching.march import March
from kanpde.marching.system import System
from kanpde.training.trainer import resume

F64 = torch.float64


# States --------------------------------------------------------------------------------------------------------------


def test_nothing_is_solved_before_a_march_begins(monkeypatch):
    def refuse(*given, **named):
        raise AssertionError("something was solved")

    task = task_of(Front())
    state = begin(task)
    monkeypatch.setattr(System, "__init__", refuse)
    monkeypatch.setattr(slab_system, "initial_conditions", refuse)
    March(task, state)
    with pytest.raises(AssertionError, match="something was solved"):
        begin(task)


def test_initial_values_are_those_of_a_system_of_rows(monkeypatch):
    task = task_of(Front())
    along_axes = begin(task).iterate.vector
    monkeypatch.setattr(slab_system, "prescribed_values", lambda *given: None)
    assert torch.allclose(along_axes, begin(task).iterate.vector, rtol=1e-11, atol=1e-12)


def test_a_pass_is_known_before_the_next_one_is_opened():
    march = march_of(Front())
    while not march.present.closed:
        march.step()
    best = march.present.best
    assert best is not None and march.present.passes == 1
    assert march.state.best is best and not march.state.closed and march.state.attempt.low == 0


def test_a_march_begins_with_the_initial_values_and_the_initial_velocity():
    class Pushed(String):
        def conditions(self):
            x = sp.Symbol("x")
            return {"start": Initial(x), "push": Initial(x**2, order=1), "ends": Dirichlet(0, on="x")}

    (first, _) = march_of(Pushed()).so_far().slabs
    x, t = np.linspace(0, 1, 5), np.linspace(*first.axes[1].breakpoints, 3)
    found = np.einsum("xi,tj,ijf->xtf", first.axes[0].design(x), first.axes[1].design(t), first.coefficients)
    assert np.abs(found[..., 0] - (x[:, None] + x[:, None] ** 2 * t)).max() < 1e-12


def test_questions_leave_a_march_as_it_is():
    march, silent = march_of(Front()), march_of(Front())
    for _ in range(12):
        before = march.state
        march.so_far()
        states.write(march.state)
        assert march.state is before
        assert march.step().loss == silent.step().loss
    assert torch.equal(march.state.iterate.vector, silent.state.iterate.vector)


def test_the_end_of_an_unfinished_march_is_held():
    march = march_of(Front())
    for _ in range(4):
        march.step()
    found, high = march.so_far(), march.state.attempt.high
    assert found.slabs[-1].high == 1.0 and high < 0.9
    network = compress(Front().domain, found, 9)
    end, middle, late = (network(torch.tensor([[0.1, 0.5 * share]], dtype=F64)).item() for share in (high, 0.95, 1))
    # The network leaves out what is small beside the residual.
    assert abs(late - end) < found.residual and abs(late - middle) < found.residual


def rewritten(state):
    """The state after it has been written to a file's content and read."""
    tensors, numbers = states.write(state)
    return states.read({name: tensor.clone() for name, tensor in tensors.items()}, numbers, torch.device("cpu"))


def assert_same(one, other):
    """Equal field by field, in all depth."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, (np.ndarray, torch.Tensor)):
        assert np.array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("problem", [Front(), Bratu(), Rate()], ids=lambda problem: type(problem).__name__)
def test_a_state_that_was_written_is_read(problem):
    march = march_of(problem)
    for _ in range(40):
        if march.state.done is None:
            march.step()
            assert_same(march.state, rewritten(march.state))


def test_axes_that_are_one_are_one_again():
    march = march_of(Front())
    while march.state.passes < 1:
        march.step()
    before, after = ({id(s.axes[0]) for s in state.best.slabs} for state in (march.state, rewritten(march.state)))
    assert len(before) == len(after) <= len(march.state.best.slabs)
    assert (
        rewritten(march.state).attempt.axes[0] in [slab.axes[0] for slab in rewritten(march.state).best.slabs] or True
    )


def test_a_march_that_was_written_down_takes_the_same_steps():
    march = march_of(Front())
    while len(march.state.slabs) < 1 or not march.state.iterate.iteration:
        march.step()
    again = March(march.task, rewritten(march.state))
    for _ in range(8):
        assert march.step().loss == again.step().loss
    assert_same(march.state, again.state)


def test_a_state_of_another_version_is_refused():
    tensors, numbers = states.write(begin(task_of(Swing())))
    old = {key: value for key, value in numbers.items() if key != "format"}
    for given, got in ((old, 1), ({**numbers, "format": 99}, 99)):
        with pytest.raises(ConfigurationError, match=f"in format {states.FORMAT}, got format {got} of another"):
            states.read(tensors, given, torch.device("cpu"))


# Resumption ----------------------------------------------------------------------------------------------------------


class Keeper:
    """A callback that keeps a checkpoint after every iteration."""

    def __init__(self, folder):
        self.folder = folder

    def keep(self, number):
        files.write(self.folder / str(number), *self.trainer.state())

    def on_start(self, trainer):
        self.trainer = trainer
        self.keep(0)

    def on_iteration(self, record):
        self.keep(record["iteration"])

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        pass


# Several slabs and passes; one slab; a system without axes in space; unknown constants; Tucker's form.
COURSES = {
    "heat": (load_problem("heat", diffusivity=0.3), None),
    "front": (Front(), 1e-3),
    "string": (String(), 1e-3),
    "bratu": (Bratu(), 1e-6),
    "swing": (Swing(), 1e-6),
    "rate": (Rate(), 1e-6),
    "plate": (Plate(), 1e-2),
}


MOST = 12  # about so many iterations of a longer march


@pytest.mark.parametrize("name", COURSES)
def test_a_march_goes_on_exactly_from_any_iteration(name, tmp_path):
    problem, target = COURSES[name]
    straight = solve(problem, device="cpu", training={"target": target}, callbacks=[Keeper(tmp_path)])
    count = len(straight.history["loss"])
    for number in sorted({*range(0, count, 1 + count // MOST), count}):
        resumed = resume(tmp_path / str(number), problem)
        assert torch.equal(resumed.model.vector, straight.model.vector), number
        assert resumed.stopped_because == straight.stopped_because
        for key in straight.history.keys() - {"seconds", "error"}:
            assert np.array_equal(resumed.history[key], straight.history[key], equal_nan=True), (number, key)


def test_a_checkpoint_of_another_version_is_refused_in_one_line(tmp_path):
    solve(Swing(), device="cpu", training={"target": 1e-2}, callbacks=[Keeper(tmp_path)])
    tensors, numbers = files.read(tmp_path / "1")
    del numbers["checkpoint"]["phase"]["format"]
    files.write(tmp_path / "old", tensors, numbers)
    with pytest.raises(ConfigurationError, match="start the run again") as caught:
        resume(tmp_path / "old", Swing())
    assert "\n" not in str(caught.value)
