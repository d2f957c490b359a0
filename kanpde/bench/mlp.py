"""A multilayer perceptron with tanh that offers the loss the jets and per-point Jacobians of a kanpde network.

z_l = W_l a_{l-1} + b_l and a_l = tanh z_l, with jets by Faà di Bruno's formula. Let δ_l be the derivative of a point's
Σ adjoint · jet by the jet of z_l. The point's row of the Jacobian is Σ_α δ_l^α ⊗ a_{l-1}^α for W_l and δ_l^() for b_l.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from kanpde.calculus import jets
from kanpde.calculus.jets import JetPlan
from kanpde.network.base_functions import tanh
from kanpde.problem.problem import Problem


@dataclass(frozen=True)
class Prepared:
    """The jet (n, S, d) of the scaled coordinates at fixed points."""

    plan: JetPlan
    jet: Tensor


@dataclass(frozen=True)
class Tape:
    """The jets of a layer's inputs (n, S, i) and of its sums (n, S, o)."""

    entering: Tensor
    sums: Tensor


class MLP(nn.Module):
    """Three hidden layers of tanh with at most `parameters` parameters; coordinates are scaled to [−1, 1].

    The weights start as in Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010). The methods are those that `kanpde.network.residuals.Residuals` needs of a model.
    """

    names: tuple[str, ...] = ()
    unknowns: Mapping[str, Tensor] = {}

    def __init__(self, problem: Problem, parameters: int, seed: int) -> None:
        super().__init__()
        domain = problem.domain
        self.low, self.span = torch.as_tensor(domain.low.copy()), torch.as_tensor(domain.high - domain.low)
        sizes = layer_sizes(domain.dimension, len(problem.fields), parameters)
        generator = torch.Generator().manual_seed(seed)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, o in zip(sizes[:-1], sizes[1:], strict=True):
            start = torch.randn(o, i, generator=generator, dtype=torch.float64) * (2 / (i + o)) ** 0.5
            self.weights.append(nn.Parameter(start))
            self.biases.append(nn.Parameter(torch.zeros(o, dtype=torch.float64)))

    def prepare(self, points: Tensor, plan: JetPlan) -> Prepared:
        """Compute the jet of the scaled coordinates at points (n, d), for the partials of `plan`."""
        jet = plan.coordinates(points) * (2 / self.span)
        jet[:, 0] = 2 * (points - self.low) / self.span - 1
        return Prepared(plan, jet)

    def jets(self, prepared: Prepared) -> Tensor:
        """Return the fields' jets (n, S, fields), differentiable by autograd."""
        return self._forward(prepared)[0]

    def taped(self, prepared: Prepared) -> tuple[Tensor, list[Tape]]:
        """Return the jets and the tapes that `add_rows` needs."""
        with torch.enable_grad():
            return self._forward(prepared)

    def _forward(self, prepared: Prepared) -> tuple[Tensor, list[Tape]]:
        jet, tapes = prepared.jet, []
        for position, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            sums = jet @ weight.T
            sums = torch.cat([sums[:, :1] + bias, sums[:, 1:]], dim=1)
            tapes.append(Tape(jet, sums))
            last = position == len(self.weights) - 1
            jet = sums if last else activated(sums, prepared.plan)
        return jet, tapes

    def add_rows(self, prepared: Prepared, tapes: Sequence[Tape], adjoint: Tensor, rows: Tensor) -> None:
        """Add to `rows` (n, P) the per-point derivatives of Σ adjoint · jet by the parameters, in their order."""
        deltas = torch.autograd.grad(tapes[-1].sums, [tape.sums for tape in tapes], adjoint, retain_graph=True)
        blocks = [torch.einsum("nso,nsi->noi", d, t.entering) for d, t in zip(deltas, tapes, strict=True)]
        start = 0
        for block in [*blocks, *(delta[:, 0] for delta in deltas)]:
            columns = block[0].numel()
            rows[:, start : start + columns] += block.detach().flatten(1)
            start += columns

    def forward(self, points: Tensor) -> Tensor:
        """Return the values (n, fields) at points (n, d)."""
        return self.jets(self.prepare(points, JetPlan(points.shape[1], [()])))[:, 0]

    def ordered(self) -> list[nn.Parameter]:
        """Return all weights, then all biases."""
        return [*self.weights, *self.biases]

    @property
    def vector(self) -> Tensor:
        """All parameters as one detached vector."""
        return parameters_to_vector(self.ordered()).detach()

    def assign(self, vector: Tensor) -> None:
        """Set all parameters from one vector."""
        vector_to_parameters(vector.clone(), self.ordered())

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.ordered())


def activated(sums: Tensor, plan: JetPlan) -> Tensor:
    """Return the jet of tanh: (n, S, o) -> (n, S, o)."""
    derivatives = torch.stack(tanh(sums[:, 0], plan.order + 1), dim=1)
    return (jets.bell_polynomials(plan, sums) * derivatives[:, None]).sum(dim=2)


def layer_sizes(inputs: int, outputs: int, parameters: int) -> list[int]:
    """Return [inputs, w, w, w, outputs] with the largest w that needs at most this number of weights and biases."""
    width = 2
    while count([inputs, *[width + 1] * 3, outputs]) <= parameters:
        width += 1
    return [inputs, *[width] * 3, outputs]


def count(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of fully connected layers."""
    return sum((i + 1) * o for i, o in zip(sizes[:-1], sizes[1:], strict=True))
