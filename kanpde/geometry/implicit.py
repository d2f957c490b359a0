"""Shapes that a level function describes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.box import Box
from kanpde.geometry.contours import contours
from kanpde.geometry.curves import Curve
from kanpde.geometry.isosurface import isosurface
from kanpde.geometry.level_function import LevelFunction
from kanpde.geometry.names import face_name
from kanpde.geometry.piece import Piece, Signs
from kanpde.geometry.shape import Shape

_PROBE = 1e-7  # distance at which the two sides of the box' faces are looked at, relative to the box


class Implicit(Shape):
    """The part of a box, in two or three coordinates, where a torch function of coordinates by name is negative.

    ``Implicit(lambda x, y: x**4 + y**4 - 1, Box(x=(-2, 2), y=(-2, 2)))``. Its face is "rim", or `name`; where the shape
    reaches the box' faces, these are faces too, with their own names. Raises ProblemError if the function is nowhere
    zero in the box.
    """

    def __init__(self, function: Callable[..., Tensor], box: Box, *, name: str | None = None) -> None:
        if not isinstance(box, Box) or box.dimension not in (2, 3) or box.time is not None:
            raise ProblemError(
                f"Implicit expects a Box in two or three coordinates of space, got {box!r}; multiply by Box(t=...) last"
            )
        if not callable(function):
            raise ProblemError(f"Implicit expects a torch function of {', '.join(box.names)}, got {function!r}")
        self.function, self.box, self.names = function, box, box.names
        self.name = face_name(name, "Implicit") or "rim"
        self.low, self.high = box.low, box.high
        if self.name not in self.pieces:
            raise ProblemError(
                f"Implicit expects a function with both signs in {box}, got one without a zero; change one"
            )
        low, high = zip(*(piece.extent for pieces in self.pieces.values() for piece in pieces), strict=True)
        self.low, self.high = np.maximum(box.low, np.min(low, axis=0)), np.minimum(box.high, np.max(high, axis=0))

    @functools.cached_property
    def _level(self) -> LevelFunction:
        """The function divided by its typical slope on the rim."""
        plain = LevelFunction(self.function, self.names)
        points = self._found(plain)
        _, slopes = plain.slopes(points)
        typical = float(np.median(np.linalg.norm(slopes, axis=1))) if len(points) else 0.0
        return LevelFunction(self.function, self.names, typical if typical > 0 else 1.0)

    def _found(self, function: LevelFunction) -> Array:
        """Return grid points of the box next to which the function changes its sign, (n, d)."""
        each = 64 if self.box.dimension == 2 else 24
        lines = [np.linspace(a, b, each) for a, b in zip(self.box.low, self.box.high, strict=True)]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
        negative = function.values(grid.reshape(-1, self.box.dimension)).reshape(grid.shape[:-1]) < 0
        changes = np.zeros_like(negative)
        for axis in range(self.box.dimension):
            changes |= negative != np.roll(negative, 1, axis)
        return np.asarray(grid[changes])

    @functools.cached_property
    def pieces(self) -> Pieces:
        rim: tuple[Piece, ...] = tuple(
            contours(self._level, self.box.low, self.box.high)
            if self.box.dimension == 2
            else isosurface(self._level, self.box.low, self.box.high)
        )
        probe = _PROBE * self.box.size

        def within(points: Array, normals: Array) -> Signs:
            return (self.inside(points - probe * normals) < 0).astype(np.int64)

        others = [curve for curve in rim if isinstance(curve, Curve)]
        sides = {
            name: tuple(part for piece in pieces for part in piece.kept(within, others))
            for name, pieces in self.box.pieces.items()
        }
        return {name: pieces for name, pieces in {self.name: rim, **sides}.items() if pieces}

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups of the box' faces that the shape reaches."""
        found = {n: tuple(face for face in faces if face in self.pieces) for n, faces in self.box.groups.items()}
        return {name: faces for name, faces in found.items() if faces}

    def level(self, points: Tensor) -> Tensor:
        """Return the function, divided by its typical slope on the rim; the box' level where that is larger."""
        return torch.maximum(self._level(points), self.box.level(points))

    @property
    def steady(self) -> bool:
        return False

    @property
    def key(self) -> tuple[Any, ...]:
        return self.function, self.box, self.name

    def __repr__(self) -> str:
        return f"Implicit({getattr(self.function, '__name__', 'function')}, {self.box})"
