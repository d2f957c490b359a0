"""The points of a descent: draw them for each block, place them in the window of time, renew and exchange them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Sums
from kanpde.collocation.sampling import INTEGRALS, MOST_IN_INTEGRAL, Sample, draw_by_residual, points_to_retain, sample
from kanpde.collocation.time_window import Window
from kanpde.network.block_points import BlockPoints
from kanpde.network.residuals import Residuals
from kanpde.problem.block import Block
from kanpde.training.phase import TrainingTask

CANDIDATES_PER_POINT = 4  # number of candidates for each interior point
POINTS_PER_PARAMETER = {True: 2.5, False: 3.0}  # interior points, for linear (True) and other equations (False)
SAVED_TENSORS = ("points", "shares", "weights", "scale", "level", "attention")  # a block's tensors in a checkpoint


class TrainingPoints:
    """The points and the scales of `residuals`, whose model must have the parameters found so far."""

    def __init__(self, task: TrainingTask, residuals: Residuals, window: Window) -> None:
        self._domain, self._affine, self._generator = task.problem.domain, task.affine, task.generator
        self._sampling = task.settings.sampling
        self._residuals, self._window = residuals, window

    @property
    def placed(self) -> bool:
        """True if the blocks have points."""
        return len(self._interior.points) > 0

    @property
    def total(self) -> int:
        """The number of points."""
        return sum(len(part.points) for part in self._residuals.parts)

    @property
    def rows(self) -> int:
        """The number of rows that the residuals have after `draw`."""
        blocks = [part.block for part in self._residuals.parts]
        counts = (INTEGRALS if block.integrated else self._count(block) for block in blocks)
        return sum(count * len(block.components) for count, block in zip(counts, blocks, strict=True))

    def draw(self, interior: Sample | None = None) -> None:
        """Give each block fresh points, and the equation those of `interior` if given."""
        for number, part in enumerate(self._residuals.parts):
            given = interior if number == 0 else None
            drawn = self._sample(part.block, self._count(part.block)) if given is None else given
            drawn, weights = self._window.place(drawn, fixed=part.block.points is not None)
            self._residuals.place(number, *drawn.tensors(part.points), shares=self._tensor(weights))

    def rescale(self) -> None:
        """Set each block's scale to the size of its terms; 1 if that is zero or not finite."""
        self._residuals.rescale(balanced=not self._affine)

    def renew(self) -> None:
        """Replace the interior points at which the residual is below its mean by fresh ones."""
        part = self._interior
        sizes = roots(self._residuals.squares(part))
        kept = torch.as_tensor(points_to_retain(sizes, self._adaptive), device=part.points.device)
        fresh, shares = self._window.place(self._sample(part.block, self._count(part.block) - len(kept)), fixed=False)
        points = torch.cat([part.points[kept], self._tensor(fresh.points)])
        self._residuals.place(0, points, None, shares=torch.cat([part.shares[kept], self._tensor(shares)]))

    def seen(self) -> float:
        """Return the equation's part of the loss on its points."""
        return float(self._residuals.squares(self._interior).mean())

    def candidates(self) -> tuple[float, Array, Array]:
        """Return the equation's part of the loss at fresh points, the points (n, d), and the residual's sizes (n,)."""
        part = self._interior
        drawn = self._sample(part.block, CANDIDATES_PER_POINT * self._count(part.block))
        squares = self._residuals.squares(self._residuals.placed(part, self._tensor(drawn.points), None))
        return float(squares.mean()), drawn.points, roots(squares)

    def exchange(self, pool: Array, sizes: Array) -> None:
        """Draw fresh points, and a share of the interior ones from `pool` (n, d) by the residual's `sizes` (n,)."""
        block = self._interior.block
        taken = draw_by_residual(pool, sizes, self._adaptive, self._generator)
        rest = self._sample(block, self._count(block) - len(taken))
        self.draw(Sample(np.concatenate([taken, rest.points]), None))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restore`."""
        tensors: dict[str, Tensor] = {}
        for number, part in enumerate(self._residuals.parts):
            tensors |= {f"{name}.{number}": getattr(part, name) for name in SAVED_TENSORS}
            if part.index is not None:
                tensors[f"index.{number}"] = part.index
            if part.sums is not None:
                tensors |= {f"group.{number}": part.sums.group, f"integral.{number}": part.sums.weights}
        return tensors, {"emphasis": [part.emphasis for part in self._residuals.parts]}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for number, emphasis in enumerate(numbers["emphasis"]):
            index, group = (self._numbers(tensors.get(f"{name}.{number}")) for name in ("index", "group"))
            points, *rest = (self._tensor(tensors[f"{name}.{number}"]) for name in SAVED_TENSORS)
            weights = tensors.get(f"integral.{number}")
            sums = None
            if group is not None and weights is not None:
                sums = Sums(group, self._tensor(weights), int(group.max()) + 1)
            self._residuals.place(number, points, index, sums)
            part = self._residuals.parts[number]
            part.shares, part.weights, part.scale, part.level, part.attention = rest
            part.emphasis = emphasis

    @property
    def _interior(self) -> BlockPoints:
        return self._residuals.parts[0]

    @property
    def _adaptive(self) -> int:
        """The number of interior points that are placed by the residual."""
        return round(self._sampling.adaptive * self._count(self._interior.block))

    def _count(self, block: Block) -> int:
        """Return a block's number of points: its own, else the setting, else a default.

        The default is set by the dimension on faces, and by the number of parameters in the interior.
        """
        if block.points is not None:
            return len(block.points)
        if block.integrated:
            return MOST_IN_INTEGRAL
        dimension = self._domain.dimension
        if block.faces:
            return self._sampling.boundary or (256 if dimension <= 2 else 1024 if dimension <= 4 else 2048)
        least = 2048 if dimension > 1 else 256
        size = self._residuals.model.size
        return self._sampling.interior or max(least, math.ceil(POINTS_PER_PARAMETER[self._affine] * size))

    def _sample(self, block: Block, count: int) -> Sample:
        return sample(block, self._domain, count, self._sampling.sequence, self._generator)

    def _numbers(self, index: Tensor | None) -> Tensor | None:
        return None if index is None else index.to(self._interior.points.device)

    def _tensor(self, values: Array | Tensor) -> Tensor:
        like = self._interior.points
        return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def roots(squares: Tensor) -> Array:
    """Return the square roots of a tensor as an array, in double precision."""
    return np.asarray(squares.sqrt().cpu().double())
