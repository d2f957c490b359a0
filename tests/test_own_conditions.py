"""Conditions of one's own: a class in a user's file is solved with, proved, held by construction and saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Constraint, Dirichlet, Initial, Problem, Solution, certify, solve
from kanpde.errors import ProblemError
from kanpde.geometry.domain import outward_normals
from kanpde.problem.block import Block
from kanpde.problem.constraint import BoundaryValue
from kanpde.problem.declaration import Declaration
from kanpde.problem.equation import Equation, Formulation
from kanpde.problem.field import lookup


@dataclass(frozen=True)
class Impedance(Constraint):
    """u_t + c du/dn = 0: a wave of speed c leaves through the faces."""

    speed: float
    on: str = "boundary"

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        domain, faces = problem.domain, problem.domain.resolve(self.on)
        time, axes = (domain.axis("t"),), sorted({axis for face in faces for axis in face.axes})

        def evaluate(sides: Any, index: Any, unknowns: Any) -> torch.Tensor:
            u, normal = lookup(sides[0].fields[0]), outward_normals(domain, faces, sides[0].points, index)
            return (u(time) + self.speed * sum(normal[:, axis] * u((axis,)) for axis in axes))[None]

        partials = {0: frozenset([time, *((axis,) for axis in axes)])}
        return Block(name, "condition", problem.fields, faces, partials, evaluate, weight=self.weight)


@dataclass(frozen=True)
class Provable(Impedance):
    def equations(self, name: str, formulation: Formulation) -> Iterator[Equation]:
        domain, speed = formulation.problem.domain, formulation.number(self.speed)
        for face in domain.resolve(self.on):

            def left(u: Any, face: Any = face) -> Any:
                return formulation.partial(u, (domain.axis("t"),)) + speed * formulation.normal_derivative(u, face)

            yield formulation.equal(name, 0, face, left, 0)


@dataclass(frozen=True)
class Clamped(Constraint):
    """u = 0 on faces, by construction if wanted."""

    on: str = "boundary"

    hardenable: ClassVar[bool] = True

    def block(self, name: str, problem: Declaration) -> Block:
        return Dirichlet(0, on=self.on, hard=self.hard).block(name, problem)

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        return (BoundaryValue(problem.domain.resolve(self.on), 0),)


@dataclass(frozen=True)
class Promising(Clamped):
    """It says that it can hold by construction, and does not say what."""

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        return ()


@dataclass(frozen=True)
class Leaving(Problem):
    """A wave that comes in on the left and leaves on the right."""

    speed: float = 1.5
    condition: type[Impedance] = Provable

    domain = Box(x=(0, 1), t=(0, 0.5))

    def residual(self, u):  # type: ignore[no-untyped-def]
        return u.tt - self.speed**2 * u.xx

    def conditions(self):  # type: ignore[no-untyped-def]
        return {
            "start": Initial("exact"),
            "velocity": Initial("exact", order=1),
            "left": Dirichlet("exact", on="x-"),
            "right": self.condition(self.speed, on="x+"),
        }

    def exact(self, x, t):  # type: ignore[no-untyped-def]
        return sp.sin(2 * (x - self.speed * t))


@dataclass(frozen=True)
class Membrane(Problem):
    edge: Constraint = Clamped(hard=True)

    domain = Box(x=(0, 1), y=(0, 2))

    def residual(self, u):  # type: ignore[no-untyped-def]
        return u.xx + u.yy + 1

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"edge": self.edge}


def test_the_rows_are_the_formula() -> None:
    block = Leaving().blocks()[-1]
    assert (block.name, block.components) == ("right", ("u",))
    assert Leaving().check_exact() == []


def test_it_is_solved_with_and_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    problem = Leaving()
    solution = solve(problem, training={"target": 1e-6})
    assert solution.errors()["relative_l2"] < 1e-6
    assert solution.rms()["right"] < 1e-5
    solution.save(tmp_path / "leaving.kan")
    again = Solution.load(tmp_path / "leaving.kan", problem=problem)
    x = np.linspace(0, 1, 11)
    assert np.array_equal(again(x=x, t=0.25), solution(x=x, t=0.25))


@pytest.mark.parametrize(("condition", "status"), [(Provable, "proved"), (Impedance, "numeric")])
def test_formulas_are_proved_where_it_states_itself(condition: type[Impedance], status: str) -> None:
    a, b, x, t = sp.symbols("a b x t", real=True)
    certificate = certify(sp.sin(a * x - b * t), {a: 2.01, b: 2.98}, Leaving(condition=condition))
    assert certificate.status == status
    assert status == "proved" or "a condition of type Impedance has no statement in SymPy" in certificate.reason


def test_a_wave_that_does_not_leave_is_no_solution() -> None:
    a, x, t = sp.symbols("a x t", real=True)
    problem = Leaving(condition=lambda speed, on: Provable(-speed, on))
    assert certify(sp.sin(a * (x - 1.5 * t)), {a: 2.0}, problem).status == "none"
    assert ["'right'" in warning for warning in problem.check_exact()] == [True]


def test_it_holds_by_construction() -> None:
    solution = solve(Membrane(), training={"target": 1e-5})
    s = np.linspace(0, 1, 21)
    for edge in ({"x": s, "y": 0.0}, {"x": s, "y": 2.0}, {"x": 0.0, "y": 2 * s}, {"x": 1.0, "y": 2 * s}):
        assert not solution(**edge).any()
    assert solution(x=0.5, y=1.0) == pytest.approx(0.1138738, rel=1e-4)  # Timoshenko and Goodier, table of torsion


def test_what_cannot_hold_by_construction_is_refused() -> None:
    with pytest.raises(ProblemError, match="hard Impedance can't be built"):
        Leaving(condition=lambda *given, on: Impedance(*given, on=on, hard=True)).blocks()
    with pytest.raises(ProblemError, match="hard 'edge' of membrane can't be built"):
        solve(Membrane(Promising(hard=True)))
