"""The least-squares problem of a fit: the data's rows, and those of the penalties.

    loss(θ) = Σ_f mean_n ((u_f(x_n) − y_nf) / σ_f)² + smoothness ‖K θ‖² + sparsity

with σ_f the standard deviation of the values, so that a loss of 1 explains nothing, and K of `roughness_rows`. The
sparsity, with its weights l1 and entropy, is that of `kanpde.readable.penalties`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import LeastSquares, Linearisation
from kanpde.problem.regression import Regression
from kanpde.readable.penalties import Majorised, Regularisation, penalty_rows
from kanpde.readable.sparsity import Penalised

SAMPLE = 256  # points at which the sparsity is evaluated


def rows_of_data(problem: Regression, model: Model, which: Tensor | None = None) -> Residuals:
    """Return the rows of the data, of all samples or of those numbered `which` (k,)."""
    residuals = Residuals(model, problem.blocks(), problem.domain.names)
    like = model.vector
    points = torch.as_tensor(problem.points).to(like)
    index = torch.arange(len(points), device=like.device) if which is None else which
    residuals.place(0, points[index], index)
    residuals.parts[0].scale = torch.as_tensor(problem.standard[1]).to(like)
    return residuals


def objective(data: Residuals, model: Model, roughness: Tensor | None, sparsity: Regularisation | None) -> LeastSquares:
    """Return the whole objective for Gauss–Newton at the model's present parameters.

    `roughness` is √smoothness K, (R, P). The sparsity is majorised by squares that are tangent to it.
    """
    smooth = data if roughness is None else Smoothed(data, roughness)
    if sparsity is None or not isinstance(model.network, KAN):
        return smooth
    points = data.parts[0].points[:SAMPLE]
    return Penalised(model, smooth, Majorised(model.network, sparsity, points), 1.0)


class Smoothed:
    """The data's rows followed by K θ, as a least-squares problem for the optimisers."""

    def __init__(self, data: Residuals, roughness: Tensor) -> None:
        self._data, self._roughness = data, roughness

    def residual(self, vector: Tensor) -> Tensor:
        """Return all rows at a parameter vector."""
        return torch.cat([self._data.residual(vector), self._roughness @ vector])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return all rows and their Jacobian."""
        data, rows = self._data.linearise(vector), self._roughness @ vector
        factor, residual = torch.cat([data.factor, self._roughness]), torch.cat([data.residual, rows])
        if len(data.factor) == len(data.residual):
            return Linearisation.whole(factor, residual)
        return Linearisation(factor, torch.cat([data.rest, rows]), residual, lambda: self.chunks_of_rows(vector))

    def chunks_of_rows(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (Jacobian, rows) in chunks, the penalty's last."""
        yield from self._data.chunks_of_rows(vector)
        yield self._roughness, self._roughness @ vector

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient."""
        loss, gradient = self._data.gradient(vector)
        rows = self._roughness @ vector
        return loss + float(rows.square().sum()), gradient + 2 * self._roughness.T @ rows


class Sampled:
    """The objective on a part of the samples, for methods that need its gradient only.

    `residual` returns the rows of the last gradient, so that a step evaluates the network once.
    """

    def __init__(
        self, data: Residuals, model: Model, roughness: Tensor | None, sparsity: Regularisation | None
    ) -> None:
        self._data, self._model, self._roughness = data, model, roughness
        self._sparsity = sparsity if isinstance(model.network, KAN) else None
        self._known: Tensor | None = None

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient by autograd."""
        self._model.assign(vector)
        parameters = self._model.ordered()
        pieces = [self._data.rows()]
        if self._sparsity is not None:
            pieces.append(penalty_rows(self._network, self._sparsity, self._data.parts[0].points[:SAMPLE]))
        if self._roughness is not None:
            pieces.append(self._roughness @ torch.cat([p.reshape(-1) for p in parameters]))
        rows = torch.cat(pieces)
        loss = rows.square().sum()
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
        self._known = rows.detach()
        return float(loss.detach()), torch.cat([s.reshape(-1) for s in flat])

    @property
    def _network(self) -> KAN:
        assert isinstance(self._model.network, KAN)
        return self._model.network

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows of the last gradient."""
        assert self._known is not None, "a method asks for the gradient first"
        return self._known

    def linearise(self, vector: Tensor) -> Linearisation:
        """Raise NotImplementedError, because no method that needs a Jacobian trains on a part of the samples."""
        raise NotImplementedError

    def chunks_of_rows(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Raise NotImplementedError, as `linearise`."""
        raise NotImplementedError
