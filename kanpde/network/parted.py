"""A network for every cell of a domain with parts; each is evaluated at the points of its own cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from kanpde import files
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.geometry.partition import Partition
from kanpde.network.kan import KAN

KIND = "parted"


@dataclass(frozen=True)
class Own:
    """A network's points (m, d) and their numbers `where` among all, with its own plan and features there."""

    where: Tensor
    points: Tensor
    plan: JetPlan
    features: Any


class PartedNetwork(nn.Module):
    """u(x) = u_c(ξ_c(x)) in the cell c in which x lies, with a network u_c and a frame ξ_c for every cell."""

    def __init__(self, networks: Sequence[KAN], partition: Partition) -> None:
        super().__init__()
        if len(networks) != len(partition.cells):
            raise ConfigurationError(
                f"expected a network for each of the {len(partition.cells)} cells of the domain's parts, got "
                f"{len(networks)}; give the problem that was saved"
            )
        self.networks, self.partition = nn.ModuleList(networks), partition

    def _network(self, number: int) -> KAN:
        return cast(KAN, self.networks[number])

    @property
    def degree(self) -> int | None:
        """The degree of the splines."""
        return self._network(0).degree

    def prepare(self, points: Tensor, plan: JetPlan) -> list[Own]:
        """Precompute every network's features at its own points among points (n, d)."""
        home = self.partition.locate(points.detach())
        return [
            self._own(number, torch.nonzero(home == number)[:, 0], points, plan) for number in range(len(self.networks))
        ]

    def _own(self, number: int, where: Tensor, points: Tensor, plan: JetPlan) -> Own:
        frame, here = self.partition.cells[number].frame, points[where]
        own = JetPlan(plan.dimension, {inner for partial in plan.partials for inner in frame.needed(partial)})
        features = self._network(number).prepare(frame.inwards(here), own) if len(where) else None
        return Own(where, here, own, features)

    def jets(self, prepared: Sequence[Own], plan: JetPlan) -> Tensor:
        """Return the jets (n, S, fields)."""
        found = [self._jets(number, own, plan) for number, own in enumerate(prepared) if len(own.where)]
        if not found:
            return next(self.parameters()).new_zeros(0, len(plan), self._network(0).architecture()["outputs"])
        order = torch.cat([own.where for own in prepared])
        return torch.cat(found)[torch.argsort(order)]

    def _jets(self, number: int, own: Own, plan: JetPlan) -> Tensor:
        inner = self._network(number).jets(own.features, own.plan)
        physical = self.partition.cells[number].frame.physical(lambda p: inner[:, own.plan.index[p]], own.points)
        return torch.stack([physical(partial) for partial in plan.partials], dim=1)

    def architecture(self) -> dict[str, Any]:
        """Return what `from_architecture` needs, as JSON."""
        each = [self._network(number).architecture() for number in range(len(self.networks))]
        return {"kind": KIND, "width": [one["width"] for one in each], "networks": each}

    @classmethod
    def from_architecture(
        cls, description: Mapping[str, Any], state: Mapping[str, Tensor], partition: Partition
    ) -> PartedNetwork:
        """Return the network that an architecture and a state_dict describe, on a partition."""
        networks = [
            KAN.from_architecture(one, files.below(f"networks.{number}.", state))
            for number, one in enumerate(description["networks"])
        ]
        return cls(networks, partition)
