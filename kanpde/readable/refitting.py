"""Gauss–Newton on a solution's own least-squares problem, at points and scales that stay while networks change."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.affine import is_affine
from kanpde.collocation.sampling import sample
from kanpde.errors import ConfigurationError
from kanpde.network.residuals import LARGEST, Residuals
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import LeastSquares
from kanpde.readable.source import copied, renewed
from kanpde.solution import Solution

ROUND_OFF = 1e-28  # no smaller loss is worth another step
SLOW = 0.9  # a step that leaves more of the loss than this gains nothing worth having
PATIENCE = 3  # of them in a row end a refit
LEAST, BOUNDARY = 1024, 256  # points inside, at least, and of every condition
PER_PARAMETER = 3


class Bench:
    """The rows of a solution's problem, where networks are compared: `limit` is the loss that others may reach."""

    def __init__(self, solution: Solution) -> None:
        problem = solution.problem
        generator = np.random.default_rng(0)
        residuals = Residuals(solution.model, problem.blocks(), problem.domain.names)
        rows = max(1, len(residuals.parts[0].block.components))
        inside = max(LEAST, math.ceil(PER_PARAMETER * solution.model.size / rows))
        if inside * rows * solution.model.size > LARGEST:
            raise ConfigurationError(
                f"expected a network small enough for a whole Jacobian, got {solution.model.size} parameters; train a "
                "smaller one to read it"
            )
        for number, part in enumerate(residuals.parts):
            count = BOUNDARY if part.block.faces else inside
            drawn = sample(part.block, problem.domain, count, "sobol", generator)
            vector = solution.model.vector
            index = None if drawn.index is None else torch.as_tensor(drawn.index, device=vector.device)
            residuals.place(number, torch.as_tensor(drawn.points).to(vector), index)
        residuals.rescale(balanced=not all(is_affine(part.block, problem) for part in residuals.parts))
        self._measured = residuals
        self.start = self.loss(solution)

    def residuals(self, solution: Solution) -> Residuals:
        """The rows of a solution to the same problem."""
        residuals = Residuals(solution.model, solution.problem.blocks(), solution.problem.domain.names)
        for number, known in enumerate(self._measured.parts):
            residuals.place(number, known.points, known.index, known.shares)
            part = residuals.parts[number]
            part.scale, part.level, part.weights = known.scale, known.level, known.weights
        return residuals

    def loss(self, solution: Solution) -> float:
        """The squared norm of the rows; its root estimates the relative error."""
        return float(self.residuals(solution).residual(solution.model.vector).square().sum())

    def refitted(self, solution: Solution, steps: int, enough: float = ROUND_OFF) -> tuple[Solution, float]:
        """A copy of the solution after at most so many steps, and its loss; fewer where the loss is small `enough`."""
        solution = renewed(solution, copied(solution))
        residuals = self.residuals(solution)
        vector, loss = descended(residuals, solution.model.vector, steps, enough)
        solution.model.assign(vector)
        return solution, loss


def descended(problem: LeastSquares, vector: Tensor, steps: int, enough: float) -> tuple[Tensor, float]:
    """The vector after Gauss–Newton steps, and its loss."""
    method, slow, loss = GaussNewton(), 0, math.inf
    for _ in range(steps):
        step = method.step(problem, vector)
        loss = step.before if math.isinf(loss) else loss
        if not (step.accepted and math.isfinite(step.loss)):
            return vector, loss
        slow = slow + 1 if step.loss > SLOW * loss else 0
        vector, loss = step.vector, step.loss
        if loss <= enough or slow == PATIENCE:
            break
    return vector, loss


def refit(solution: Solution, steps: int = 50) -> Solution:
    """The solution after at most `steps` Gauss–Newton steps on its problem, whatever of its network is fixed or pruned.

    Raises ConfigurationError for a network with too many parameters for that.
    """
    return Bench(solution).refitted(solution, steps)[0]
