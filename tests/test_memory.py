"""training.memory: sizes as they are written, what fits into them, and runs that keep them."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from march_problems import Front, task_of
from trainings import Beam

from kanpde import KAN, Box, Dirichlet, Initial, Problem, load_problem, solve
from kanpde.calculus.memory import bytes_of, held, of_machine, written
from kanpde.errors import ConfigurationError
from kanpde.marching.memory import factored_bytes, factored_within
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.training.memory import RESERVED, descent_bytes, largest_within

SIZES = {"4GiB": 2**32, "500 MB": 5e8, "1.5g": 1.5e9, "64KiB": 2**16, 2**20: 2**20, "1000000": 1e6, "2ti": 2**41}


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_read_as_they_are_written(size):
    assert bytes_of("training.memory", size) == SIZES[size]


@pytest.mark.parametrize("size", ["4 gallons", "", "-1GiB", 0, -5, True, [4], "0GiB", "i", float("inf")])
def test_other_sizes_are_refused_in_one_line(size):
    with pytest.raises(ConfigurationError, match='expected training.memory to be a size such as "4GiB"'):
        solve(Beam(), training={"memory": size})


def test_sizes_are_written_as_people_read_them():
    assert written(1.5 * 2**30) == "1.5 GiB" and written(300 * 2**20) == "300 MiB"


@pytest.mark.skipif(sys.platform != "linux", reason="another system may tell neither")
def test_a_process_holds_a_part_of_the_computers_memory():
    machine = of_machine()
    assert machine is not None and 0 < held() < machine


@pytest.mark.parametrize("width", [None, 40.0])
@pytest.mark.parametrize("memory", [1e6, 1e8, 1e10])
def test_what_fits_needs_no_more_and_one_more_does(width, memory):
    most = factored_within(memory, width)
    assert factored_bytes(most, width) <= memory * (1 + 1e-9) < factored_bytes(most + 1, width) * (1 + 1e-6)


def test_a_descent_of_the_largest_size_fits():
    assert descent_bytes(0, largest_within(1e9)) == pytest.approx(1e9)


def test_a_limit_that_leaves_no_room_tells_the_least_one():
    expected = r"expected training.memory of at least [\d.]+ [MG]iB for Python, its"
    with pytest.raises(ConfigurationError, match=expected) as no:
        solve(Beam(), training={"memory": "10MB"})
    assert "\n" not in str(no.value)


def test_a_slab_that_does_not_fit_is_told_before_the_march():
    with pytest.raises(ConfigurationError, match=r"training.memory of at least [\d.]+ GiB for a slab of \d+ unknowns"):
        solve(load_problem("taylor_green"), network=KAN(intervals=8), training={"memory": room_for(100 * 2**20)})


def test_points_that_do_not_fit_are_told_before_the_descent():
    stages = [{"optimiser": "adam", "iterations": 1}]
    with pytest.raises(ConfigurationError, match=r"for \d+ parameters at \d+ points"):
        solve(
            Beam(),
            network=KAN(width=[2], degree=5, intervals=3),
            sampling={"interior": 10**6},
            training={"memory": room_for(100 * 2**20), "stages": stages},
        )


def room_for(size: float) -> float:
    """A limit that leaves about `size` bytes for arrays."""
    return held() + RESERVED + size


def test_a_march_has_no_more_unknowns_than_fit():
    band, dense = task_of(Front(), memory=2e7), task_of(load_problem("poisson"), memory=2e7)
    assert band.factored == factored_within(2e7, band.width) and dense.factored == factored_within(2e7, None)
    assert band.width is not None and dense.width is None
    assert dense.factored < band.factored < task_of(Front()).factored


def test_a_jacobian_that_is_not_kept_whole_gives_the_same_step():
    problem = Beam()
    network = KAN(width=[3], degree=5, intervals=4).build(problem.domain.low, problem.domain.high, 1)
    rows = Residuals(Model(network), problem.blocks(), problem.domain.names)
    rows.sample(problem.domain, lambda block: 300, np.random.default_rng(0))
    vector = rows.model.vector
    steps = []
    for kept in (math.inf, 0):
        rows.kept = kept
        assert (len(rows.linearise(vector).factor) > len(vector) + 1) == bool(kept)
        steps.append(GaussNewton().step(rows, vector))
    assert steps[1].loss == pytest.approx(steps[0].loss, rel=1e-6)


@dataclasses.dataclass(frozen=True)
class Spreading(Problem):
    """A nonlinear diffusion from a sharp spot in the plane, which asks for many knots."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.05))

    def residual(self, u):
        return u.t - u.xx - u.yy + u**3

    def conditions(self):
        return {"start": Initial(self.spot), "rim": Dirichlet(0)}

    @staticmethod
    def spot(x, y):
        return torch.sin(torch.pi * x) * torch.sin(torch.pi * y) * torch.exp(-60 * ((x - 0.4) ** 2 + (y - 0.6) ** 2))


KEEPS = """
import sys
from pathlib import Path
from test_memory import Spreading
from kanpde import solve
solution = solve(Spreading(), device="cpu", training={"memory": sys.argv[1], "max_iterations": 5})
print(max(solution.history["parameters"]), solution.error_bound)
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak.split()[1]) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_a_run_with_its_audit_and_proof_keeps_the_limit():
    command = [sys.executable, "-c", KEEPS, "800MiB"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    told, peak = done.stdout.splitlines()
    assert float(told.split()[0]) > 1210  # more unknowns than at the start
    assert int(peak) <= bytes_of("training.memory", "800MiB")
