"""The least-squares problem of a training: the rows of the problem or of the data, and those of the penalties.

    loss(θ) = ‖r(θ)‖² + smoothness ‖K θ‖² + sparsity(θ)

with K of `roughness_rows`, and the sparsity, with its weights l1 and entropy, of `kanpde.network.penalties`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.calculus import processes
from kanpde.network.kan import KAN
from kanpde.network.penalties import Majorised, Regularisation, penalty_rows
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Chunks, LeastSquares, Linearisation, Rows

SAMPLE = 256  # points at which the sparsity is evaluated


def objective(data: Residuals, model: Model, roughness: Tensor | None, sparsity: Regularisation | None) -> LeastSquares:
    """Return the whole objective for Gauss–Newton at the model's present parameters.

    `roughness` is √smoothness K, (R, P). The sparsity is majorised by squares that are tangent to it.
    """
    smooth = data if roughness is None else Smoothed(data, roughness)
    if sparsity is None or not isinstance(model.network, KAN):
        return smooth
    return Penalised(model, smooth, Majorised(model.network, sparsity, sample_of(data)), 1.0, shared=data.shared)


def sample_of(data: Residuals) -> Tensor:
    """Return the points at which the sparsity is evaluated."""
    return data.parts[0].points[:SAMPLE]


class Smoothed:
    """The data's rows followed by K θ, as a least-squares problem for the optimisers."""

    def __init__(self, data: Residuals, roughness: Tensor) -> None:
        self._data, self._roughness = data, roughness

    def residual(self, vector: Tensor) -> Tensor:
        """Return all rows at a parameter vector."""
        return torch.cat([self._data.residual(vector), self._roughness @ vector])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return all rows and their Jacobian."""
        rows = self._roughness @ vector
        return extended(self._data.linearise(vector), self._roughness, rows, lambda: self.chunks_of_rows(vector))

    def chunks_of_rows(self, vector: Tensor) -> Rows:
        """Yield (Jacobian, rows) in chunks, the penalty's last."""
        yield from self._data.chunks_of_rows(vector)
        yield once(self._roughness, self._data.shared), self._roughness @ vector

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient."""
        loss, gradient = self._data.gradient(vector)
        rows = self._roughness @ vector
        return loss + float(rows.square().sum()), gradient + 2 * self._roughness.T @ rows


class Penalised:
    """A problem's rows followed by those of a majorised sparsity, as a least-squares problem for Gauss–Newton."""

    def __init__(
        self, model: Model, residuals: LeastSquares, penalty: Majorised, weight: float, *, shared: bool = False
    ) -> None:
        self._shared = shared  # the rows, among processes
        self._model, self._residuals, self._penalty, self._factor = model, residuals, penalty, weight**0.5

    def residual(self, vector: Tensor) -> Tensor:
        """Return all rows (N + R,) at a parameter vector."""
        rows = self._residuals.residual(vector)
        with torch.no_grad():
            return torch.cat([rows, self._factor * self._penalty.rows(self._model.network)])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return all rows and their Jacobian."""
        linear = self._residuals.linearise(vector)
        return extended(linear, *self._of_penalty(), lambda: self.chunks_of_rows(vector))

    def chunks_of_rows(self, vector: Tensor) -> Rows:
        """Yield (Jacobian, rows) in chunks, the penalty's last."""
        yield from self._residuals.chunks_of_rows(vector)
        jacobian, rows = self._of_penalty()
        yield once(jacobian, self._shared), rows

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


class ByGradient:
    """The objective for methods that need its gradient only, which is computed by autograd.

    `data_loss` is the part ‖r‖² of the loss at the last gradient.
    """

    def __init__(
        self, data: Residuals, model: Model, roughness: Tensor | None, sparsity: Regularisation | None
    ) -> None:
        self._data, self._model, self._roughness = data, model, roughness
        self._sparsity = sparsity if isinstance(model.network, KAN) else None
        self.shapes, self.constants = data.shapes, data.constants
        self.data_loss = float("nan")

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return the loss and its gradient (P,)."""
        self.data_loss, gradient = self._data.gradient(vector)
        penalties = self._penalties()
        if penalties is None:
            return self.data_loss, gradient
        parameters, more = self._model.ordered(), penalties.square().sum()
        slopes = torch.autograd.grad(more, parameters, allow_unused=True)
        flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
        return self.data_loss + float(more.detach()), gradient + torch.cat([s.reshape(-1) for s in flat])

    def residual(self, vector: Tensor) -> Tensor:
        """Return all rows at a parameter vector."""
        rows = self._data.residual(vector)
        with torch.no_grad():
            penalties = self._penalties()
            return rows if penalties is None else torch.cat([rows, penalties])

    def _penalties(self) -> Tensor | None:
        """Return the rows of the penalties at the model's parameters, differentiable by autograd; None without any."""
        pieces = []
        if self._sparsity is not None:
            assert isinstance(self._model.network, KAN)
            pieces.append(penalty_rows(self._model.network, self._sparsity, sample_of(self._data)))
        if self._roughness is not None:
            pieces.append(self._roughness @ torch.cat([p.reshape(-1) for p in self._model.ordered()]))
        return torch.cat(pieces) if pieces else None

    def linearise(self, vector: Tensor) -> Linearisation:
        """Raise NotImplementedError: no method that needs a Jacobian minimises this."""
        raise NotImplementedError

    def chunks_of_rows(self, vector: Tensor) -> Rows:
        """Raise NotImplementedError, as `linearise`."""
        raise NotImplementedError


def once(jacobian: Tensor, shared: bool) -> Tensor | None:
    """Return a Jacobian that all processes know, in one of those that share the rows, so that it counts once."""
    return jacobian if not shared or processes.rank() == 0 else None


def extended(linear: Linearisation, jacobian: Tensor, rows: Tensor, chunks: Chunks) -> Linearisation:
    """Return a linearisation with further rows and their Jacobian; `chunks` yields all of them."""
    factor, residual = torch.cat([linear.factor, jacobian]), torch.cat([linear.residual, rows])
    if len(linear.factor) == len(linear.residual):
        return Linearisation.whole(factor, residual)
    return Linearisation(factor, torch.cat([linear.rest, rows]), residual, chunks)
