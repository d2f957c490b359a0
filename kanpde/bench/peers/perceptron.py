"""Train a tanh MLP of the size of kanpde's network with kanpde's optimiser and rows, to show the effect of the KAN."""

from __future__ import annotations

import numpy as np
import torch

from kanpde.bench.autograd import evaluated
from kanpde.bench.mlp import MLP
from kanpde.bench.task import Recorder, Task
from kanpde.collocation.affine import is_affine
from kanpde.files import __version__
from kanpde.network.residuals import Residuals
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.problem.problem import Problem
from kanpde.training.policies import SETTLING


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Run Gauss–Newton until the time is used up; nonlinear equations get new points at every iteration, as kanpde."""
    recorder.start()
    blocks = problem.blocks(hard=True)
    fixed = all(is_affine(block, problem) for block in blocks)
    network = MLP(problem, task.parameters, task.seed)
    residuals = Residuals(network, blocks, problem.domain.names)
    generator = np.random.default_rng(task.seed)
    residuals.sample(problem.domain, task.points_of, generator)
    points = sum(len(part.points) for part in residuals.parts)
    versions = {"kanpde": __version__, "torch": torch.__version__}
    recorder.describe("tanh MLP, Gauss–Newton", network.size, points, **versions)
    method, vector, iteration = GaussNewton(), network.vector, 0
    accepted = True
    while not recorder.look(evaluated(network)):
        if iteration and not (fixed and accepted):
            residuals.sample(problem.domain, task.points_of, generator)
        if iteration == 0 or iteration in SETTLING:
            residuals.rescale(balanced=not fixed)
        step = method.step(residuals, vector)
        vector, accepted, iteration = step.vector, step.accepted, iteration + 1
        network.assign(vector)
