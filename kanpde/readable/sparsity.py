"""Train towards few edges: Gauss–Newton on the problem's rows and the penalty's, whose weight grows in rounds."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError, number
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import LeastSquares, Linearisation
from kanpde.readable.penalties import Majorised, Regularisation
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import copied, points_of, renewed
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


class Penalised:
    """The problem's rows followed by the penalty's, as a least-squares problem for the optimisers."""

    def __init__(self, model: Model, residuals: LeastSquares, penalty: Majorised, weight: float) -> None:
        self._model, self._residuals, self._penalty, self._factor = model, residuals, penalty, weight**0.5

    def residual(self, vector: Tensor) -> Tensor:
        """Return all rows (N + R,) at a parameter vector."""
        rows = self._residuals.residual(vector)
        with torch.no_grad():
            return torch.cat([rows, self._factor * self._penalty.rows(self._model.network)])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return all rows and their Jacobian; the problem's own is whole, see `FixedRows`."""
        linear = self._residuals.linearise(vector)
        jacobian, rows = self._of_penalty()
        return Linearisation.whole(torch.cat([linear.factor, jacobian]), torch.cat([linear.residual, rows]))

    def chunks_of_rows(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (Jacobian, rows) in chunks, the penalty's last."""
        yield from self._residuals.chunks_of_rows(vector)
        yield self._of_penalty()

    def _of_penalty(self) -> tuple[Tensor, Tensor]:
        """Return the penalty's Jacobian (R, P) and rows (R,) at the model's present parameters."""
        network = self._model.network
        module = Penalty(network, self._penalty)
        parameters = {name: value.detach() for name, value in module.named_parameters()}
        slopes = torch.func.jacrev(lambda values: torch.func.functional_call(module, values, ()))(parameters)
        columns = torch.cat([slope.flatten(1) for slope in slopes.values()], dim=1)
        jacobian = columns.new_zeros(len(columns), self._model.size)
        jacobian[:, : columns.shape[1]] = self._factor * columns
        with torch.no_grad():
            return jacobian, self._factor * self._penalty.rows(network)

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient."""
        linear = self.linearise(vector)
        return linear.loss, 2 * linear.transposed(linear.residual)


class Penalty(torch.nn.Module):
    """The penalty's rows as a module of the network's parameters."""

    def __init__(self, network: torch.nn.Module, penalty: Majorised) -> None:
        super().__init__()
        self.network, self._penalty = network, penalty

    def forward(self) -> Tensor:
        """Return the rows."""
        return self._penalty.rows(self.network)  # type: ignore[arg-type]
