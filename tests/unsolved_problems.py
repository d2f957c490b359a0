"""Problems that are not solved, each with a word that the audit's reasons must contain, and problems that are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp
import torch

from kanpde import (
    Annulus,
    Box,
    Condition,
    Data,
    Dirichlet,
    Disk,
    Initial,
    Neumann,
    Periodic,
    Problem,
    Robin,
    load_problem,
)

PI = sp.pi
X, Y, T = sp.symbols("x y t")
LINE, TIME, ROD, SQUARE = Box(x=(0, 1)), Box(t=(0, 1)), Box(x=(0, 1), t=(0, 1)), Box(x=(0, 1), y=(0, 1))


def problem(
    box: Box, residual: Callable[..., Any], conditions: Mapping[str, Any], fields: tuple[str, ...] = ("u",), **more: Any
) -> Problem:
    """A problem from its parts."""

    class Made(Problem):
        domain = box

    Made.fields = fields
    Made.residual = staticmethod(residual)
    Made.conditions = lambda self: dict(conditions)
    for name, value in more.items():
        setattr(Made, name, staticmethod(value) if callable(value) else value)
    return Made()


def spike(width: float, place: float = 0.3712) -> Problem:
    """A load on a small part of a string."""
    return problem(LINE, lambda u, x: u.xx - torch.exp(-(((x - place) / width) ** 2)) / width, {"ends": Dirichlet(0)})


def front(steepness: float) -> Problem:
    """c'' = 2 s c c' with c(0) = 1, c(1) = −1: only a change of c by e^{−s} tells where the front stands."""
    height = sp.nsolve(X * sp.tanh(X * steepness / 2) - 1, X, 1, prec=40)
    return problem(
        LINE,
        lambda c: c.xx - 2 * steepness * c * c.x,
        {"left": Dirichlet(1, on="x-"), "right": Dirichlet(-1, on="x+")},
        ("c",),
        exact=lambda x: -height * sp.tanh(steepness * height * (x - sp.Rational(1, 2))),
    )


def bump(width: str) -> Problem:
    """A narrow bump that moves."""
    start = sp.exp(-(((X - sp.Rational(1, 3)) / sp.Rational(width)) ** 2))
    return problem(ROD, lambda u, x, t: u.t + u.x, {"start": Initial(start), "inflow": Dirichlet(0, on="x-")})


def unstable(rate: float, end: float = 1.0) -> Problem:
    """u' = a (u - t²) + 2t from 0: the solution t² with errors that grow by exp(a T)."""
    return problem(
        Box(t=(0, end)),
        lambda u, t: u.t - rate * (u - t**2) - 2 * t,
        {"start": Initial(0)},
        exact=lambda t: t**2,
    )


def bistable() -> Problem:
    """d' = 6d − d³ with d = u − cos t from 0: rounding errors lead from the unstable d = 0 to a stable ±√6."""
    return problem(
        Box(t=(0, 8)),
        lambda u, t: u.t - 6 * (u - torch.cos(t)) + (u - torch.cos(t)) ** 3 + torch.sin(t),
        {"start": Initial(1)},
        exact=lambda t: sp.cos(t),
    )


def reactions() -> Problem:
    """Robertson's three reactions, whose rates differ by nine orders of magnitude."""
    slow, back, fast = 0.04, 1e4, 3e7

    def residual(a, b, c):
        return (
            a.t + slow * a - back * b * c,
            b.t - slow * a + back * b * c + fast * b**2,
            c.t - fast * b**2,
        )

    starts = {name: Initial(value, field=name) for name, value in {"a": 1, "b": 0, "c": 0}.items()}
    return problem(TIME, residual, starts, fields=("a", "b", "c"))


def resonant(mode: int) -> Problem:
    """A string forced at its own frequency: there is no solution."""
    k = mode * math.pi
    return problem(LINE, lambda u, x: u.xx + k**2 * u - torch.sin(k * x), {"ends": Dirichlet(0)})


def homogeneous(mode: int) -> Problem:
    """The same string without a force: every multiple of sin kx is a solution."""
    k = mode * math.pi
    return problem(LINE, lambda u, x: u.xx + k**2 * u, {"ends": Dirichlet(0)})


def contradictory(gap: float) -> Problem:
    """Two values at one end."""
    return problem(
        LINE,
        lambda u: u.xx,
        {"one": Dirichlet(0, on="x-"), "other": Dirichlet(gap, on="x-"), "right": Dirichlet(1, on="x+")},
    )


def backward(end: float) -> Problem:
    """The heat equation towards the past."""
    return problem(
        Box(x=(0, 1), t=(0, end)),
        lambda u: u.t + u.xx,
        {"start": Initial(X * (1 - X)), "ends": Dirichlet(0)},
    )


