"""Round shapes: disks, ellipses and annuli in the plane, balls and shells in space."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.curves import Arc
from kanpde.geometry.names import coordinates_of, face_name, fixed, length, point, shown
from kanpde.geometry.piece import Piece, gauss, tensor
from kanpde.geometry.shape import Shape
from kanpde.geometry.surfaces import Sphere, per_axis


class Ellipse(Shape):
    """((x - x₀)/a)² + ((y - y₀)/b)² ≤ 1 with the radii (a, b); its face is "rim", or `name`."""

    def __init__(
        self,
        center: Sequence[float],
        radii: Sequence[float],
        *,
        coordinates: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        what = type(self).__name__
        self.names, self.name = coordinates_of(coordinates, 2, what), face_name(name, what) or "rim"
        x, y = point(center, 2, f"the center of {what}")
        a, b = (length(radius, f"a radius of {what}") for radius in point(radii, 2, f"the radii of {what}"))
        self.center, self.radii = (x, y), (a, b)
        self.low, self.high = fixed([x - a, y - b]), fixed([x + a, y + b])

    @functools.cached_property
    def pieces(self) -> Pieces:
        return {self.name: (Arc(self.center, self.radii),)}

    def level(self, points: Tensor) -> Tensor:
        """Return (ρ - 1) min(a, b), where ρ is 1 on the ellipse and scales with it; the distance from a circle."""
        scaled = (points - points.new_tensor(self.center)) / points.new_tensor(self.radii)
        return torch.mul(scaled.norm(dim=-1) - 1, min(self.radii))

    @property
    def measure(self) -> float:
        return math.pi * self.radii[0] * self.radii[1]

    @property
    def key(self) -> tuple[Any, ...]:
        return self.center, self.radii, self.name

    def __repr__(self) -> str:
        return f"Ellipse({shown(self.center)}, {shown(self.radii)})"


class Disk(Ellipse):
    """|x - center| ≤ radius in the plane; its face is "rim", or `name`."""

    def __init__(
        self,
        center: Sequence[float],
        radius: float,
        *,
        coordinates: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        radius = length(radius, "the radius of Disk")
        super().__init__(center, (radius, radius), coordinates=coordinates, name=name)

    def __repr__(self) -> str:
        return f"Disk({shown(self.center)}, {self.radii[0]:g})"


class _Hollow(Shape):
    """inner ≤ |x - center| ≤ outer: the common base of annuli and shells.

    The faces are "inner" and "outer"; with a `name`, NAME_inner and NAME_outer, and NAME means both.
    """

    number: int  # of coordinates

    def __init__(
        self,
        center: Sequence[float],
        inner: float,
        outer: float,
        *,
        coordinates: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        what = type(self).__name__
        self.names, self.name = coordinates_of(coordinates, self.number, what), face_name(name, what)
        self.center = point(center, self.number, f"the center of {what}")
        self.inner = length(inner, f"the inner radius of {what}")
        self.outer = length(outer, f"the outer radius of {what}")
        if self.inner >= self.outer:
            raise ProblemError(f"{what} expects inner < outer, got {inner!r} and {outer!r}; swap or change them")
        middle = np.array(self.center)
        self.low, self.high = fixed(middle - self.outer), fixed(middle + self.outer)

    @functools.cached_property
    def pieces(self) -> Pieces:
        before = f"{self.name}_" if self.name else ""
        return {f"{before}inner": (self._round(self.inner, -1),), f"{before}outer": (self._round(self.outer, 1),)}

    def _round(self, radius: float, sign: int) -> Piece:
        raise NotImplementedError

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The name of the shape means both its faces."""
        return {self.name: tuple(self.pieces)} if self.name else {}

    def level(self, points: Tensor) -> Tensor:
        """Return the signed distance."""
        away = (points - points.new_tensor(self.center)).norm(dim=-1)
        return torch.maximum(away - self.outer, self.inner - away)

    @property
    def key(self) -> tuple[Any, ...]:
        return self.center, self.inner, self.outer, self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.center)}, {self.inner:g}, {self.outer:g})"


class Annulus(_Hollow):
    """inner ≤ |x - center| ≤ outer in the plane, with the faces "inner" and "outer".

    With a `name` they are NAME_inner and NAME_outer, and NAME means both.
    """

    number = 2

    def _round(self, radius: float, sign: int) -> Piece:
        return Arc((self.center[0], self.center[1]), (radius, radius), sign=sign)

    @property
    def measure(self) -> float:
        return math.pi * (self.outer**2 - self.inner**2)


class Shell(_Hollow):
    """inner ≤ |x - center| ≤ outer in space, with the faces "inner" and "outer".

    With a `name` they are NAME_inner and NAME_outer, and NAME means both.
    """

    number = 3

    def _round(self, radius: float, sign: int) -> Piece:
        return Sphere((self.center[0], self.center[1], self.center[2]), radius, sign)

    @property
    def measure(self) -> float:
        return 4 / 3 * math.pi * (self.outer**3 - self.inner**3)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return about `count` points (n, 3) of Gauss' rule along every radius, and weights (n,)."""
        return spherical(self.center, self.inner, self.outer, count)


class Ball(Shape):
    """|x - center| ≤ radius in space; its face is "rim", or `name`."""

    def __init__(
        self,
        center: Sequence[float],
        radius: float,
        *,
        coordinates: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.names, self.name = coordinates_of(coordinates, 3, "Ball"), face_name(name, "Ball") or "rim"
        x, y, z = point(center, 3, "the center of Ball")
        self.center, self.radius = (x, y, z), length(radius, "the radius of Ball")
        middle = np.array(self.center)
        self.low, self.high = fixed(middle - self.radius), fixed(middle + self.radius)

    @functools.cached_property
    def pieces(self) -> Pieces:
        return {self.name: (Sphere(self.center, self.radius),)}

    def level(self, points: Tensor) -> Tensor:
        """Return the signed distance."""
        return torch.sub((points - points.new_tensor(self.center)).norm(dim=-1), self.radius)

    @property
    def measure(self) -> float:
        return 4 / 3 * math.pi * self.radius**3

    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return about `count` points (n, 3) of Gauss' rule along every radius, and weights (n,)."""
        return spherical(self.center, 0.0, self.radius, count)

    @property
    def key(self) -> tuple[Any, ...]:
        return self.center, self.radius, self.name

    def __repr__(self) -> str:
        return f"Ball({shown(self.center)}, {self.radius:g})"


def spherical(center: Sequence[float], inner: float, outer: float, count: int) -> tuple[Array, Array]:
    """Return about `count` points (n, 3) between two spheres, and weights (n,) with r² in them."""
    each = per_axis(count, 3)
    radii, weights = gauss(each, inner, outer)
    directions, areas = Sphere((0.0, 0.0, 0.0), 1.0).quadrature(each**2)
    both, products = tensor([radii, directions], [weights * radii**2, areas])
    return np.asarray(center + both[:, :1] * both[:, 1:]), products
