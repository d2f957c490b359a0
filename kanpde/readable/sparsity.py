"""Train towards few edges: Gauss–Newton on the problem's rows and the penalty's, whose weight grows in rounds."""

from __future__ import annotations

from kanpde.errors import ConfigurationError, number
from kanpde.network.objective import Penalised
from kanpde.network.penalties import Majorised, Regularisation
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import check_solution, copied, points_of, renewed
from kanpde.solution import Solution

WEIGHTS = (0.1, 1.0, 10.0, 100.0)  # the penalty's weight in each round, in units of the largest allowed loss
STEPS = 10  # Gauss–Newton steps in a round
SAMPLE = 256  # points at which the penalty is evaluated


def sparsify(
    solution: Solution, l1: float = 1.0, entropy: float = 1.0, smoothness: float = 0.0, allowance: float = 1e-2
) -> Solution:
    """Return the solution concentrated in as few edges as its loss allows; `prune` then removes the others.

    The sum of the loss and μ times the penalty (see `penalty_rows`) is minimised in rounds, with μ ten times larger in
    each, while the root of the loss, the estimated relative error, is at most `allowance`. The refit of `prune`
    restores the accuracy lost here.

    Raises ConfigurationError if a weight is negative or the allowance is not positive.
    """
    check_solution(solution)
    options = Regularisation(l1, entropy, smoothness)
    if not (number(allowance) and allowance > 0):
        raise ConfigurationError(f"expected allowance to be a positive number, got {allowance!r}")
    fixed_rows = FixedRows(solution)
    limit = max(allowance**2, fixed_rows.start)
    for weight in WEIGHTS:
        sparser = renewed(solution, copied(solution))
        descend(sparser.model, fixed_rows.residuals(sparser), options, weight * limit)
        if not fixed_rows.loss(sparser) <= limit:
            break
        solution = sparser
    return solution


def descend(model: Model, residuals: Residuals, options: Regularisation, weight: float) -> None:
    """Take a few steps on the loss and the penalty, which is majorised again before each step."""
    points = points_of(model.network, SAMPLE)
    vector, method = model.vector, GaussNewton()
    model.network.straight = False
    for _ in range(STEPS):
        model.assign(vector)
        step = method.step(Penalised(model, residuals, Majorised(model.network, options, points), weight), vector)
        if not step.accepted:
            break
        vector = step.vector
    model.assign(vector)
    model.network.straighten(residuals.places)
