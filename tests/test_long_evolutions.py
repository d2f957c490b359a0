"""Long evolutions: one pass, a network for every few slabs, and what is solved when a march ends early."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Periodic, Problem, Solution, files, solve
from kanpde.errors import ConfigurationError
from kanpde.marching import compress_parts
from kanpde.marching.audit.judge import audit
from kanpde.marching.task import MarchTask
from kanpde.marching.tolerances import MarchTolerances
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.training import march_phase
from kanpde.training.trainer import resume

END = 30.0


@pytest.fixture(autouse=True, scope="module")
def soon_long():
    """Evolutions are long from six slabs, and have a network for every three."""
    tolerances = MarchTolerances(long=6, seen=(3, 3), long_pass=(1e-9, 1e-7, 1e-5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(march_phase, "MarchTask", partial(MarchTask, tolerances=tolerances))
        patch.setitem(compress_parts.SLABS_PER_NETWORK, 1, 3)
        patch.setitem(compress_parts.SLABS_PER_NETWORK, 2, 3)
        yield


class Spring(Problem):
    domain = Box(t=(0, END))

    def residual(self, u):
        return u.tt + u**3

    def conditions(self):
        return {"start": Initial(1), "push": Initial(0, order=1)}


class Carried(Problem):
    """u_t + u_x = 0 on a circle."""

    domain = Box(x=(0, 1), t=(0, 4))

    def residual(self, u):
        return u.t + u.x

    def conditions(self):
        return {"start": Initial("exact"), "circle": Periodic("x", order=0)}

    def exact(self, x, t):
        return sp.exp(sp.sin(2 * sp.pi * (x - t)))


class Explosion(Problem):
    """u' = u², which is infinite at t = 1."""

    domain = Box(t=(0, 3))

    def residual(self, u):
        return u.t - u**2

    def conditions(self):
        return {"start": Initial(1)}


@dataclass(frozen=True)
class Unstable(Problem):
    """u' = 8 (u - cos t) - sin t: errors of cos t grow like exp(8 t), to 7e20 at t = 6."""

    end: float = 6

    @property
    def domain(self):
        return Box(t=(0, self.end))

    def residual(self, u, t):
        return u.t - 8 * (u - torch.cos(t)) + torch.sin(t)

    def conditions(self):
        return {"start": Initial(1)}

    def exact(self, t):
        return sp.cos(t)


def spring_at(times):
    options = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-14}
    return solve_ivp(lambda _, y: (y[1], -(y[0] ** 3)), (0, END), [1, 0], t_eval=times, **options).y[0]


class Interrupted:
    """A callback that presses Ctrl-C after some iterations, and writes the last checkpoint."""

    def __init__(self, path, iterations):
        self.path, self.iterations = path, iterations

    def on_start(self, trainer):
        pass

    def on_iteration(self, record):
        if record["iteration"] == self.iterations:
            raise KeyboardInterrupt

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        files.write(self.path, *trainer.state())


TIMES = np.linspace(0, END, 301)


@pytest.fixture(scope="module")
def spring():
    return solve(Spring())


def test_a_long_evolution_is_solved_in_one_pass_with_networks_in_time(spring):
    network = spring.network
    assert isinstance(network, SlabbedNetwork) and len(network.networks) > 3 and network.times[-1] == END
    assert set(spring.history["stage"]) == {1, 2}  # 2 after the only pass
    assert np.abs(spring(t=TIMES) - spring_at(TIMES)).max() < 1e-7
    found = spring.audit()
    assert found.verdict == "solved" and found.solved_until == found.believed_until == END
    times, errors = zip(*found.error_in_time, strict=True)
    assert times == tuple(sorted(times)) and max(errors) < 1e-7


def test_networks_in_time_are_smooth_where_they_meet(spring):
    ends = np.array(spring.network.times[:-1])
    for partial_, size in (("t", 1e-6), ("tt", 1e-4)):
        before, after = (spring.derivative(partial_, t=ends + shift) for shift in (-1e-9, 1e-9))
        assert np.abs(before - after).max() < size


def test_networks_in_time_are_saved_and_loaded(spring, tmp_path):
    spring.save(tmp_path / "spring.kan")
    loaded = Solution.load(tmp_path / "spring.kan", Spring())
    assert np.array_equal(loaded(t=TIMES), spring(t=TIMES))
    assert loaded.audit() == spring.audit() and loaded.metrics()["networks"] == len(spring.network.networks)
    shuffled = np.random.default_rng(0).permutation(TIMES)
    assert np.array_equal(np.sort(shuffled), TIMES)
    assert np.allclose(loaded(t=shuffled), spring_at(TIMES)[np.argsort(np.argsort(shuffled))], atol=1e-7)
    assert loaded(t=np.zeros(0)).shape == (0,)


def test_networks_in_time_are_audited_without_the_slabs_that_made_them(spring):
    found = audit(spring.problem, spring.model)
    assert found.verdict == "solved" and found.error_estimate < 1e-5


def test_networks_in_time_are_exported_as_a_grid(spring, tmp_path):
    spring.export(tmp_path / "spring.npz")
    with np.load(tmp_path / "spring.npz") as file:
        assert np.allclose(file["u"].ravel(), spring(t=file["t"].ravel()))
    with pytest.raises(ConfigurationError, match=r"got SlabbedNetwork; write \.npz or \.csv"):
        spring.export(tmp_path / "spring.py")


def test_a_long_evolution_goes_on_bit_for_bit(spring, tmp_path):
    part = solve(Spring(), callbacks=[Interrupted(tmp_path / "checkpoint", len(spring.history["loss"]) * 2 // 3)])
    assert part.stopped_because.startswith("interrupted") and isinstance(part.network, SlabbedNetwork)
    until = part.audit().solved_until
    assert 0.2 * END < until < 0.95 * END and part.verdict != "solved"
    assert f"solved to t = {until:.6g} of {END:g}" in part.reasons[0]
    solved, held = TIMES[until >= TIMES], TIMES[until < TIMES]
    assert np.abs(part(t=solved) - spring_at(TIMES)[: len(solved)]).max() < 1e-7
    assert np.ptp(part(t=held)) < 1e-7
    whole = resume(tmp_path / "checkpoint", Spring())
    assert whole.verdict == "solved" and whole.history["loss"] == spring.history["loss"]
    pairs = zip(whole.network.parameters(), spring.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_long_evolution_in_space():
    solution = solve(Carried())
    assert isinstance(solution.network, SlabbedNetwork) and solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-6


def test_a_long_evolution_ends_where_it_cannot_be_solved():
    solution = solve(Explosion())
    assert solution.stopped_because.startswith("lost: no shorter step and no finer knots solve the equation after t = ")
    until = solution.audit().solved_until
    assert 0.9 < until <= 1 + 1e-9 and solution.verdict != "solved"
    early = np.linspace(0, 0.8, 50)
    assert np.allclose(solution(t=early), 1 / (1 - early), rtol=1e-5)


@pytest.mark.parametrize("end", [6, 9])  # rounding decides how far it can be solved
def test_an_unstable_evolution_is_believed_only_as_long_as_it_is_right(end):
    solution = solve(Unstable(end))
    found = solution.audit()
    early = np.linspace(0, found.believed_until, 100)
    assert found.believed_until > 1 and np.abs(solution(t=early) - np.cos(early)).max() < 3e-3
    whole = found.believed_until == found.solved_until
    assert whole or any("it can be believed until t = " in reason for reason in found.reasons)
    assert whole or found.verdict != "solved"
