"""Problems of any conditions on any box, of which the equation plays no part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
import torch

from kanpde.geometry.box import Box
from kanpde.problem.conditions import Dirichlet, Initial, Periodic
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem

X, Y, Z, T = sp.symbols("x y z t", real=True)
INTERVAL = Box(x=(-0.3, 1.1))
SQUARE = Box(x=(-1, 2), y=(0.5, 1.2))
CUBE = Box(x=(0, 1), y=(-1, 1), z=(0.1, 0.7))
TIME = Box(t=(0.25, 1))
STRING = Box(x=(-0.5, 1), t=(0.2, 1.3))
PLATE = Box(x=(0, 1), y=(-1, 2), t=(-0.1, 0.6))
CIRCLE = Box(x=(-1, 1), t=(0, 2))


@dataclass(frozen=True)
class Given(Problem):
    """Any conditions on any box; the equation plays no part."""

    box: Any
    what: dict[str, Any]
    solution: Any = None
    fields: tuple[str, ...] = field(default=("u",))

    @property
    def domain(self) -> Box:  # type: ignore[override]
        return self.box

    def parameters(self) -> dict[str, Any]:
        return {}

    def residual(self, **everything: Any) -> Any:
        return everything[self.fields[0]] * 1

    def conditions(self) -> dict[str, Any]:
        return self.what

    def exact(self, **coordinates: Any) -> Any:
        return self.solution


def hard(kind: Any, *arguments: Any, **options: Any) -> Any:
    return kind(*arguments, hard=True, **options)


def built(problem: Problem) -> Ansatz:
    ansatz = Ansatz.of(problem)
    assert ansatz is not None
    return ansatz


WAVE = sp.sin(2 * X + 1) * sp.exp(T) + X * T**2
HEAT = sp.cos(X - Y) * sp.exp(-T) + Y * T
PAIR = (X * sp.cos(T), -X * sp.sin(T))
ON_CUBE = sp.sin(X + 2 * Y) * sp.exp(Z)
ON_CIRCLE = sp.cos(sp.pi * X - 3 * T)
ON_SQUARE = sp.sin(2 * X) * sp.exp(Y)
PROBLEMS = {
    "ends": Given(INTERVAL, {"low": hard(Dirichlet, 2, on="x-"), "high": hard(Dirichlet, lambda x: x**2, on="x+")}),
    "one end": Given(INTERVAL, {"high": hard(Dirichlet, sp.exp(X), on="x+")}),
    "oscillator": Given(TIME, {"start": hard(Initial, 3), "push": hard(Initial, -2, order=1)}),
    "two-point oscillator": Given(
        TIME,
        {"start": hard(Initial, 3), "push": hard(Initial, sp.sin(T), order=1), "end": hard(Dirichlet, 1, on="t+")},
    ),
    "square": Given(SQUARE, {"all": hard(Dirichlet, "exact")}, ON_SQUARE),
    "three sides": Given(
        SQUARE,
        {
            "low": hard(Dirichlet, lambda y: -math.sin(2) * torch.exp(y), on="x-"),
            "others": hard(Dirichlet, ON_SQUARE, on=["y-", "x+"]),
            "soft": Dirichlet(5, on="y+"),
        },
    ),
    "cube": Given(CUBE, {"all": hard(Dirichlet, "exact")}, ON_CUBE),
    "corner of a cube": Given(CUBE, {"some": hard(Dirichlet, "exact", on=["x+", "y", "z-"])}, ON_CUBE),
    "diffusion": Given(STRING, {"ends": hard(Dirichlet, "exact", on="x"), "start": hard(Initial, WAVE)}, WAVE),
    "vibration": Given(
        STRING,
        {"ends": hard(Dirichlet, "exact"), "start": hard(Initial, "exact"), "go": hard(Initial, "exact", order=1)},
        WAVE,
    ),
    "vibration between times": Given(
        STRING,
        {
            "sides": hard(Dirichlet, "exact", on=["x-", "t+"]),
            "start": hard(Dirichlet, WAVE, on="t-"),
            "go": hard(Initial, sp.diff(WAVE, T), order=1),
        },
        WAVE,
    ),
    "membrane": Given(
        PLATE,
        {
            "rim": hard(Dirichlet, lambda x, y, t: torch.cos(x - y) * torch.exp(-t) + y * t),
            "start": hard(Initial, "exact"),
            "go": hard(Initial, "exact", order=1),
        },
        HEAT,
    ),
    "system": Given(
        STRING,
        {
            "u ends": hard(Dirichlet, X * sp.cos(T), on="x", field="u"),
            "u start": hard(Initial, X * sp.cos(T), field="u"),
            "v end": hard(Dirichlet, lambda t: torch.sin(t) / 2, on="x-", field="v"),
            "v free": Dirichlet("exact", on="x+", field="v"),
        },
        PAIR,
        ("u", "v"),
    ),
    "exact system": Given(STRING, {"ends": hard(Dirichlet, "exact"), "go": hard(Initial, "exact")}, PAIR, ("u", "v")),
    "ring": Given(CIRCLE, {"ring": hard(Periodic, "x", order=2)}),
    "wave on a ring": Given(
        CIRCLE,
        {
            "ring": hard(Periodic, "x"),
            "start": hard(Initial, lambda x: torch.cos(torch.pi * x)),
            "go": hard(Initial, "exact", order=1),
        },
        ON_CIRCLE,
    ),
    "two rings": Given(
        CIRCLE, {"u": hard(Periodic, "x", field="u"), "v": hard(Periodic, "x", field="v")}, fields=("u", "v")
    ),
}
