"""Evaluation at a user's coordinates: arrays or tensors come in; values of their shape, kind and device come out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import OutsideDomainWarning, ProblemError
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Domain
from kanpde.network.kan import KAN
from kanpde.network.slabbed import SlabbedNetwork

CHUNK = 8192  # points evaluated at once
OUTSIDE = 1e-6  # distance beyond the domain, relative to its side, that is not round-off of a coordinate
Evaluate = Callable[[Tensor], Tensor]  # points (n, d) on the network's device -> values (n, names)


class Evaluation:
    """Values of a network's functions at the coordinates of a domain, in chunks.

    The first point outside the domain warns, unless `everywhere` says that the function has no boundary.
    """

    def __init__(self, name: str, domain: Domain, network: KAN, *, everywhere: bool = False) -> None:
        self.name, self.domain, self.network, self.everywhere = name, domain, network, everywhere
        self._warned = False  # of points outside the domain

    def at_points(self, evaluate: Evaluate, points: Any) -> Any:
        """Return values at points (n, d), or (n,) for one coordinate: an array or tensor (n,), or (n, names)."""
        table = self.table(points)
        self._warn_outside(table)
        found = self._in_chunks(evaluate, table)
        found = found[:, 0] if found.shape[1] == 1 else found
        return found.to(points.device) if isinstance(points, Tensor) else np.asarray(found.cpu())

    def table(self, points: Any) -> Tensor:
        """Return points (n, d), or (n,) for one coordinate, as a tensor (n, d); raise ProblemError for other shapes."""
        table, names = self.tensor(points), self.domain.names
        table = table[:, None] if table.dim() == 1 and len(names) == 1 else table
        if table.dim() != 2 or table.shape[1] != len(names):
            raise ProblemError(
                f"expected points of shape (n, {len(names)}) with the columns {', '.join(names)}, got shape "
                f"{tuple(table.shape)}"
            )
        return table

    def by_name(self, evaluate: Evaluate, coordinates: Mapping[str, Any], names: Sequence[str]) -> Any:
        """Return values at coordinates by name, in their broadcast shape; a dict by name if there are several names."""
        expected = self.domain.names
        if set(coordinates) != set(expected):
            given = ", ".join(coordinates) or "none"
            raise ProblemError(
                f"expected the coordinates {', '.join(expected)} by name, got {given}; give each of them once"
            )
        where = next((value.device for value in coordinates.values() if isinstance(value, Tensor)), None)
        tensors = [self.tensor(coordinates[name]) for name in expected]
        try:
            columns = torch.broadcast_tensors(*tensors)  # type: ignore[no-untyped-call]
        except RuntimeError:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in zip(expected, tensors, strict=True))
            raise ProblemError(f"expected shapes that broadcast, got {shapes}; a grid is x[:, None] and t") from None
        points = torch.stack([column.reshape(-1) for column in columns], dim=1)
        self._warn_outside(points)
        values = self._in_chunks(evaluate, points)
        shaped = [column.reshape(columns[0].shape) for column in values.T]
        arrays = [np.asarray(each.cpu()) if where is None else each.to(where) for each in shaped]
        return arrays[0] if len(names) == 1 else dict(zip(names, arrays, strict=True))

    def _warn_outside(self, points: Tensor) -> None:
        """Warn once if points (n, d) are outside the domain; periodic coordinates never are."""
        if self._warned or self.everywhere or not len(points):
            return
        where = self._beyond_the_sides(points) or self._beyond_the_shape(points)
        if where:
            self._warned = True
            warnings.warn(
                f"{self.name} is evaluated outside its domain ({where}), where nothing was solved; the values there "
                "are an extrapolation",
                OutsideDomainWarning,
                stacklevel=4,
            )

    def _beyond_the_sides(self, points: Tensor) -> str:
        """Return by how much points are beyond the bounding box; empty if they are not."""
        domain = self.domain
        ends = np.stack([points.amin(dim=0).detach().cpu().numpy(), points.amax(dim=0).detach().cpu().numpy()])
        beyond = np.maximum(domain.low - ends[0], ends[1] - domain.high)
        return ", ".join(
            f"{name} by {beyond[axis]:.3g} of [{domain.low[axis]:g}, {domain.high[axis]:g}]"
            for axis, name in enumerate(domain.names)
            if not self._periodic[axis] and beyond[axis] > OUTSIDE * (domain.high[axis] - domain.low[axis])
        )

    def _beyond_the_shape(self, points: Tensor) -> str:
        """Return how many of the points are inside the bounding box and outside the shape; empty if there are none."""
        if isinstance(self.domain, Box):
            return ""
        some = points[:: max(1, len(points) // CHUNK)].detach().cpu().double().numpy()
        outside = int((~self.domain.contains(some)).sum())
        return f"{outside} of {len(some)} points" if outside else ""

    @property
    def _periodic(self) -> tuple[bool, ...]:
        network = self.network
        if isinstance(network, KAN):
            return network.first.basis.periodic
        if isinstance(network, SlabbedNetwork) and network.periodic:
            return network.periodic
        return (False,) * self.domain.dimension

    def _in_chunks(self, evaluate: Evaluate, points: Tensor) -> Tensor:
        if torch.is_grad_enabled() and points.requires_grad:
            return torch.cat([evaluate(chunk) for chunk in torch.split(points, CHUNK)])
        with torch.no_grad():
            return torch.cat([evaluate(self.tensor(chunk)).detach() for chunk in torch.split(points, CHUNK)])

    def tensor(self, values: Any) -> Tensor:
        """Return real numbers as a tensor of the network's device and precision."""
        like = next(self.network.parameters())
        if isinstance(values, Tensor):
            return values.to(like)
        array = np.asarray(values)
        if array.dtype.kind == "O" and array.size and all(isinstance(each, Real) for each in array.flat):
            array = array.astype(np.float64)
        if array.dtype.kind not in "biuf":
            shown = repr(values) if array.ndim == 0 else f"an array of {array.dtype}"
            raise ProblemError(f"expected real numbers as coordinates, got {shown}")
        # Copied, because torch rejects arrays that are read-only or have negative strides or another byte order.
        return torch.from_numpy(array.astype(np.float64, order="C")).to(like)
