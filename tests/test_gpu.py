"""The public face on another device gives the numbers of the processor; on the processor these tests test themselves.

Sums are rounded in another order on a GPU, so values agree to round-off times the condition of the least squares: to
1e-8 where the solution is right to 1e-6.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import sympy as sp
import torch
from equations import ROD
from readable_cases import Flat

from kanpde import KAN, Solution, as_sympy, files, load_problem, prune, read, solve
from kanpde.marching import iteration
from kanpde.training.trainer import resume

X, T = np.linspace(0, 1, 9), np.linspace(0, 1, 5)[:, None]
STEPS = {"stages": [{"optimiser": "gauss_newton", "iterations": 8}], "max_parameters": 0}
POINTS = {"interior": 300, "boundary": 64}

pytestmark = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def march(device):
    return solve(load_problem("heat"), device=device, training={"target": 1e-6})


def descent(device, **more):
    network = KAN(width=[(0, 2)], degree=6, intervals=[5, 2])
    return solve(load_problem("heat"), network, device=device, training=STEPS, sampling=POINTS, **more)


def flat(device):
    """sin πx, solved by a spline for each coordinate."""
    training = {**STEPS, "stages": [{"optimiser": "gauss_newton", "iterations": 5}]}
    return solve(Flat(), KAN(width=[], degree=7, intervals=6), device=device, training=training, sampling=POINTS)


def kind(solution):
    """The kind of device that all parameters are on."""
    (found,) = {parameter.device.type for parameter in solution.model.parameters()}
    return found


@pytest.mark.parametrize("solved", [march, descent])
def test_a_solution_has_the_numbers_of_the_processor(device, solved):
    here, there = solved("cpu"), solved(device)
    assert kind(there) == device and there.metrics()["device"].startswith(device)
    assert there.record["iterations"] == here.record["iterations"]
    np.testing.assert_allclose(there(x=X, t=T), here(x=X, t=T), rtol=0, atol=1e-8)
    for partial in ("t", "xx"):  # two derivatives of splines multiply the difference by their intervals squared
        expected = here.derivative(partial, x=X, t=T)
        np.testing.assert_allclose(there.derivative(partial, x=X, t=T), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(there.residual(x=X, t=T), here.residual(x=X, t=T), rtol=0, atol=1e-5)
    assert there.errors()["relative_l2"] == pytest.approx(here.errors()["relative_l2"], rel=1e-2, abs=1e-10)


def test_tensors_of_the_processor_give_tensors_of_the_processor(device):
    solution = march(device)
    x = torch.linspace(0.1, 0.9, 5, dtype=torch.float64, requires_grad=True)
    t = torch.full((5,), 0.1, dtype=torch.float64)
    u, slope, at_points = solution(x=x, t=t), solution.derivative("x", x=x, t=t), solution(torch.stack([x, t], 1))
    assert {each.device.type for each in (u, slope, at_points)} == {"cpu"}
    torch.testing.assert_close(torch.autograd.grad(u.sum(), x)[0], slope.detach(), rtol=1e-9, atol=1e-9)
    there = solution(x=x.detach().to(device), t=t.to(device))
    assert there.device.type == device
    torch.testing.assert_close(there.cpu(), u.detach(), rtol=1e-12, atol=1e-12)


def test_a_file_is_read_on_any_device(device, tmp_path):
    solution = descent(device)
    solution.save(tmp_path / "run.kan")
    for other in ("cpu", device):
        again = Solution.load(tmp_path / "run.kan", device=other)
        assert kind(again) == other
        np.testing.assert_allclose(again(x=X, t=T), solution(x=X, t=T), rtol=0, atol=1e-13)


def test_the_formula_is_found(device):
    x, t = sp.symbols("x t", real=True)
    solution = march(device)
    formula = solution.symbolify(functions=["exp", "sin"])
    exact = solution.problem.exact(x, t)
    assert formula.proved
    np.testing.assert_allclose(formula(x=X, t=T), sp.lambdify([x, t], exact)(X, T), rtol=0, atol=1e-14)


def test_a_network_is_pruned_and_read(device):
    named = read(prune(flat(device)))
    assert kind(named) == device and named.errors()["relative_l2"] < 1e-12
    assert as_sympy(named, decimals=9) == sp.sin(sp.Float(3.141592654) * sp.Symbol("x", real=True))


def test_a_large_space_is_solved_there(device, monkeypatch):
    monkeypatch.setattr(iteration, "WORTH", 0.0)
    found = [solve(load_problem("poisson"), KAN(degree=7, intervals=12), device=each) for each in ("cpu", device)]
    here, there = (solution(x=X, y=X[::-1]) for solution in found)
    assert found[1].verdict == "solved" and kind(found[1]) == device
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-10)


class Interrupting:
    """Presses Ctrl-C after three iterations, and writes a checkpoint at the end."""

    def __init__(self, path):
        self.path = path

    def on_start(self, trainer):
        pass

    def on_iteration(self, record):
        if record["iteration"] == 3:
            raise KeyboardInterrupt

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        files.write(self.path, *trainer.state())


def test_a_training_is_resumed_on_its_device(device, tmp_path):
    straight = descent(device)
    stopped = descent(device, callbacks=[Interrupting(tmp_path / "checkpoint")])
    assert len(stopped.history["loss"]) == 3
    resumed = resume(tmp_path / "checkpoint", load_problem("heat"))
    assert kind(resumed) == device and len(resumed.history["loss"]) == 8
    np.testing.assert_allclose(resumed(x=X, t=T), straight(x=X, t=T), rtol=0, atol=1e-8)


def test_the_command_runs_there(device, command, tmp_path, monkeypatch):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "rod.py").write_text(ROD)
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("problem=rod", f"device={device}", "training.target=1e-5", "symbolic=off")
    metrics = json.loads((tmp_path / out.splitlines()[-1].removeprefix("run: ") / "metrics.json").read_text())
    assert status == 0 and metrics["device"].startswith(device) and metrics["relative_l2"] < 1e-6
