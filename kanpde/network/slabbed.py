"""A network for every slab of time, or group of slabs; each is evaluated at the points of its own part of time."""

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
from kanpde.network.parted import PartedNetwork

KIND = "slabbed"


@dataclass(frozen=True)
class During:
    """The numbers `where` of a network's points among all, and the network's own features there."""

    where: Tensor
    features: Any


class SlabbedNetwork(nn.Module):
    """u(x, t) = u_k(x, t) for t_{k-1} < t ≤ t_k, with a network u_k for every k; the first and last go on outside.

    `ends` are the times t_1 < … < t_n, and `time` is the number of the coordinate t.
    """

    def __init__(self, networks: Sequence[KAN | PartedNetwork], ends: Sequence[float], time: int) -> None:
        super().__init__()
        if len(networks) != len(ends) or not networks or any(b <= a for a, b in zip(ends, ends[1:], strict=False)):
            raise ConfigurationError(
                f"expected an increasing final time for each of the {len(networks)} networks, got {len(ends)} times"
            )
        self.networks, self.time = nn.ModuleList(networks), time
        # In double precision however the networks are stored, because a rounded time is another slab's.
        self.times = tuple(map(float, ends))

    def _network(self, number: int) -> KAN:
        return cast(KAN, self.networks[number])

    @property
    def degree(self) -> int | None:
        """The degree of the splines."""
        return self._network(0).degree

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether the networks are periodic in each coordinate."""
        first = self._network(0)
        return tuple(first.first.basis.periodic) if isinstance(first, KAN) else ()

    def locate(self, points: Tensor) -> Tensor:
        """Return the number of the network of each of the points (n, d), (n,)."""
        times = points.detach()[:, self.time].contiguous()
        inner = torch.tensor(self.times[:-1], dtype=times.dtype, device=times.device)
        return torch.searchsorted(inner, times)

    def prepare(self, points: Tensor, plan: JetPlan) -> list[During | None]:
        """Precompute every network's features at its own points among points (n, d); None where it has none."""
        home = self.locate(points)
        found: list[During | None] = [None] * len(self.networks)
        for number in torch.unique(home).tolist():
            where = torch.nonzero(home == number)[:, 0]
            found[number] = During(where, self._network(number).prepare(points[where], plan))
        return found

    def jets(self, prepared: Sequence[During | None], plan: JetPlan) -> Tensor:
        """Return the jets (n, S, fields)."""
        own = [(number, during) for number, during in enumerate(prepared) if during is not None]
        if not own:
            return next(self.parameters()).new_zeros(0, len(plan), self.outputs)
        found = torch.cat([self._network(number).jets(during.features, plan) for number, during in own])
        return found[torch.argsort(torch.cat([during.where for _, during in own]))]

    @property
    def outputs(self) -> int:
        """The number of fields."""
        description = self._network(0).architecture()
        return int(description["outputs"] if "outputs" in description else description["networks"][0]["outputs"])

    def architecture(self) -> dict[str, Any]:
        """Return what `from_architecture` needs, as JSON."""
        each = [self._network(number).architecture() for number in range(len(self.networks))]
        return {
            "kind": KIND,
            "width": [one["width"] for one in each],
            "ends": list(self.times),
            "time": self.time,
            "networks": each,
        }

    @classmethod
    def from_architecture(
        cls, description: Mapping[str, Any], state: Mapping[str, Tensor], partition: Partition | None
    ) -> SlabbedNetwork:
        """Return the network that an architecture and a state_dict describe; each may have parts of a partition."""
        networks: list[KAN | PartedNetwork] = []
        for number, one in enumerate(description["networks"]):
            own = files.below(f"networks.{number}.", state)
            if partition is not None and "networks" in one:
                networks.append(PartedNetwork.from_architecture(one, own, partition))
            else:
                networks.append(KAN.from_architecture(one, own))
        return cls(networks, description["ends"], description["time"])
