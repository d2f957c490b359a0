"""The cavities of a body in space: what it encloses, and spheres that are cut out of it at its edge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Domain
from kanpde.geometry.piece import Part, Piece
from kanpde.geometry.shape import Shape
from kanpde.geometry.surfaces import Sphere

NEAREST = 0.9  # distance of a cavity's middle from the boundary, relative to the cavity's radius
CELLS = 24  # of a grid along each axis on which cavities are looked for
LEAST = 8  # cells of a cavity
SAME = 1e-9  # distance from a sphere that is round-off, relative to its radius
SAMPLES = 2000  # points of a surface from which distances are found

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Cavity:
    """A cavity about `at`: its boundary lies between two radii, and all other boundaries beyond `reach`.

    These are distances in the space to which the `map` (3, 3) takes it.
    """

    at: Point
    map: Array
    radii: tuple[float, float]
    reach: float


def cavities_of(domain: Domain, mapped: Array) -> list[Cavity]:
    """Return the cavities of a body whose middles lie outside it, and nearer to no other boundary; none of others."""
    if not isinstance(domain, Shape) or domain.dimension != 3:
        return []
    pieces = [piece for pieces in domain.pieces.values() for piece in pieces]
    every = np.concatenate([piece.quadrature(SAMPLES)[0] for piece in pieces])
    found: dict[Point, Cavity] = {}
    for sphere in filter(None, map(_hollow, pieces)):
        around = sphere.quadrature(SAMPLES)[0]
        here = sphere.distance(every) <= SAME * sphere.radius
        found.setdefault(sphere.center, _cavity(sphere.center, mapped, around, every[~here]))
    for middle, cells in _enclosed(domain):
        if not any(math.dist(middle, known) <= cells.width for known in found):
            here = cells.near(every)
            found[middle] = _cavity(middle, mapped, every[here], every[~here])
    inside = domain.contains(np.array([*found]).reshape(-1, 3))
    pairs = zip(found.values(), inside, strict=True)
    return [each for each, within in pairs if not within and each.reach > NEAREST * each.radii[0] > 0]


def _hollow(piece: Piece) -> Sphere | None:
    """Return the sphere of a piece with the body outside it; None if it is no such piece."""
    sphere = piece.whole if isinstance(piece, Part) else piece
    sign = sphere.sign * (piece.sign if isinstance(piece, Part) else 1)
    return sphere if isinstance(sphere, Sphere) and sign < 0 else None


def _cavity(middle: Point, mapped: Array, own: Array, others: Array) -> Cavity:
    """Return the cavity about a point with its own boundary's points (n, 3), and those of all others."""
    sizes, beyond = (np.linalg.norm((points - middle) @ mapped.T, axis=1) for points in (own, others))
    radii = float(sizes.min(initial=math.inf)), float(sizes.max(initial=0.0))
    return Cavity(middle, mapped, radii, float(beyond.min(initial=math.inf)))


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells (n, 3) of a grid that are outside the body in one cavity, with the grid's `low` corner and widths."""

    numbers: npt.NDArray[np.intp]
    low: Array
    widths: Array

    @property
    def width(self) -> float:
        """The diagonal of a cell."""
        return float(np.linalg.norm(self.widths))

    def near(self, points: Array) -> npt.NDArray[np.bool_]:
        """Return whether points (n, 3) are nearer than about a diagonal to one of the cells."""
        return np.asarray(cKDTree(self.low + self.widths * (self.numbers + 0.5)).query(points)[0] <= self.width)


def _enclosed(domain: Shape) -> Iterator[tuple[Point, Cells]]:
    """Yield the middle and the cells of every part of what is outside a body that is enclosed by it.

    It is looked for on a grid, so that a cavity of the width of a few cells is not seen.
    """
    widths = (domain.high - domain.low) / CELLS
    low, counts = domain.low - widths, CELLS + 2  # with a layer all around
    numbers = np.indices((counts,) * 3).reshape(3, -1).T
    outside = ~domain.contains(low + widths * (numbers + 0.5))
    labels, count = ndimage.label(outside.reshape((counts,) * 3))
    around = labels[0, 0, 0]
    for label in range(1, count + 1):
        cells = np.argwhere(labels == label)
        if label != around and len(cells) >= LEAST:
            x, y, z = (low + widths * (cells.mean(axis=0) + 0.5)).tolist()
            yield (x, y, z), Cells(cells, low, widths)
