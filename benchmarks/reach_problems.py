"""The problems of reach.py: several of every kind that users bring, each in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from numpy.polynomial import legendre
from scipy.special import j0, jn_zeros

from kanpde import (
    Annulus,
    Ball,
    Box,
    Data,
    Dirichlet,
    Disk,
    Ellipse,
    Implicit,
    Initial,
    Integral,
    Interface,
    Neumann,
    Polygon,
    Problem,
    Robin,
    Shell,
    Solution,
    load_problem,
    no_slip,
)
from kanpde.files import shipped

Measure = Callable[[Solution], float]
X, Y, Z, T = sp.symbols("x y z t")
WAVE = sp.exp((3 * X + 4 * Y) / 5)  # Δu = u
HARMONIC = sp.exp(X) * sp.cos(Y)
L_SHAPE = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])


@dataclass(frozen=True)
class Case:
    """One row: the kind, the problem for a seed, the bars of the error and of the seconds, and how many seeds.

    `measure` is the error; a row of several seeds is met if all but one of twenty are within the bar. `formula` says
    if a formula has to be proved.
    """

    kind: str
    name: str
    problem: Callable[[int], Problem]
    error: float
    seconds: float
    measure: Measure | None = None
    seeds: int = 1
    formula: bool = False


def stated(domain: Any, residual: Any, exact: Any = None, given: Any = None, **members: Any) -> Problem:
    """Return a problem of these parts; without conditions its exact values are given on the whole boundary."""
    conditions: Mapping[str, Any] = {"boundary": Dirichlet("exact")} if given is None else given
    own = {"exact": lambda self: exact} if exact is not None else {}
    parts = {"domain": domain, "residual": staticmethod(residual), "conditions": lambda self: conditions}
    return type("Stated", (Problem,), {**parts, **own, **members})()


def laplace(u: Any) -> Any:
    """Return Δu in the plane."""
    return u.xx + u.yy


def screened(u: Any) -> Any:
    """Return Δu - u."""
    return u.xx + u.yy - u


def star(x: Any, y: Any) -> Any:
    """Return a level that is negative inside a star with five deep arms."""
    return torch.sqrt(x**2 + y**2) - 1 - 0.3 * torch.cos(5 * torch.atan2(y, x))


# Smooth and linear ----------------------------------------------------------------------------------------------------

PENTAGON = Polygon([(0, 0), (2, 0), (2.5, 1), (1, 2), (-0.5, 1)])
PIERCED = Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.2, name="hole")
RING = Annulus((0, 0), 0.5, 1)
DISK = Disk((0, 0), 1)
MIXED = {"box": Dirichlet("exact", on=["x", "y"]), "hole": Neumann("exact", on="hole")}


def carried(u: Any, x: Any, y: Any) -> Any:
    """Return advection and diffusion in a variable wind."""
    return u + (1 + y) * u.x - x * u.y - (u.xx + u.yy) / 10


def heptagon() -> Polygon:
    """Return a regular polygon."""
    return Polygon([(np.cos(2 * np.pi * k / 7), np.sin(2 * np.pi * k / 7)) for k in range(7)])


BELL = sp.exp(-2 * ((X - sp.Rational(1, 5)) ** 2 + Y**2))
SMOOTH = {
    "disk, Δu = u": lambda: stated(DISK, screened, WAVE),
    "disk, Robin": lambda: stated(DISK, screened, WAVE, {"rim": Robin(1, 2, "exact")}),
    "disk, wind, manufactured": lambda: stated(DISK, carried, BELL, source="exact"),
    "ellipse, Helmholtz, k = 5": lambda: stated(
        Ellipse((0, 0), (1, 0.5)), lambda u: u.xx + u.yy + 25 * u, sp.cos(3 * X + 4 * Y)
    ),
    "annulus, log r": lambda: load_problem("laplace_annulus"),
    "annulus, flux inside": lambda: stated(
        RING, screened, WAVE, {"in": Neumann("exact", on="inner"), "out": Dirichlet("exact", on="outer")}
    ),
    "annulus, u_xx + 4 u_yy": lambda: stated(RING, lambda u: u.xx + 4 * u.yy, sp.exp(2 * X) * sp.cos(Y)),
    "annulus, 1 and 0, u_xx + 4 u_yy": lambda: stated(
        RING, lambda u: u.xx + 4 * u.yy, given={"in": Dirichlet(1, on="inner"), "out": Dirichlet(0, on="outer")}
    ),
    "pentagon": lambda: stated(PENTAGON, screened, WAVE),
    "heptagon, Neumann": lambda: stated(heptagon(), screened, WAVE, {"sides": Neumann("exact")}),
    "star, shallow": lambda: load_problem("laplace_star"),
    "star, deep": lambda: stated(Implicit(star, Box(x=(-1.5, 1.5), y=(-1.5, 1.5))), screened, WAVE),
    "box minus disk": lambda: stated(PIERCED, screened, WAVE, MIXED),
    "box minus disk, potential flow": lambda: load_problem("cylinder_flow"),
    "box minus disk, elastic (Kirsch)": lambda: load_problem("kirsch"),
}

# Corners and holes ----------------------------------------------------------------------------------------------------


def corner_mode(opening: Any, kind: Any, order: int) -> Any:
    """Return r^α sin αθ or r^α cos αθ with α = order π / opening, from the positive x-axis on."""
    angle = sp.atan2(-X - Y, Y - X) + 3 * sp.pi / 4
    power = order * sp.pi / opening
    return (X**2 + Y**2) ** (power / 2) * kind(power * angle)


CORNERS = {
    "L-shape": lambda: load_problem("l_shape"),
    "L-shape, smooth and singular": lambda: stated(
        L_SHAPE, laplace, corner_mode(3 * sp.pi / 2, sp.sin, 1) + corner_mode(3 * sp.pi / 2, sp.sin, 5) + HARMONIC
    ),
    "L-shape, closed walls": lambda: stated(
        L_SHAPE,
        laplace,
        corner_mode(3 * sp.pi / 2, sp.cos, 1),
        {"walls": Neumann(0, on=["side1", "side6"]), "far": Dirichlet("exact", on=[f"side{k}" for k in (2, 3, 4, 5)])},
    ),
    "sector, mixed": lambda: load_problem("sector"),
    "sector, cold": lambda: stated(DISK - Box(x=(0, 2), y=(-2, 0)), laplace, corner_mode(3 * sp.pi / 2, sp.sin, 2)),
    "Motz": lambda: load_problem("motz"),
}

QUARTERS = [(sp.Rational(a, 4), sp.Rational(b, 4)) for a in (1, 3) for b in (1, 3)]
CHARGES = sum(k * sp.log((X - a) ** 2 + (Y - b) ** 2) for k, (a, b) in enumerate(QUARTERS, 1))


def pierced(radius: float) -> Any:
    """Return a square with four round holes."""
    square: Any = Box(x=(0, 1), y=(0, 1))
    for number, (a, b) in enumerate(QUARTERS):
        square = square - Disk((float(a), float(b)), radius, name=f"hole{number}")
    return square


FLUXES = {
    "walls": Dirichlet("exact", on=["x", "y", "hole0"]),
    "closed": Neumann("exact", on=["hole1", "hole2", "hole3"]),
}
HOLES = {
    "charges in the holes": lambda: stated(pierced(0.1), laplace, HARMONIC + CHARGES),
    "the same, fluxes": lambda: stated(pierced(0.1), laplace, HARMONIC + CHARGES, FLUXES),
    "wide holes": lambda: stated(pierced(0.2), laplace, HARMONIC + CHARGES),
    "Δu = (1 + x) u + f": lambda: stated(
        pierced(0.1), lambda u, x: u.xx + u.yy - (1 + x) * u, HARMONIC + CHARGES, source="exact"
    ),
}

# Time, space, flow ----------------------------------------------------------------------------------------------------

FIRST = float(jn_zeros(0, 1)[0])


def cooling(u: Any) -> Any:
    """Return u_t - Δu / 10."""
    return u.t - (u.xx + u.yy) / 10


def cold_disk() -> Problem:
    """Return a disk whose rim is cold, in its lowest mode."""

    def reference(self: Any, x: Any, y: Any, t: Any) -> Any:
        return np.exp(-(FIRST**2) / 10 * t) * j0(FIRST * np.sqrt(x**2 + y**2))

    start = Initial(lambda x, y: torch.special.bessel_j0(FIRST * torch.sqrt(x**2 + y**2)))
    given = {"start": start, "rim": Dirichlet(0, on="rim")}
    return stated(DISK * Box(t=(0, 1)), cooling, given=given, reference=reference)


HALF = Polygon([(0, 0), (1, 0), (1, 1)])
FADING = sp.exp(-(sp.pi**2) / 2 * T)
LAME = FADING * (sp.sin(2 * sp.pi * X) * sp.sin(sp.pi * Y) - sp.sin(sp.pi * X) * sp.sin(2 * sp.pi * Y))
STARTED = {"start": Initial("exact"), "boundary": Dirichlet("exact")}
RADIUS = sp.sqrt(X**2 + Y**2 + Z**2)
IN_TIME = {
    "heat, disk × time": cold_disk,
    "heat, disk × time, warm rim": lambda: stated(
        DISK * Box(t=(0, 1)), cooling, sp.exp(-T / 2) * sp.sin(X + 2 * Y), STARTED
    ),
    "heat, triangle × time": lambda: stated(HALF * Box(t=(0, 1)), cooling, LAME, STARTED),
    "ball": lambda: load_problem("poisson_ball"),
    "ball, Δu = u": lambda: stated(
        Ball((0, 0, 0), 1), lambda u: u.xx + u.yy + u.zz - u, sp.exp((2 * X + Y + 2 * Z) / 3)
    ),
    "spherical shell, 1 / r": lambda: stated(Shell((0, 0, 0), 0.5, 1), lambda u: u.xx + u.yy + u.zz, 1 / RADIUS),
}


def flow(reynolds: float, time: bool = False) -> Any:
    """Return the residual of the Navier-Stokes equations."""

    def residual(u: Any, v: Any, p: Any) -> Any:
        rate = (u.t, v.t) if time else (0.0, 0.0)
        return {
            "momentum_x": rate[0] + u * u.x + v * u.y + p.x - (u.xx + u.yy) / reynolds,
            "momentum_y": rate[1] + u * v.x + v * v.y + p.y - (v.xx + v.yy) / reynolds,
            "continuity": u.x + v.y,
        }

    return residual


def lid(reynolds: float) -> Problem:
    """Return the flow that a regularised lid drives."""
    walls = {**no_slip("y+", moving=(16 * X**2 * (1 - X) ** 2, 0)), **no_slip(["x", "y-"])}
    given = {**walls, "pressure": Integral(0, field="p")}
    return stated(Box(x=(0, 1), y=(0, 1)), flow(reynolds), given=given, fields=("u", "v", "p"))


def velocity_error(reynolds: float) -> Measure:
    """Return the relative error of the velocity against the spectral reference, at random points."""

    def measure(solution: Solution) -> float:
        x, y = np.random.default_rng(0).random((2, 4000))
        with np.load(shipped("problems") / "references" / "lid.npz") as file:
            series = file[f"reynolds_{reynolds:g}"]
        slopes = [legendre.legval2d(2 * x - 1, 2 * y - 1, legendre.legder(series, axis=a)) for a in (0, 1)]
        truth, found = 2 * np.stack([slopes[1], -slopes[0]]), solution(x=x, y=y)
        return float(np.linalg.norm(np.stack([found["u"], found["v"]]) - truth) / np.linalg.norm(truth))

    return measure


# Materials, unknowns, parameters --------------------------------------------------------------------------------------


def layers() -> Problem:
    """Return a square of two layers, 1 : 1000."""
    left, right = 1000 * X, X + 999 * sp.Rational(1, 2)
    return stated(
        Box(x=(0, 1), y=(0, 1)),
        lambda u, k: k * (u.xx + u.yy),
        sp.Piecewise((left, sp.Rational(1, 2) > X), (right, True)) + (X - sp.Rational(1, 2)) * Y,
        {"far": Dirichlet("exact"), "seam": Interface("left", flux=lambda u, k: (k * u.x, k * u.y), flux_jump=flux)},
        parts={"left": Box(x=(0, 0.5))},
        coefficients={"k": {"left": 1.0, "rest": 1000.0}},
    )


def flux(y: Any) -> Any:
    """Return the jump of the flux that the part (x - 1/2) y has."""
    return 999 * y


def rod() -> Problem:
    """Return a heated rod whose middle conducts a thousand times better."""
    ends, middle = X * (1 - X) / 2, (X * (1 - X) - sp.Rational(3, 16)) / 2000 + sp.Rational(3, 32)
    inside = sp.And(sp.Rational(1, 4) < X, sp.Rational(3, 4) > X)
    return stated(
        Box(x=(0, 1)),
        lambda u, k: k * u.xx + 1,
        sp.Piecewise((middle, inside), (ends, True)),
        {"ends": Dirichlet(0), "seam": Interface("core", flux=lambda u, k: k * u.x)},
        parts={"core": Box(x=(0.25, 0.75))},
        coefficients={"k": {"core": 1000.0, "rest": 1.0}},
    )


MATERIALS = {
    "cylinder in a field": lambda: load_problem("two_materials"),
    "cylinder that insulates": lambda: load_problem("two_materials", conductivity=0.001),
    "rod": rod,
    "layers": layers,
}


def measured(seed: int, truth: Any, count: int = 200) -> Data:
    """Return measurements of a function of x and t with a noise of one per cent of its largest value, 1."""
    draw = np.random.default_rng(seed)
    points = draw.random((count, 2))
    return Data(points, truth(*points.T) + 0.01 * draw.standard_normal(count))


def one_scalar(factor: float) -> Callable[[int], Problem]:
    """Return the problems of a rod whose diffusivity, 0.3, is unknown; the start is off by a factor."""

    def problem(seed: int) -> Problem:
        seen = measured(seed, lambda x, t: np.exp(-0.3 * np.pi**2 * t) * np.sin(np.pi * x))
        given = {"ends": Dirichlet(0, on="x"), "seen": seen}
        unknowns = {"D": 0.3 * factor}
        return stated(Box(x=(0, 1), t=(0, 1)), lambda u, D: u.t - D * u.xx, given=given, unknowns=unknowns)

    return problem


def two_scalars(factors: tuple[float, float]) -> Callable[[int], Problem]:
    """Return those of u_t = a u_xx - b u with a = 0.15 and b = 0.4; two modes tell the constants apart."""

    def truth(x: Any, t: Any) -> Any:
        modes = ((0.7, 1), (0.3, 3))
        return sum(c * np.exp(-(0.15 * (k * np.pi) ** 2 + 0.4) * t) * np.sin(k * np.pi * x) for c, k in modes)

    def problem(seed: int) -> Problem:
        given = {"ends": Dirichlet(0, on="x"), "seen": measured(seed, truth)}
        unknowns = {"a": 0.15 * factors[0], "b": 0.4 * factors[1]}
        return stated(Box(x=(0, 1), t=(0, 1)), lambda u, a, b: u.t - a * u.xx + b * u, given=given, unknowns=unknowns)

    return problem


def deviations(**truth: float) -> Measure:
    """Return the largest error of the unknowns, in their standard deviations."""
    return lambda solution: max(
        abs(solution.unknowns[name] - value) / solution.uncertainty[name] for name, value in truth.items()
    )


def unknown(name: str, truth: float) -> Measure:
    """Return the relative error of a number that was unknown."""
    return lambda solution: abs(solution.unknowns[name] / truth - 1)


def conductivity(solution: Solution) -> float:
    """Return the relative error of the unknown function k."""
    x = np.linspace(0, 1, 1001)
    truth = 1 + np.sin(2 * np.pi * x) / 2
    return float(np.linalg.norm(solution.unknowns["k"](x=x) - truth) / np.linalg.norm(truth))


def eigen(domain: Any, start: float, residual: Any = None) -> Problem:
    """Return an eigenvalue problem of Laplace's operator."""
    given = {"rim": Dirichlet(0), "size": Integral(1, integrand=lambda u: u**2)}
    return stated(domain, residual or (lambda u, s: u.xx + u.yy + s * u), given=given, unknowns={"s": start})


def string(u: Any, s: Any) -> Any:
    """Return u'' + s u."""
    return u.xx + s * u
