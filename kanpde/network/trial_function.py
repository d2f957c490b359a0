"""The trial function: a network, the lift and factor that enforce hard conditions, and the unknown constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from kanpde.calculus import jets
from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.geometry.partition import Partition
from kanpde.network.kan import KAN
from kanpde.network.layer import Tape
from kanpde.network.mlp import MLP
from kanpde.network.parted import KIND, PartedNetwork
from kanpde.network.repeated import jets_of_repeated
from kanpde.network.slabbed import KIND as SLABBED
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.network.tensor_train import TensorTrain
from kanpde.problem.lift import Lift

CHUNK = 8192  # points evaluated at once by `Model.jets_at`


@dataclass(frozen=True)
class Prepared:
    """The data at points, independent of parameters: the first layer's features, and the jets of lift and factor."""

    plan: JetPlan
    features: Tensor
    lift: Tensor | None = None
    factor: Tensor | None = None


class Model(nn.Module):
    """u = lift + factor · network, or the network if no condition is hard, and a vector of unknown constants."""

    def __init__(
        self,
        network: KAN | MLP | PartedNetwork | SlabbedNetwork | TensorTrain,
        ansatz: Lift | None = None,
        unknowns: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        # A perceptron answers what training and evaluation ask of a network; what reads edges asks for a KAN itself.
        self.network = cast(KAN, network)
        self.ansatz = ansatz
        self.names = tuple(unknowns or ())
        start = torch.tensor(
            [float(value) for value in (unknowns or {}).values()], dtype=next(network.parameters()).dtype
        )
        self.constants = nn.Parameter(start)

    def prepare(self, points: Tensor, plan: JetPlan) -> Prepared:
        """Precompute the data at points (n, d) for the partials of `plan`; differentiable by points that ask for it."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and points.requires_grad):
            lift, factor = (None, None) if self.ansatz is None else ansatz_jets(points, self.ansatz, plan)
            return Prepared(plan, self.network.prepare(points, plan), lift, factor)

    def jets(self, prepared: Prepared) -> Tensor:
        """Return the fields' jets (n, S, fields)."""
        return self._clothed(self.network.jets(prepared.features, prepared.plan), prepared)

    def taped(self, prepared: Prepared) -> tuple[Tensor, list[Tape]]:
        """Return the jets, with the tapes that `add_rows` needs."""
        jet, tapes = self.network.taped(prepared.features, prepared.plan)
        return self._clothed(jet, prepared), tapes

    def add_rows(self, prepared: Prepared, tapes: Sequence[Tape], adjoint: Tensor, rows: Tensor) -> None:
        """Add the per-point derivatives of Σ adjoint · jet to the first columns of `rows` (n, P)."""
        if prepared.factor is not None:
            adjoint = jets.product_adjoint(prepared.plan, prepared.factor, adjoint)
        start = 0
        for block in self.network.rows(tapes, adjoint, prepared.plan):
            columns = block[0].numel()
            rows[:, start : start + columns] += block.flatten(1)
            start += columns

    @torch.no_grad()
    def jets_at(self, points: Tensor, plan: JetPlan, partials: Sequence[MultiIndex] | None = None) -> Tensor:
        """Return the jets (n, S, fields) at many points (n, d), or only these partials; features need much memory."""
        columns = slice(None) if partials is None else [plan.index[partial] for partial in partials]
        like = next(self.network.parameters())
        chunks = (chunk.to(like) for chunk in torch.split(points, CHUNK))
        return torch.cat([self.jets(self.prepare(chunk, plan))[:, columns] for chunk in chunks])

    @torch.no_grad()
    def jets_on_grid(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the same at points (n, d) whose coordinates repeat, up to rounding errors, in less time."""
        like = next(self.network.parameters())
        return torch.cat([self._jets_of_chunk(chunk.to(like), plan) for chunk in torch.split(points, CHUNK)])

    def _jets_of_chunk(self, points: Tensor, plan: JetPlan) -> Tensor:
        jet = jets_of_repeated(self.network, points, plan)
        if jet is None:
            return self.jets(self.prepare(points, plan))
        return jet if self.ansatz is None else clothed(jet, plan, *ansatz_jets(points, self.ansatz, plan))

    def _clothed(self, jet: Tensor, prepared: Prepared) -> Tensor:
        if prepared.lift is None or prepared.factor is None:
            return jet
        return clothed(jet, prepared.plan, prepared.lift, prepared.factor)

    def forward(self, points: Tensor) -> Tensor:
        """Return the values (n, fields) at points (n, d)."""
        return self.jets(self.prepare(points, JetPlan(points.shape[1], [()])))[:, 0]

    @property
    def unknowns(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.constants, strict=True))

    @property
    def vector(self) -> Tensor:
        """All parameters as one detached vector, the network's first."""
        return torch.cat([p.detach().reshape(-1) for p in self.ordered()])

    def assign(self, vector: Tensor) -> None:
        """Set all parameters from one vector; if they have its values, nothing changes, and tapes stay valid."""
        if vector.device.type == "cpu" and torch.equal(vector, self.vector):
            return
        start = 0
        with torch.no_grad():
            for parameter in self.ordered():
                parameter.copy_(vector[start : start + parameter.numel()].view_as(parameter))
                start += parameter.numel()

    def ordered(self) -> list[nn.Parameter]:
        """Return all parameters, the network's first."""
        return [*self.network.parameters(), self.constants]

    @property
    def active(self) -> int:
        """The number of non-zero parameters; those of pruned edges are zero."""
        return sum(int(torch.count_nonzero(parameter)) for parameter in self.ordered())

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.ordered())


def saved_network(description: Mapping[str, Any], state: Mapping[str, Tensor]) -> KAN | MLP:
    """Return the network that an architecture and a state_dict describe, refined knots included."""
    kind: type[KAN] | type[MLP] = MLP if description.get("kind") == "mlp" else KAN
    return kind.from_architecture(description, state)


def saved_on(
    partition: Partition | None, description: Mapping[str, Any], state: Mapping[str, Tensor]
) -> KAN | MLP | PartedNetwork | SlabbedNetwork:
    """Return the same for a problem with this partition, whose network may have parts, and slabs of time, too."""
    if description.get("kind") == SLABBED:
        return SlabbedNetwork.from_architecture(description, state, partition)
    if description.get("kind") == KIND and partition is not None:
        return PartedNetwork.from_architecture(description, state, partition)
    return saved_network(description, state)


def clothed(jet: Tensor, plan: JetPlan, lift: Tensor, factor: Tensor) -> Tensor:
    """Return the jets of lift + factor · network from those of all three, (n, S, fields) each."""
    return lift + jets.product(plan, factor, jet)


def ansatz_jets(points: Tensor, ansatz: Lift, plan: JetPlan) -> tuple[Tensor, Tensor]:
    """Return the jets of lift and factor at points (n, d), (n, S, fields) each; differentiable by the points."""
    if not points.requires_grad or not torch.is_grad_enabled():
        return ansatz.jets(points, plan)
    lift, factor = _AnsatzJets.apply(points, ansatz, plan)  # type: ignore[no-untyped-call]
    return lift, factor


class _AnsatzJets(torch.autograd.Function):
    """The jets of an ansatz, whose derivatives by the points are further partials of the same jets."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, ansatz: Lift, plan: JetPlan) -> tuple[Tensor, Tensor]:
        ctx.ansatz, ctx.plan = ansatz, plan
        ctx.save_for_backward(points)
        return ansatz.jets(points, plan)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor) -> tuple[Tensor, None, None]:
        (points,) = ctx.saved_tensors
        partials, axes = ctx.plan.partials, range(ctx.plan.dimension)
        wider = JetPlan(ctx.plan.dimension, [(*partial, axis) for partial in partials for axis in axes])
        columns = [[wider.index[tuple(sorted((*partial, axis)))] for partial in partials] for axis in axes]
        further = ansatz_jets(points, ctx.ansatz, wider)
        slopes = [
            sum((g * jet[:, which]).sum(dim=(1, 2)) for g, jet in zip(adjoints, further, strict=True))
            for which in columns
        ]
        return torch.stack(slopes, dim=1), None, None  # type: ignore[arg-type]
