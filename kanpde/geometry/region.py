"""The region of a cell: a shape in space of which only the inside counts, with the frame of its splines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.frame import Frame
from kanpde.geometry.patch import Patch


class Region(Patch):
    """A patch without faces, whose points come from those of the unit box by a frame over its coordinates."""

    def __init__(
        self,
        names: tuple[str, ...],
        low: Array,
        high: Array,
        level: Callable[[Tensor], Tensor],
        measure: float,
        frame: Frame,
    ) -> None:
        super().__init__(names, low, high, level, measure)
        self.frame = frame

    def spread(self, unit: Array) -> Array:
        """Return points (n, d) of the unit box as points of the frame, which may lie outside."""
        return self.frame.outwards(torch.as_tensor(np.asarray(unit))).numpy()
