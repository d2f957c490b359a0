"""The cavities of a body in space: spheres that are cut out of it, wholly or at its edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Domain
from kanpde.geometry.piece import Part
from kanpde.geometry.shape import Shape
from kanpde.geometry.surfaces import Sphere

NEAREST = 0.9  # distance of a cavity's middle from the boundary, relative to the cavity's radius
SAMPLES = 2000  # points of a surface from which distances are found


@dataclass(frozen=True, eq=False)
class Cavity:
    """A cavity about `at`: its boundary lies between two radii, and all other boundaries beyond `reach`.

    These are distances in the space to which the `map` (3, 3) takes it.
    """

    at: tuple[float, float, float]
    map: Array
    radii: tuple[float, float]
    reach: float


def cavities_of(domain: Domain, mapped: Array) -> list[Cavity]:
    """Return the cavities of a body whose middles lie outside it, and nearer to no other boundary; none of others."""
    if not isinstance(domain, Shape) or domain.dimension != 3:
        return []
    pieces = [piece for pieces in domain.pieces.values() for piece in pieces]
    surfaces = [piece.quadrature(SAMPLES)[0] for piece in pieces]
    found: dict[tuple[float, float, float], Cavity] = {}
    for number, piece in enumerate(pieces):
        sphere = piece.whole if isinstance(piece, Part) else piece
        if not isinstance(sphere, Sphere) or sphere.sign * (piece.sign if piece is not sphere else 1) > 0:
            continue
        sizes = [np.linalg.norm((points - sphere.center) @ mapped.T, axis=1) for points in surfaces]
        own = np.linalg.norm((sphere.quadrature(SAMPLES)[0] - sphere.center) @ mapped.T, axis=1)
        reach = min((float(each.min()) for n, each in enumerate(sizes) if n != number and len(each)), default=math.inf)
        if reach > NEAREST * own.min() and not domain.contains(np.array([sphere.center]))[0]:
            radii = float(own.min()), float(own.max())
            found.setdefault(sphere.center, Cavity(sphere.center, mapped, radii, reach))
    return list(found.values())
