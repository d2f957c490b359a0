"""A function of data: values at points, and no equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Data
from kanpde.problem.constraint import Constraint
from kanpde.problem.problem import Problem


class DataBox(Box):
    """A box around points, of any number of coordinates."""

    most: ClassVar[int | None] = None

    @classmethod
    def around(cls, names: Sequence[str], points: Array) -> DataBox:
        """Return the smallest box around points (n, d), with the names; a constant coordinate has an interval."""
        low, high = points.min(axis=0), points.max(axis=0)
        size = np.maximum(np.abs(low), np.abs(high))
        half = np.where(high - low > 1e-12 * size, 0.0, np.where(size > 0, size, 1.0))
        ends = zip((low - half).tolist(), (high + half).tolist(), strict=True)
        return cls(**dict(zip(names, ends, strict=True)))


def no_points() -> Array:
    """Return an array without rows."""
    return np.empty((0, 0))


@dataclass(frozen=True, eq=False)
class Regression(Problem):
    """u = values (n, fields) at points (n, d): the problem whose only condition is `Data`, on a box around its points.

    The held-out points and values are not a condition: they measure the error at points that training does not see.
    Trial functions are mean + deviation · network with the values' own mean and standard deviation, so that a network
    always represents values of size 1. `blocks` raises ProblemError if a shape is wrong or a number is not finite.
    """

    domain: Box
    points: Array
    values: Array
    fields: tuple[str, ...] = ("y",)
    held_out_points: Array = field(default_factory=no_points)
    held_out_values: Array = field(default_factory=no_points)

    @property
    def has_equation(self) -> bool:
        """False: there are only data."""
        return False

    def conditions(self) -> Mapping[str, Constraint]:
        """Return the data."""
        return {"data": Data(self.points, self.values)}

    def parameters(self) -> dict[str, Any]:
        """Return no parameters, because the data are no settings."""
        return {}

    @property
    def has_held_out(self) -> bool:
        """True if some points are held out."""
        return len(self.held_out_points) > 0

    @property
    def unseen(self) -> tuple[Array, Array]:
        """The points and values that training does not see: the held-out ones, or all if none are held out."""
        return (self.held_out_points, self.held_out_values) if self.has_held_out else (self.points, self.values)

    @property
    def standard(self) -> tuple[Array, Array]:
        """The mean and the standard deviation of every field's values, (fields,) each; 1 if the values are constant."""
        spread = self.values.std(axis=0)
        floor = 1e-14 * np.abs(self.values).max(axis=0)
        return self.values.mean(axis=0), np.where(spread > floor, spread, 1.0)
