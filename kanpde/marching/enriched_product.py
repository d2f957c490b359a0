"""A tensor product of splines enriched by singular functions of corners and holes, which splines approximate slowly.

In a slab of time every singular function is multiplied by every polynomial in time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import SingularFunction, jets_of
from kanpde.marching.axes import Axis, LegendreAxis
from kanpde.marching.tensor_product import AtPoints, Local, OnCutGrid, OnGrid, TensorProduct

PLANE = 2  # coordinates
POINTS_PER_FUNCTION = 3  # on every face, so that the conditions there determine the functions of one place


@dataclass(frozen=True, eq=False)
class WithFunctions:
    """An enriched product at points: its products of splines, and its singular functions times polynomials in time.

    The points have the numbers `places` (n,) among those at which the functions have the jets `around` (N, S, K). The
    polynomials are `along` (n, orders, T), and partial s has the jet `of_space[s]` and the order `in_time[s]`.
    """

    space: EnrichedProduct
    points: Tensor
    plan: JetPlan
    splines: AtPoints | OnGrid | OnCutGrid | Local
    places: Tensor
    around: Tensor
    along: Tensor
    of_space: tuple[int, ...]
    in_time: tuple[int, ...]

    @cached_property
    def local(self) -> Local:
        """The products that are not zero at the points, and the singular functions."""
        plan, whole = self.plan, self.space
        splines = self.splines if isinstance(self.splines, Local) else whole.splines.local(self.points, plan)
        own = [self._own(s).flatten(1) for s in range(len(plan))]
        first = math.prod(whole.shape)
        numbers = torch.arange(first, whole.size, device=self.points.device).expand(len(self.points), -1)
        features = torch.cat([splines.features, torch.stack(own, dim=1)], dim=2)
        return Local(plan, torch.cat([splines.columns, numbers], dim=1), features, whole.size)

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""
        first = math.prod(self.space.shape)
        amounts = coefficients[first:].view(self.around.shape[2], -1)  # (K, T f)
        at_places = (self.around @ amounts).view(*self.around.shape[:2], self.along.shape[2], -1)  # (N, S, T, f)
        own = [
            torch.einsum("nt,ntf->nf", self.along[:, m], at_places[self.places, s])
            for s, m in zip(self.of_space, self.in_time, strict=True)
        ]
        return self.splines.jets(coefficients[:first]) + torch.stack(own, dim=1)

    def adjoint(self, jets: Tensor) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""
        count, kinds, functions = self.around.shape
        total = jets.new_zeros(count, kinds, self.along.shape[2] * jets.shape[2])
        for each, (s, m) in enumerate(zip(self.of_space, self.in_time, strict=True)):
            share = (self.along[:, m, :, None] * jets[:, each, None, :]).flatten(1)
            total[:, s] += torch.zeros_like(total[:, s]).index_add_(0, self.places, share)
        own = self.around.reshape(-1, functions).T @ total.flatten(0, 1)
        return torch.cat([self.splines.adjoint(jets), own.view(-1, jets.shape[2])])

    def _own(self, partial: int) -> Tensor:
        """Return a partial of the singular functions times the polynomials, (n, K, T)."""
        around = self.around[:, self.of_space[partial]][self.places]
        return around[:, :, None] * self.along[:, self.in_time[partial], None, :]


class EnrichedProduct(TensorProduct):
    """All products of one function of each axis, and then the singular `functions`, which touch all points.

    If an axis has polynomials in time, these are all products of one function and one polynomial, whose index varies
    fastest.
    """

    def __init__(self, axes: Sequence[Axis], functions: Sequence[SingularFunction]) -> None:
        super().__init__(axes)
        self.functions, self.splines = tuple(functions), TensorProduct(axes)
        times = [a for a, axis in enumerate(axes) if isinstance(axis, LegendreAxis)]
        self.time = times[0] if times else None
        self.of_space = tuple(a for a in range(len(axes)) if a != self.time)

    @property
    def size(self) -> int:
        """The number of products and of singular functions."""
        return super().size + len(self.functions) * self.times

    @property
    def times(self) -> int:
        """The number of polynomials in time; 1 without time."""
        return 1 if self.time is None else self.axes[self.time].size

    @property
    def _few(self) -> bool:
        """True in the plane, where the functions at a point are few, so that they need no grids."""
        return len(self.axes) == PLANE

    @property
    def least_on_faces(self) -> int:
        """The smallest number of points on a face at which its condition determines the functions of a place."""
        each = 1 if self.time is not None else POINTS_PER_FUNCTION
        return each * max(Counter(function.corner for function in self.functions).values())

    def local(self, points: Tensor, plan: JetPlan) -> Local:
        """Return the products that are non-zero at points (n, 2), and the singular functions."""
        return self._with(self.splines.local(points, plan), points, plan).local

    def at_points(self, points: Tensor, plan: JetPlan) -> WithFunctions | Local:
        """Return the product at points (n, d) of no grid."""
        return self.local(points, plan) if self._few else self._with(self.splines.at_points(points, plan), points, plan)

    def on_grid(self, lines: Sequence[Tensor], plan: JetPlan) -> WithFunctions | Local:
        """Return the same on a tensor grid: singular functions are no products."""
        points = torch.cartesian_prod(*lines)
        return self.local(points, plan) if self._few else self._with(self.splines.on_grid(lines, plan), points, plan)

    def on_part(self, lines: Sequence[Tensor], inside: Tensor, plan: JetPlan) -> WithFunctions | Local:
        """Return the same at some of its points."""
        points = torch.cartesian_prod(*lines)[inside]
        if self._few:
            return self.local(points, plan)
        return self._with(self.splines.on_part(lines, inside, plan), points, plan)

    def _with(self, splines: AtPoints | OnGrid | OnCutGrid | Local, points: Tensor, plan: JetPlan) -> WithFunctions:
        """Return the singular functions beside products of splines at points (n, d)."""
        if self.time is None:
            places, distinct = torch.arange(len(points), device=points.device), points
            along = points.new_ones(len(points), 1, 1)
        else:
            distinct, places = torch.unique(points[:, list(self.of_space)], dim=0, return_inverse=True)
            along = self._along(self.time, points[:, self.time].contiguous(), plan.order + 1)[1]
        in_space = [tuple(self.of_space.index(a) for a in p if a != self.time) for p in plan.partials]
        own = JetPlan(len(self.of_space), set(in_space))
        in_time = tuple(0 if self.time is None else p.count(self.time) for p in plan.partials)
        around = jets_of(self.functions, distinct, own)
        return WithFunctions(
            self, points, plan, splines, places, around, along, tuple(own.index[p] for p in in_space), in_time
        )


def product_of(axes: Sequence[Axis], functions: Sequence[SingularFunction]) -> TensorProduct:
    """Return the tensor product of axes, enriched by functions if there are any."""
    return EnrichedProduct(axes, functions) if functions else TensorProduct(axes)
