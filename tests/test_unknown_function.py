"""Unknown functions: their splines, what is found from noisy data, its standard deviation, files and mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import (
    Box,
    Data,
    Dirichlet,
    Function,
    Initial,
    Integral,
    Neumann,
    Problem,
    Solution,
    load_problem,
    problem_from,
    solve,
)
from kanpde.errors import ProblemError
from kanpde.problem.unknown_function import Expansion, by_unknown

GRID = np.linspace(0, 1, 201)


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


@pytest.fixture(scope="module")
def solved() -> Solution:
    return solve(load_problem("conductivity"))


class Rate(Problem):
    """u' = −r(t) u."""

    domain = Box(t=(0, 1))
    unknowns = {"r": Function("t", start=1.0, intervals=8)}

    def residual(self, u, r):
        return u.t + r * u

    def conditions(self):
        draw = np.random.default_rng(0)
        t = np.sort(draw.random(60))
        values = np.exp(-t - np.sin(3 * t) / 3) + 1e-4 * draw.standard_normal(60)
        return {"start": Initial(1), "seen": Data(t[:, None], values)}


def test_an_expansion_has_the_derivatives_of_its_splines() -> None:
    expansion = Expansion("k", Function("y", "x", degree=4, intervals=3), Box(x=(0, 2), t=(0, 1), y=(-1, 1)))
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(9, 3, generator=draw, dtype=torch.float64).requires_grad_()
    coefficients = torch.rand(49, generator=draw, dtype=torch.float64)
    values = expansion.at(points, coefficients)
    (slopes,) = torch.autograd.grad(values.sum(), points)
    for axis in range(3):
        assert torch.allclose(expansion.at(points, coefficients, (axis,)), slopes[:, axis], atol=1e-12)
    assert torch.allclose(expansion.at(points, torch.ones(49, dtype=torch.float64)), torch.ones(9).double())
    assert not expansion.at(points, coefficients, (1,)).any()  # k does not depend on t


def test_the_prior_vanishes_for_linear_functions_only() -> None:
    expansion = Expansion("k", Function("x", intervals=6), Box(x=(0, 1), t=(0, 1)))
    basis = expansion.design(expansion.grid(40))
    rows = lambda values: expansion.prior.evaluate(  # noqa: E731
        (side(expansion.prior.points),), None, constants(expansion, np.linalg.lstsq(basis, values, rcond=None)[0])
    )
    x = expansion.grid(40)[:, 0]
    assert rows(1 + 3 * x).abs().max() < 1e-9
    assert torch.allclose(rows(x**2), torch.full((1, 12), 2.0, dtype=torch.float64), atol=1e-9)


def side(points):
    from kanpde.problem.block import Side

    return Side(torch.as_tensor(points), ())


def constants(expansion, values):
    return dict(zip(expansion.names, torch.as_tensor(values), strict=True))


def test_a_conductivity_is_found_from_noisy_data_within_its_deviation(solved) -> None:
    true = 1 + np.sin(2 * np.pi * GRID) / 2
    found, deviation = solved.unknowns["k"](x=GRID), solved.uncertainty["k"](x=GRID)
    assert relative(found, true) < 5e-3
    assert (np.abs(found - true) < 3 * deviation).mean() > 0.9
    assert np.linalg.norm(deviation) < 10 * np.linalg.norm(found - true)  # and no larger than it must be
    assert solved.verdict == "solved", solved.reasons
    slope = solved.unknowns["k"].derivative("x", x=0.25)
    assert abs(float(slope)) < 0.3
    assert isinstance(solved.unknowns["k"](x=torch.tensor([0.1, 0.2])), torch.Tensor)


def test_a_file_keeps_the_function_and_its_deviation(solved, tmp_path) -> None:
    solved.save(tmp_path / "k.kan")
    again = Solution.load(tmp_path / "k.kan")
    for one, other in ((solved.unknowns, again.unknowns), (solved.uncertainty, again.uncertainty)):
        assert np.array_equal(one["k"](x=GRID), other["k"](x=GRID))
    metrics = json.loads(json.dumps(solved.metrics()))
    assert len(metrics["unknowns"]["k"]["values"]) == len(metrics["unknowns"]["k"]["x"])
    assert metrics["uncertainty"]["k"] == pytest.approx(solved.uncertainty["k"](x=np.linspace(0, 1, 401)).max())
    assert "factors" not in metrics
    assert again.symbolify().status == "none"


def test_a_rate_may_depend_on_time() -> None:
    solution = solve(Rate())
    assert relative(solution.unknowns["r"](t=GRID), 1 + np.cos(3 * GRID)) < 0.02
    assert solution.verdict == "solved", solution.reasons


