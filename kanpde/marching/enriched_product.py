"""A tensor product of splines enriched by singular functions of corners and holes, which splines approximate slowly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from kanpde.calculus.corner_functions import CornerFunction, jets_of
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import Axis
from kanpde.marching.tensor_product import Local, TensorProduct

POINTS_PER_FUNCTION = 3  # on every face, so that the conditions there determine the functions of one place


class EnrichedProduct(TensorProduct):
    """All products of one function of each of two axes, and then the singular `functions`, which touch all points."""

    def __init__(self, axes: Sequence[Axis], functions: Sequence[CornerFunction]) -> None:
        super().__init__(axes)
        self.functions = tuple(functions)

    @property
    def size(self) -> int:
        """The number of products and of singular functions."""
        return super().size + len(self.functions)

    @property
    def least_on_faces(self) -> int:
        """The smallest number of points on a face at which its condition determines the functions of a place."""
        return POINTS_PER_FUNCTION * max(Counter(function.corner for function in self.functions).values())

    def local(self, points: Tensor, plan: JetPlan) -> Local:
        """Return the products that are non-zero at points (n, 2), and the singular functions."""
        splines = super().local(points, plan)
        numbers = torch.arange(super().size, self.size, device=points.device).expand(len(points), -1)
        features = torch.cat([splines.features, jets_of(self.functions, points, plan)], dim=2)
        return Local(plan, torch.cat([splines.columns, numbers], dim=1), features, self.size)

    def on_grid(self, lines: Sequence[Tensor], plan: JetPlan) -> Local:
        """Return the same on a tensor grid: singular functions are no products."""
        return self.local(torch.cartesian_prod(*lines), plan)

    def on_part(self, lines: Sequence[Tensor], inside: Tensor, plan: JetPlan) -> Local:
        """Return the same at some of its points."""
        return self.local(torch.cartesian_prod(*lines)[inside], plan)


def product_of(axes: Sequence[Axis], functions: Sequence[CornerFunction]) -> TensorProduct:
    """Return the tensor product of axes, enriched by functions if there are any."""
    return EnrichedProduct(axes, functions) if functions else TensorProduct(axes)
