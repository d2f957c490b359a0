"""Train a tanh MLP of the size of kanpde's network with kanpde's optimiser and rows, to show the effect of the KAN."""

from __future__ import annotations

import numpy as np
import torch

from kanpde.bench.autograd import evaluated
from kanpde.bench.mlp import MLP
from kanpde.bench.task import Recorder, Task
from kanpde.collocation.affine import is_affine
from kanpde.collocation.sampling import sample
from kanpde.network.residuals import Residuals
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.problem.problem import Problem
from kanpde.training.policies import SETTLING
from kanpde.version import __version__


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Run Gauss–Newton until the time is used up; nonlinear equations get new points at every iteration, as kanpde."""
    recorder.start()
    blocks = problem.blocks(hard=True)
    fixed = all(is_affine(block, problem) for block in blocks)
    network = MLP(problem, task.parameters, task.seed)
    residuals = Residuals(network, blocks, problem.domain.names)
    generator = np.random.default_rng(task.seed)
    place(residuals, problem, task, generator)
    points = sum(len(part.points) for part in residuals.parts)
    versions = {"kanpde": __version__, "torch": torch.__version__}
    recorder.describe("tanh MLP, Gauss–Newton", network.size, points, **versions)
    method, vector, iteration = GaussNewton(), network.vector, 0
    accepted = True
    while not recorder.look(evaluated(network)):
        if iteration and not (fixed and accepted):
            place(residuals, problem, task, generator)
        if iteration == 0 or iteration in SETTLING:
            residuals.rescale(balanced=not fixed)
        step = method.step(residuals, vector)
        vector, accepted, iteration = step.vector, step.accepted, iteration + 1
        network.assign(vector)


def place(residuals: Residuals, problem: Problem, task: Task, generator: np.random.Generator) -> None:
    """Sample points for every block."""
    for number, part in enumerate(residuals.parts):
        count = task.boundary if part.block.faces else task.interior
        drawn = sample(part.block, problem.domain, count, "sobol", generator)
        index = None if drawn.index is None else torch.as_tensor(drawn.index)
        residuals.place(number, torch.as_tensor(drawn.points), index)