def cauchy(mode: int) -> Problem:
    """Hadamard's example: both data of Laplace's equation on one side."""
    return problem(
        SQUARE,
        lambda u: u.xx + u.yy,
        {
            "value": Dirichlet(sp.sin(mode * PI * Y), on="x-"),
            "slope": Neumann(0, on="x-"),
            "sides": Dirichlet(0, on="y"),
        },
    )


def layer(thickness: float) -> Problem:
    """A boundary layer at the outflow."""
    return problem(
        LINE,
        lambda u: -thickness * u.xx + u.x - 1,
        {"ends": Dirichlet(0)},
        reference=lambda x: x - np.exp((x - 1) / thickness),
    )


def blow_up(end: float) -> Problem:
    """u' = u² from 1, which is infinite at t = 1."""
    return problem(Box(t=(0, end)), lambda u: u.t - u**2, {"start": Initial(1)})


def sine_start(name: str = "start") -> dict[str, Any]:
    return {name: Initial(sp.sin(PI * X))}


# Name: (problem, a pattern of the reasons).
NOT_SOLVED: dict[str, tuple[Problem, str]] = {
    # A constant that nothing determines, which becomes so large that it buries the rest, on a shape.
    **{
        f"flux {flux} on a ring": (
            problem(
                Annulus((0, 0), 1, 2),
                lambda u: u.xx + u.yy,
                {"in": Neumann(flux, on="inner"), "out": Neumann(1, on="outer")},
            ),
            "a condition is missing: u \\+ c",
        )
        for flux in (-2, 1)
    },
    # Features narrower than the knots.
    **{f"spike {w:g}": (spike(w), "of the equation's source, near x = 0.371") for w in (1e-4, 1e-5, 1e-6)},
    "spike near an end": (spike(1e-5, 0.9137), "of the equation's source, near x = 0.9137"),
    "bump 1e-4": (bump("1e-4"), "of the data of the condition 'start', near x = 0.333"),
    "bump 1e-5": (bump("1e-5"), "of the data of the condition 'start', near x = 0.333"),
    "pulse in time": (
        problem(TIME, lambda u, t: u.t + u - torch.exp(-(((t - 0.7) / 1e-4) ** 2)) * 1e4, {"start": Initial(0)}),
        "of the equation's source, near t = 0.7",
    ),
    "point source": (
        problem(
            SQUARE,
            lambda u, x, y: u.xx + u.yy - 1e6 * torch.exp(-1e6 * ((x - 0.3) ** 2 + (y - 0.6) ** 2)),
            {"rim": Dirichlet(0)},
        ),
        "of the equation's source, near x = 0.29",
    ),
    # Coefficients with features narrower than the knots.
    "sink in time": (
        problem(
            Box(t=(0, 2)),
            lambda u, t: u.t + 100 * torch.exp(-(((t - 1.2345) / 1e-3) ** 2)) * u,
            {"start": Initial(1)},
            exact=lambda t: sp.exp(-sp.sqrt(sp.pi) / 20 * (sp.erf(1000 * t - sp.Rational("1234.5")) + 1)),
        ),
        "of the equation's terms, near t = 1.23",
    ),
    "thin insulation": (
        problem(
            LINE,
            lambda u, x: (1 - (1 - 1e-5) * torch.exp(-(((x - 0.4321) / 1e-4) ** 2))) * u.xx + 1,
            {"ends": Dirichlet(0)},
        ),
        "of the equation's terms, near x = 0.432",
    ),
    "absorbing spot": (
        problem(
            SQUARE,
            lambda u, x, y: u.xx + u.yy - 1e8 * torch.exp(-1e6 * ((x - 0.3) ** 2 + (y - 0.6) ** 2)) * u + 1,
            {"rim": Dirichlet(0)},
        ),
        "of the equation's terms, near x = 0.(29|30)",
    ),
    "narrow contact": (
        problem(
            SQUARE,
            lambda u: u.xx + u.yy + 1,
            {
                "cold": Dirichlet(0, on=["x", "y-"]),
                "contact": Condition(
                    lambda u, x: u.y + 1e5 * torch.exp(-(((x - 0.4321) / 1e-4) ** 2)) * (u - 1), on="y+"
                ),
            },
        ),
        "of the data of the condition 'contact', near x = 0.432",
    ),
    # Errors that grow.
    **{
        f"unstable {rate * end:g}": (unstable(rate, end), "open to working precision|the estimated relative error is")
        for rate, end in ((40.0, 1.0), (50.0, 1.0), (80.0, 1.0), (10.0, 5.5))
    },
    "a stable path after an unstable one": (
        bistable(),
        "open to working precision|the estimated relative error is|can be believed until",
    ),
    # No solution.
    "a huge start of a line": (
        problem(LINE, lambda u: u.xx, {"left": Robin(-1, 1, 1, on="x-"), "right": Dirichlet(0, on="x+")}),
        "open to working precision",
    ),
    **{f"resonance {n}": (resonant(n), "finer splines do not lower|leave the solution open") for n in (1, 2, 3)},
    **{f"two values {g:g}": (contradictory(g), "may contradict each other") for g in (1e-3, 1e-2, 1.0, 100.0)},
    "too many ends": (problem(LINE, lambda u: u.x - 1, {"ends": Dirichlet(0)}), "finer splines do not lower"),
    "three data for order two": (
        problem(LINE, lambda u: u.xx - 1, {"ends": Dirichlet(0), "slope": Neumann(0, on="x-")}),
        "finer splines do not lower",
    ),
    "flux out of a disk without a balance": (
        problem(Disk((0, 0), 1), lambda u: u.xx + u.yy - 1, {"closed": Neumann(0)}),
        "u \\+ c solves the problem too|source",
    ),
    "flux without a balance": (
        problem(SQUARE, lambda u: u.xx + u.yy - 1, {"closed": Neumann(0)}),
        "u \\+ c solves the problem too",
    ),
    "periodic ramp": (problem(LINE, lambda u: u.x - 1, {"round": Periodic("x", order=0)}), "u \\+ c solves"),
    # More than one solution.
    **{f"eigenfunction {n}": (homogeneous(n), "leave the solution open") for n in (1, 2, 5)},
    "nothing said": (problem(SQUARE, lambda u: u.xx + u.yy, {}), "leave the solution open"),
    "no ends": (problem(ROD, lambda u: u.t - u.xx, sine_start()), "leave the solution open"),
    "one end": (
        problem(ROD, lambda u: u.t - u.xx, {**sine_start(), "left": Dirichlet(0, on="x-")}),
        "leave the solution open",
    ),
    "a layer that no condition holds": (
        problem(LINE, lambda u: -1e-4 * u.xx + u.x - 1, {"left": Dirichlet(0, on="x-")}),
        "conditions are missing along x: expected 2",
    ),
    "no start": (problem(ROD, lambda u: u.t - u.xx, {"ends": Dirichlet(0)}), "leave the solution open"),
    "closed box": (
        problem(SQUARE, lambda u, x, y: u.xx + u.yy - torch.cos(math.pi * x), {"closed": Neumann(0)}),
        "u \\+ c solves the problem too",
    ),
    "closed rod": (
        problem(LINE, lambda u, x: u.xx - torch.cos(math.pi * x), {"closed": Neumann(0)}),
        "u \\+ c solves the problem too",
    ),
    "free beam": (
        problem(
            LINE,
            lambda u, x: u.xxxx - torch.cos(2 * math.pi * x),
            {"moment": Condition(lambda u: u.xx, on="x"), "shear": Condition(lambda u: u.xxx, on="x")},
        ),
        "leave the solution open",
    ),
    "drum in time": (
        problem(
            ROD,
            lambda u: u.tt - u.xx,
            {"ends": Dirichlet(0), "first": Initial(0), "last": Condition(lambda u: u, on="t+")},
        ),
        "leave the solution open",
    ),
    "rotation": (
        problem(
            Box(x=(math.pi / 2, math.pi)),
            lambda a, b: (a.x - b, b.x + a),
            {"left": Dirichlet(1, on="x-", field="a"), "right": Dirichlet(-1, on="x+", field="b")},
            ("a", "b"),
        ),
        "leave the solution open",
    ),
    "field in no equation": (
        problem(LINE, lambda u, v: u.xx - 1 + 0 * v, {"ends": Dirichlet(0, field="u")}, ("u", "v")),
        "leave the solution open",
    ),
    "root": (problem(TIME, lambda u: u.t - 2 * torch.sqrt(torch.abs(u)), {"start": Initial(0)}), "is not finite"),
    "pressure": (
        problem(
            LINE,
            lambda u, p, x: (u.xx - p.x - torch.sin(math.pi * x), u.x),
            {"wall": Dirichlet(0, on="x-", field="u")},
            ("u", "p"),
        ),
        "p \\+ c solves the problem too",
    ),
    "unknown without data": (
        problem(ROD, lambda u, k: u.t - k * u.xx, {**sine_start(), "ends": Dirichlet(0)}, unknowns={"k": 0.5}),
        "nothing determines the unknown k",
    ),
    # Ill-posed in time, and problems of which the budget allows a part.
    "backward 0.1": (backward(0.1), "% of the time has been solved|ill-posed|estimated relative error"),
    "backward 1": (backward(1.0), "% of the time has been solved|ill-posed|estimated relative error"),
    "a rod that diffuses forwards and then backwards": (
        problem(
            ROD,
            lambda u, x, t: u.t - (0.5 - t) * u.xx,
            {"start": Initial(sp.sin(PI * X) + sp.sin(7 * PI * X)), "ends": Dirichlet(0, on="x")},
        ),
        "ill-posed in time near",
    ),
    "a thin strip of negative diffusivity": (
        problem(
            ROD,
            lambda u, x, t: u.t - (1 - 2 * torch.exp(-(((x - 0.3712) / 3e-4) ** 2))) * u.xx,
            {"start": Initial(sp.sin(PI * X)), "ends": Dirichlet(0, on="x")},
        ),
        "ill-posed in time near x = 0.371",
    ),
    **{f"Cauchy {n}": (cauchy(n), "open to working precision|ill-posed") for n in (4, 5, 8)},
    **{f"layer {e:g}": (layer(e), "estimated relative error") for e in (1e-8,)},
    "blow-up": (blow_up(2.0), "of the time has been solved"),
    "blow-up on a rod": (
        problem(
            ROD,
            lambda u: u.t - u.xx - u**2,
            {"start": Initial(20 * sp.sin(PI * X)), "ends": Dirichlet(0)},
        ),
        "of the time has been solved",
    ),
    "shock": (
        problem(
            Box(x=(-1, 1), t=(0, 1)),
            lambda u: u.t + u * u.x,
            {"start": Initial(-sp.sin(PI * X)), "ends": Dirichlet(0, on="x")},
        ),
        "of the time has been solved",
    ),
    "chaos": (
        problem(
            Box(t=(0, 60)),
            lambda x, y, z: (x.t - 10 * (y - x), y.t - x * (28 - z) + y, z.t - x * y + 8 / 3 * z),
            {f"{f}0": Initial(1, field=f) for f in "xyz"},
            ("x", "y", "z"),
        ),
        "of the time has been solved|estimated relative error",
    ),
    "fast oscillation": (
        problem(
            LINE, lambda u: u.xx + (1000 * math.pi) ** 2 * u, {"l": Dirichlet(0, on="x-"), "s": Neumann(-1, on="x-")}
        ),
        "estimated relative error",
    ),
    "front between two states": (
        front(15),
        "ill-conditioned|estimated relative error|leave the solution open",
    ),
}

