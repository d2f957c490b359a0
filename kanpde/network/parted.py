"""A network for every cell of a domain with parts; each is evaluated at the points of its own cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kanpde import files
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.geometry.partition import Partition
from kanpde.network.kan import KAN

KIND = "parted"

# For every network: the numbers of its points among all, and its features there.
Features = list[tuple[Tensor, Any]]


class PartedNetwork(nn.Module):
    """u(x) = u_c(x) in the cell c in which x lies, with a network u_c for every cell of `partition`."""

    def __init__(self, networks: Sequence[KAN], partition: Partition) -> None:
        super().__init__()
        if len(networks) != len(partition.cells):
            raise ConfigurationError(
                f"expected a network for each of the {len(partition.cells)} cells of the domain's parts, got "
                f"{len(networks)}; give the problem that was saved"
            )
        self.networks, self.partition = nn.ModuleList(networks), partition

    @property
    def degree(self) -> int | None:
        """The degree of the splines."""
        found: int | None = self.networks[0].degree
        return found

    def prepare(self, points: Tensor, plan: JetPlan) -> Features:
        """Precompute every network's features at its own points among points (n, d)."""
        home = self.partition.locate(points.detach())
        where = [torch.nonzero(home == number)[:, 0] for number in range(len(self.networks))]
        pairs = zip(where, self.networks, strict=True)
        return [(each, network.prepare(points[each], plan) if len(each) else None) for each, network in pairs]

    def jets(self, features: Features, plan: JetPlan) -> Tensor:
        """Return the jets (n, S, fields)."""
        pairs = [(where, net.jets(own, plan)) for (where, own), net in zip(features, self.networks, strict=True) if len(where)]
        if not pairs:
            like = next(self.parameters())
            return like.new_zeros(0, len(plan), self.networks[0].architecture()["outputs"])
        order = torch.cat([where for where, _ in pairs])
        return torch.cat([jets for _, jets in pairs])[torch.argsort(order)]

    def architecture(self) -> dict[str, Any]:
        """Return what `from_architecture` needs, as JSON."""
        each = [network.architecture() for network in self.networks]
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