def test_a_source_is_found_beside_a_constant_and_a_pinned_value() -> None:
    class Source(Problem):
        domain = Box(x=(0, 1))
        unknowns = {"f": Function("x", start=0.0, intervals=8), "c": 1.0}

        def residual(self, u, x, f, c):
            return u.xx - f - c * (u - 3)

        def conditions(self):
            x = np.linspace(0.02, 0.98, 60)
            both = {"ends": Dirichlet("exact", on="x"), "seen": Data(x[:, None], np.sin(3 * x))}
            # f = −9 sin(3 x) − c (sin(3 x) − 3); its values at three places determine c.
            places = np.array([0.0, 0.5, 1.0])
            values = -9 * np.sin(3 * places) - 2 * (np.sin(3 * places) - 3)
            return {**both, "pinned": Data(places[:, None], values, field="f"), "low": Dirichlet("exact", "x-", "f")}

        def exact(self, x):
            return {"u": sp.sin(3 * x), "f": -11 * sp.sin(3 * x) + 6}

    solution = solve(Source())
    assert solution.unknowns["c"] == pytest.approx(2.0, abs=0.02)
    assert relative(solution.unknowns["f"](x=GRID), 6 - 11 * np.sin(3 * GRID)) < 0.01
    assert float(solution.unknowns["f"](x=0.0)) == pytest.approx(6.0, abs=1e-4)


def test_a_text_may_have_an_unknown_function_and_its_file_too() -> None:
    from kanpde.problem.text_json import from_json, to_json

    x = np.linspace(0, 1, 20)[:, None]
    problem = problem_from(
        "d(k*u_x, x) + k_x = 1",
        domain=Box(x=(0, 1)),
        unknowns={"k": Function("x", start=2.0, intervals=5, degree=3)},
        conditions={"ends": Dirichlet(0, on="x"), "seen": Data(x, x[:, 0])},
    )
    assert problem.fields == ("u",)
    again = from_json("text", json.loads(json.dumps(to_json(problem))), {})
    assert repr(again.unknowns["k"]) == repr(problem.unknowns["k"])
    assert again.blocks()[0].functions == ("k",)


def test_the_history_has_one_column_a_function() -> None:
    assert by_unknown({"c": 1.0, "k[0]": 2.0, "k[1]": 4.0}) == {"c": 1.0, "k": 3.0}


def test_mistakes_are_one_line() -> None:
    for make, text in (
        (lambda: Function(), "names of coordinates"),
        (lambda: Function("x", "x"), "different coordinates"),
        (lambda: Function("x", start=float("nan")), "finite number"),
        (lambda: Function("x", intervals=0), "intervals=0"),
        (lambda: Function("x", "y", "z", intervals=20), "at most 1000 coefficients"),
    ):
        with pytest.raises(ProblemError, match=text):
            make()

    class Elsewhere(Rate):
        unknowns = {"r": Function("z")}

    with pytest.raises(ProblemError, match="unknown r of elsewhere.*'z'"):
        Elsewhere().blocks()

    class Hard(Rate):
        def conditions(self):
            return {"first": Dirichlet(1, on="t-", field="r", hard=True)}

    with pytest.raises(ProblemError, match="hard condition on an unknown function"):
        Hard().blocks()

    class Unused(Rate):
        def residual(self, u):
            return u.t + u

    with pytest.raises(ProblemError, match="the unknown r"):
        solve(Unused())


class Undetermined(Problem):
    """u'' = k with k free: nothing determines it."""

    domain = Box(x=(0, 1))
    unknowns = {"k": Function("x")}

    def residual(self, u, k):
        return u.xx - k

    def conditions(self):
        return {"ends": Dirichlet(0)}


class Heating(Problem):
    """u_t = u_xx + q(t) + f with the total heat known, which determines q without measurements."""

    domain = Box(x=(0, 1), t=(0, 1))
    unknowns = {"q": Function("t", start=1.0)}

    def residual(self, u, q, x, t):
        return u.t - u.xx - q - torch.sin(torch.pi * x) * (torch.cos(t) + torch.pi**2 * torch.sin(t))

    def conditions(self):
        total = Integral(lambda t: 2 / torch.pi * torch.sin(t) + t**2 / 2)
        return {"start": Initial(0), "ends": Neumann("exact", on="x"), "total": total}

    def exact(self, x, t):
        return sp.sin(sp.pi * x) * sp.sin(t) + t**2 / 2


def test_a_function_that_nothing_determines_is_named():
    audit = solve(Undetermined(), device="cpu").audit()
    assert audit.verdict == "doubtful" and "nothing determines the unknown k" in audit.reasons[0]


def test_a_function_may_be_determined_without_measurements():
    solution = solve(Heating(), device="cpu")
    times = np.linspace(0, 1, 11)
    np.testing.assert_allclose(solution.unknowns["q"](t=times), times, atol=1e-11)
    assert solution.verdict == "solved"