SOLVED: dict[str, Problem] = {
    "load": problem(LINE, lambda u: u.xx + u - 1, {"ends": Dirichlet(0)}),
    "near resonance": problem(LINE, lambda u: u.xx + 9.0 * u - 1, {"ends": Dirichlet(0)}),
    "layer": layer(1e-4),
    "small numbers": problem(
        LINE, lambda u, x: u.xx + math.pi**2 * 1e-12 * torch.sin(math.pi * x), {"ends": Dirichlet(0)},
        exact=lambda x: sp.Float("1e-12") * sp.sin(PI * x),
    ),
    "closed rod with a level": problem(
        LINE,
        lambda u, x: u.xx - torch.cos(math.pi * x),
        {"slope": Neumann(0, on="x-"), "level": Dirichlet(0, on="x-")},
        exact=lambda x: (1 - sp.cos(PI * x)) / PI**2,
    ),
    "rod": problem(
        ROD, lambda u: u.t - u.xx, {**sine_start(), "ends": Dirichlet(0)},
        exact=lambda x, t: sp.exp(-(PI**2) * t) * sp.sin(PI * x),
    ),
    "rise from 300": problem(
        ROD,
        lambda u: u.t - u.xx,
        {"start": Initial(300), "left": Dirichlet(300 + T**3, on="x-"), "right": Dirichlet(300, on="x+")},
    ),
    "mildly unstable": unstable(5.0),
    "reactions": reactions(),
    "a nerve that fires": load_problem("fitzhugh_nagumo"),
    "before the blow-up": problem(
        Box(t=(0, 0.9)), lambda u: u.t - u**2, {"start": Initial(1)}, exact=lambda t: 1 / (1 - t)
    ),
    "stiff": problem(TIME, lambda u, t: u.t + 1e4 * (u - torch.cos(t)), {"start": Initial(1)}),
    "unknown with data": problem(
        TIME, lambda u, k: u.t + k * u, {"start": Initial(1), "seen": Data([[0.5], [1.0]], np.exp([-0.5, -1.0]))},
        unknowns={"k": 0.7}, exact=lambda t: sp.exp(-t),
    ),
    "values of round-off at two ends": problem(
        Box(x=(0, 1), y=(0, 1)), lambda u: u.xx + u.yy,
        {"ends": Dirichlet("exact", on="x"), "others": Dirichlet("exact", on="y")},
        exact=lambda x, y: sp.sin(sp.pi * x) * sp.exp(sp.pi * y),
    ),
}  # fmt: skip
