"""Proofs on shapes: what is put for the coordinates on a face, and its normal, are those of the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from planted import problem_of

from kanpde import Annulus, Ball, Box, Dirichlet, Disk, Ellipse, Implicit, Initial, Neumann, Polygon, Robin, certify
from kanpde.calculus.expressions import symbols
from kanpde.geometry.shape import Shape
from kanpde.symbolic.proof.faces import Place, places

x, y, z, t = symbols(("x", "y", "z", "t"))
DISK = Disk((0, 0), 1)
PLATE = Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.2, name="hole")
TRIANGLE = Polygon([(0, 0), (1, 0), (0, 1)])


@pytest.mark.parametrize(
    "shape", [DISK & PLATE, Ellipse((1, 2), (2, 0.5)), TRIANGLE, Ball((0, 0, 1), 2), PLATE * Box(t=(0, 1))]
)
def test_every_point_of_a_face_is_in_one_of_its_places(shape: Shape) -> None:
    coordinates = symbols(shape.names)
    for name, pieces in shape.pieces.items():
        points, normals, _ = shape.face_points(name, 12)
        found = [place for piece in pieces for place in places(piece, coordinates)]
        for point, normal in zip(points, normals, strict=True):
            at = dict(zip(coordinates, point.tolist(), strict=True))
            here = [(p, given) for p in found for given in [parameters(p, at)] if matches(p, given)]
            assert any(np.allclose([complex(n.subs(at)) for n in p.normal], normal, atol=1e-3) for p, at in here)


def parameters(place: Place, at: dict[Any, float]) -> dict[Any, float]:
    """The coordinates, and the parameters at which those coordinates that have one parameter are nearest to them."""
    found = dict(at)
    for symbol, (low, high) in place.bounds.items():
        alone = [c for c in at if c in place.values and place.values[c].free_symbols <= {symbol}]
        linear = [c for c in alone if sp.diff(place.values[c], symbol).is_number and place.values[c].has(symbol)]
        if linear:
            (root,) = sp.solve(place.values[linear[0]] - at[linear[0]], symbol) or [low]
            found[symbol] = float(root)
        else:
            tried = np.linspace(float(low), float(high), 40001)
            values = [np.broadcast_to(sp.lambdify(symbol, place.values[c])(tried), 40001) - at[c] for c in alone]
            found[symbol] = float(tried[np.argmin(sum(map(abs, values)))])
    return found


def matches(place: Place, at: dict[Any, float]) -> bool:
    return all(abs(complex(e.subs(at)) - at[s]) < 1e-3 for s, e in place.values.items())


def laplace(source: float = 0) -> Any:
    return lambda u, x, y: u.xx + u.yy - source


def heat(u: Any, x: Any, y: Any, t: Any) -> Any:
    return u.t - u.xx - u.yy


SQUARES = x**2 + y**2
RING = {"in": Neumann(-2, on="inner"), "out": Dirichlet(4, on="outer")}
HOLE = {"all": Dirichlet(x), "hole": Neumann((1 - 2 * x) * sp.Rational(5, 2), on="hole")}
SIDES = {"left": Dirichlet(0, on="side3"), "slope": Dirichlet(1 - y, on="side2")}
WARMING = {"rim": Dirichlet(1 + 4 * t, on="rim"), "start": Initial(SQUARES)}
QUARTIC = Implicit(lambda x, y: x**4 + y**4 - 1, Box(x=(-2, 2), y=(-2, 2)))


@pytest.mark.parametrize(
    ("domain", "residual", "conditions", "formula", "status"),
    [
        (DISK, laplace(-4), {"rim": Dirichlet(0)}, 1 - SQUARES, "proved"),
        (DISK, laplace(4), {"flux": Neumann(2), "mixed": Robin(1, 1, 3)}, SQUARES, "proved"),
        (DISK, laplace(-4), {"rim": Dirichlet(x**8 / 10**6)}, 1 - SQUARES, "none"),
        (Annulus((0, 0), 1, 2), laplace(4), RING, SQUARES, "proved"),
        (PLATE, laplace(), HOLE, x, "proved"),
        (TRIANGLE, laplace(), SIDES, x, "proved"),
        (Ellipse((0, 0), (2, 1)), laplace(2.5), {"rim": Dirichlet(1)}, x**2 / 4 + y**2, "proved"),
        (Ball((0, 0, 0), 1), lambda u: u.xx + u.yy + u.zz - 6, {"rim": Neumann(2)}, SQUARES + z**2, "proved"),
        (DISK * Box(t=(0, 1)), heat, WARMING, SQUARES + 4 * t, "proved"),
        (QUARTIC, laplace(), {"rim": Dirichlet(x)}, x, "proved"),
        (QUARTIC, lambda u, x, y: u.xx + u.yy - 12 * (x**2 + y**2), {"rim": Dirichlet(0)}, x**4 + y**4 - 1, "numeric"),
    ],
)
def test_certificates_on_shapes(domain: Shape, residual: Any, conditions: Any, formula: Any, status: str) -> None:
    problem = problem_of(domain, residual, conditions=lambda self: conditions)
    assert certify(formula, {}, problem).status == status
