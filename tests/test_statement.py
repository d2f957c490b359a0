"""Torch code read as mathematics: the equations in SymPy are those that the code computes."""

from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from known_fields import rows

from kanpde import Box, Condition, Dirichlet, Initial, Neumann, Periodic, Problem, Robin, load_problem
from kanpde.calculus.expressions import numpy_function, symbols, torch_function
from kanpde.geometry.domain import face_points
from kanpde.problem.registry import discover
from kanpde.symbolic.constants.recognition import exact_number, integer_sum
from kanpde.symbolic.proof.statement import state
from kanpde.symbolic.proof.tracing import FUNCTIONS, Traced, Untraceable

x, t, y = symbols("xty")


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (0.3, sp.Rational(3, 10)), (0.1 + 0.2, sp.Rational(3, 10)), (1 / 3, sp.Rational(1, 3)), (7, sp.Integer(7)),
        (-2.5e-7, sp.Rational(-1, 4000000)), (0.022**2, sp.Rational(121, 250000)), (2 * np.pi**2, 2 * sp.pi**2),
        (0.01 / np.pi, 1 / (100 * sp.pi)), (np.sqrt(2) / 3, sp.sqrt(2) / 3), (1 - 17 * np.pi**2, 1 - 17 * sp.pi**2),
        (0.0, sp.S.Zero), (np.float64(0.5), sp.Rational(1, 2)), (sp.Float(0.25) * x, x / 4),
    ],
)  # fmt: skip
def test_floating_point_numbers_stand_for_exact_ones(value, exact):
    assert exact_number(value) == exact


def test_numbers_that_stand_for_nothing_stay_as_they_are_printed():
    random = np.random.default_rng(1)
    for value in random.uniform(0.1, 10, 200):
        assert exact_number(float(value)) == sp.Rational(repr(float(value)))
    assert integer_sum(2.49944, 1e-5) is None  # at low precision there is always some sum


def test_functions_of_torch_are_those_of_sympy():
    """Every unary function in the table, against torch itself."""
    point, tensor = sp.Rational(3, 7), torch.tensor(3 / 7, dtype=torch.float64)
    checked = 0
    for name, function in FUNCTIONS.items():
        of_torch = getattr(torch, name, None) or getattr(torch.special, name, None)
        try:
            result = of_torch(tensor)
        except (TypeError, RuntimeError):
            continue
        if not isinstance(result, torch.Tensor) or result.dtype == torch.bool or result.isnan():
            continue
        expected = float(result)
        traced = of_torch(Traced(point))
        assert float(sp.N(traced._sympy_())) == pytest.approx(expected, rel=1e-14), name
        assert float(sp.N(function(point))) == pytest.approx(expected, rel=1e-14), name
        checked += 1
    assert checked > 40


@dataclass(frozen=True)
class Odd(Problem):
    """Torch code of many kinds."""

    strength: float = 0.7
    order: int = 2

    domain = Box(x=(0.25, 2), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, t):
        half = torch.tensor(0.5, dtype=torch.float64)
        first = u.t - self.strength * (u * v.x) + half * u.d("x", "x") - 2 / (1 + x**2) + torch.sin(u)
        second = torch.where(x < 0.5, x, 0.5 * torch.ones_like(x)) * v.xt - x.exp().clamp(max=2) + (-u).square()
        return {"first": first, "second": np.float64(2) * second - torch.pow(v, self.order) % 3 + abs(1 - u)}

    def conditions(self):
        return {
            "start": Initial(lambda x: self.strength * torch.sin(torch.pi * x), field="u"),
            "speed": Initial(self.strength * sp.Symbol("x"), order=1, field="v"),
            "value": Dirichlet(sp.cos(self.strength * t), on=["x-"], field="v"),
            "slope": Neumann(3, on="x", field="u"),
            "mixed": Robin(self.strength, 2, lambda t: t, on="x+", field="v"),
            "circle": Periodic("x"),
            "own": Condition(lambda u, v, t: u * v.t - t, on="t+"),
        }


