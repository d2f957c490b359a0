"""The rows of a regression on a known function: (∂^α u − ∂^α v) / s_α at points, for every partial of a plan."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Linearisation

CHUNK = 1024  # points evaluated together


class Matching:
    """The jets of `model` against `targets` (n, S, fields) at points (n, d), as a least-squares problem.

    Each partial's misfit is divided by its `scales`, (S, fields) or (n, S, fields); the loss is the mean over points.
    """

    def __init__(self, model: Model, plan: JetPlan, points: Tensor, targets: Tensor, scales: Tensor) -> None:
        self.model, self.points, self.targets = model, points, targets
        self._plan = plan
        weights = (1 / (scales * len(points) ** 0.5)).expand_as(targets)
        pieces = (torch.split(each, CHUNK) for each in (points, targets, weights))
        self._chunks = [(model.prepare(some, plan), *others) for some, *others in zip(*pieces, strict=True)]

    def rows(self) -> Tensor:
        """Return all rows at the model's parameters; differentiable by autograd."""
        return torch.cat([piece.permute(1, 2, 0).reshape(-1) for piece in self._misfits()])

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows (N,) at a parameter vector."""
        self.model.assign(vector)
        with torch.no_grad():
            return self.rows()

    def misfits(self) -> Tensor:
        """Return the root of the sum of squared rows at every point, (n,), times √n."""
        with torch.no_grad():
            rows = torch.cat(list(self._misfits()))
        return rows.square().sum(dim=(1, 2)).mul(len(self.points)).sqrt()

    def _misfits(self) -> Iterator[Tensor]:
        """Yield the weighted misfits (n, S, fields) of every chunk."""
        return ((self.model.jets(prepared) - wanted) * weight for prepared, wanted, weight in self._chunks)

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient (P,) by autograd."""
        self.model.assign(vector)
        loss = self.rows().square().sum()
        parameters = self.model.ordered()
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
        return float(loss.detach()), torch.cat([s.reshape(-1) for s in flat])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return rows and Jacobian at a parameter vector."""
        pieces = list(self.chunks_of_rows(vector))
        return Linearisation.whole(torch.cat([j for j, _ in pieces]), torch.cat([r for _, r in pieces]))

    def chunks_of_rows(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (Jacobian, rows) of one partial of one field of one chunk, in the order of `residual`."""
        self.model.assign(vector)
        for prepared, wanted, weights in self._chunks:
            with torch.no_grad():
                jet, tapes = self.model.taped(prepared)
            for partial in range(len(self._plan)):
                for field in range(wanted.shape[2]):
                    weight = weights[:, partial, field]
                    adjoint = torch.zeros_like(wanted)
                    adjoint[:, partial, field] = weight
                    jacobian = wanted.new_zeros(len(wanted), self.model.size)
                    with torch.no_grad():
                        self.model.add_rows(prepared, tapes, adjoint, jacobian)
                    yield jacobian, (jet[:, partial, field].detach() - wanted[:, partial, field]) * weight
