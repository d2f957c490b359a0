"""Gauss–Newton on a solution's own least-squares problem, with points and scales fixed while networks change."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from kanpde.collocation.affine import is_affine
from kanpde.errors import ConfigurationError
from kanpde.network.residuals import LARGEST, Residuals
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import LeastSquares
from kanpde.readable.source import check_solution, copied, renewed
from kanpde.solution import Solution

ROUND_OFF = 1e-28  # the loss at which a refit ends, because round-off dominates below it
SLOW = 0.9  # the ratio of losses after and before a step above which the step is slow
PATIENCE = 3  # slow steps in a row that end a refit
LEAST, BOUNDARY = 1024, 256  # the least number of points inside, and the number of points of every condition
PER_PARAMETER = 3  # rows of the equation for each parameter


class FixedRows:
    """The fixed rows of a solution's problem on which networks are compared; `start` is the solution's loss.

    Raises ConfigurationError if the network is too large for a whole Jacobian, unless `whole` is False.
    """

    def __init__(self, solution: Solution, *, whole: bool = True) -> None:
        problem = solution.problem
        generator = np.random.default_rng(0)
        residuals = Residuals(solution.model, problem.blocks(), problem.domain.names)
        rows = max(1, len(residuals.parts[0].block.components))
        inside = max(LEAST, math.ceil(PER_PARAMETER * solution.model.size / rows))
        if whole and inside * rows * solution.model.size > LARGEST:
            raise ConfigurationError(
                f"expected a network small enough for a whole Jacobian, got {solution.model.size} parameters; train a "
                "smaller one to read it"
            )
        residuals.sample(problem.domain, lambda block: BOUNDARY if block.faces else inside, generator)
        residuals.rescale(balanced=not all(is_affine(part.block, problem) for part in residuals.parts))
        self._measured = residuals
        self.start = self.loss(solution)

    def residuals(self, solution: Solution) -> Residuals:
        """Return these rows for another solution of the same problem."""
        residuals = Residuals(solution.model, solution.problem.blocks(), solution.problem.domain.names)
        for number, known in enumerate(self._measured.parts):
            residuals.place(number, known.points, known.index, known.sums, known.shares)
            part = residuals.parts[number]
            part.scale, part.level, part.weights = known.scale, known.level, known.weights
        return residuals

    def loss(self, solution: Solution) -> float:
        """Return the squared norm of the rows; its root estimates the relative error."""
        return float(self.residuals(solution).residual(solution.model.vector).square().sum())

    def refitted(self, solution: Solution, steps: int, enough: float = ROUND_OFF) -> tuple[Solution, float]:
        """Return a copy of the solution after at most `steps` steps, and its loss; stop at a loss of `enough`."""
        solution = renewed(solution, copied(solution))
        network = solution.network
        network.straight = False
        residuals = self.residuals(solution)
        vector, loss = descended(residuals, solution.model.vector, steps, enough)
        solution.model.assign(vector)
        network.straighten(residuals.places)
        return solution, loss


def descended(problem: LeastSquares, vector: Tensor, steps: int, enough: float) -> tuple[Tensor, float]:
    """Return the vector after Gauss–Newton steps, and its loss."""
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
    """Return the solution after at most `steps` Gauss–Newton steps on its problem; atoms stay atoms, pruned edges zero.

    Raises ConfigurationError if the network has too many parameters for a whole Jacobian.
    """
    check_solution(solution)
    return FixedRows(solution).refitted(solution, steps)[0]