def test_equations_are_those_that_the_code_computes():
    problem, statement = Odd(), state(Odd())
    assert {str(s): v for s, v in statement.parameters.items()} == {"strength": sp.Rational(7, 10)}
    u, v = x * sp.exp(-t) + x**2, sp.cos(x * t) + x
    equations = list(statement.equations)
    functions = [torch_function(expression, "xt") for expression in (u, v)]
    for block in problem.blocks():
        values, points = rows(problem, block, *functions)
        mine = [e for e in equations if e.name == block.name]
        expected = [numpy_function(e.of((u, v)).subs(statement.parameters), "xt") for e in mine]
        count = len(points) // max(1, len(block.faces))
        for number, (equation, function) in enumerate(zip(mine, expected, strict=True)):
            face = [f.name for f in block.faces].index(equation.face) if equation.face else 0
            row = number if equation.face is None else number // len(block.faces)
            here = slice(face * count, (face + 1) * count)
            np.testing.assert_allclose(
                function(*points[here].numpy().T), values[row, here], atol=1e-12, err_msg=equation.title
            )


# What has no statement, by a word of the reason.
NO_STATEMENT = {
    "conductivity": "unknown functions",
    "drum": "Integral",
    "loaded_string": "Interface",
    "oscillator": "Integral",
    "stokes": "Integral",
    "two_materials": "unknown argument 'k'",
    "vortices": "Integral",
}


@pytest.mark.parametrize("name", [n for n in discover() if hasattr(load_problem(n), "exact")])
def test_shipped_problems_are_read(name):
    problem = load_problem(name)
    if name in NO_STATEMENT:
        with pytest.raises(Untraceable, match=NO_STATEMENT[name]):
            statement = state(problem)
            [equation.of(statement.exact) for equation in statement.equations]
        return
    statement = state(problem)
    faces = {face.name: face for block in problem.blocks(hard=True) for face in block.faces}
    known = {"diffusivity": sp.Rational(3, 10)} if name == "inverse_heat" else {}
    for equation in statement.equations:
        rows = equation.of(statement.exact)
        if equation.face is None:
            point = problem.domain.sample_interior(1, seed=0)[0]
        else:
            point = face_points(problem.domain, faces[equation.face], 1, lambda n, d: np.full((n, d), 0.3))[0]
        at = dict(zip(problem.domain.names, map(sp.Rational, point.tolist()), strict=True))
        others = {each: sp.Rational(k + 3, 2 * k + 7) for k, each in enumerate(sorted(map(str, rows.free_symbols)))}
        symbols = sorted(rows.free_symbols, key=str)
        evaluate = sp.lambdify(symbols, rows, "mpmath", cse=True)  # far faster than subs for long sums
        with mpmath.workdps(40):
            value = evaluate(*(mpmath.mpmathify({**others, **at, **known}[str(symbol)]) for symbol in symbols))
        # A constant of some solutions is a root, known to double precision.
        assert abs(value) < (1e-14 if name in ("bratu", "moffatt_eddies") else 1e-25)


@dataclass(frozen=True)
class Rigid(Problem):
    """Parameters of which some cannot be symbols."""

    rate: float = 4.0
    size: float = 2.5
    count: int = 3

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return sum((u.t for _ in range(self.count)), 0 * u) - self.size * u.xx - float(self.rate)

    def conditions(self):
        return {"start": Initial("exact")}

    def exact(self, x, t):
        return sp.Rational(self.rate) * x


def test_parameters_that_cannot_be_symbols_are_numbers():
    statement = state(Rigid())
    assert {str(s): v for s, v in statement.parameters.items()} == {"size": sp.Rational(5, 2)}
    assert statement.equations[1].of((5 * x,)) == x
    assert state(Rigid(), []).parameters == {}


def test_code_that_looks_at_its_numbers_cannot_be_read():
    class Branching(Problem):
        domain = Box(x=(0, 1))

        def residual(self, u, x):
            return u.x if float(x[0]) < 2 else u.xx

    with pytest.raises(Untraceable):
        state(Branching())
