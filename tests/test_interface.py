"""Interfaces: jumps across inner faces, solutions with kinks, and mistakes in parts, coefficients and fluxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp

from kanpde import (
    KAN,
    Box,
    Data,
    Dirichlet,
    Function,
    Initial,
    Integral,
    Interface,
    Problem,
    Solution,
    load_problem,
    solve,
)
from kanpde.errors import ConfigurationError, ProblemError


@dataclass(frozen=True)
class Rod(Problem):
    """k u'' + 1 = 0 in a rod whose core conducts better."""

    seam: Any = Interface("core", flux=lambda u, k: k * u.x)
    others: tuple[Any, ...] = ()
    k: Any = None
    part: Any = Box(x=(0.3, 0.6))

    domain = Box(x=(0, 1))

    @property
    def parts(self):
        return {"core": self.part}

    @property
    def coefficients(self):
        return {"k": {"core": 1000.0, "rest": 1.0}} if self.k is None else self.k

    def residual(self, u, x, k):
        return k * u.xx + 1

    def conditions(self):
        more = {f"more_{i}": each for i, each in enumerate(self.others)}
        return {"ends": Dirichlet("exact"), "seam": self.seam, **more}

    def exact(self, x):
        u, first, last = (x - x**2) / 2, sp.Rational(3, 10), sp.Rational(3, 5)
        inside = u.subs(x, first) + (u - u.subs(x, first)) / 1000
        beyond = inside.subs(x, last) + u - u.subs(x, last)
        return sp.Piecewise((u, x < first), (inside, x < last), (beyond, True))


class TwoLayers(Problem):
    """u_t = k u_xx with a kink at the seam."""

    domain = Box(x=(-1, 1), t=(0, 0.5))
    parts = {"left": Box(x=(-1, 0))}
    coefficients = {"k": {"left": 4.0, "rest": 1.0}}

    def residual(self, u, x, t, k):
        return u.t - k * u.xx

    def conditions(self):
        seam = Interface("left", flux=lambda u, k: (k * u.x,))
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x"), "seam": seam}

    def exact(self, x, t):
        left, right = sp.sin(x) / 2 + sp.cos(x), sp.sin(2 * x) + sp.cos(2 * x)
        return sp.exp(-4 * t) * sp.Piecewise((left, x < 0), (right, True))


class Stepped(Problem):
    """u'' = 2 with a jump of u and of u' at x = 0.4."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx - 2

    def conditions(self):
        step = Interface({"x": 0.4}, jump=1.0, flux=lambda u: u.x, flux_jump=0.5)
        return {"ends": Dirichlet("exact"), "step": step}

    def exact(self, x):
        place = sp.Rational(2, 5)
        return sp.Piecewise((x**2, x < place), (x**2 + 1 + (x - place) / 2, True))


class Transport(Problem):
    """k u_x = v, v_x = 1: a system of the first order needs no flux."""

    domain = Box(x=(0, 1))
    fields = ("u", "v")
    parts = {"left": Box(x=(0, 0.5))}
    coefficients = {"k": {"left": 2.0, "rest": 1.0}}

    def residual(self, u, v, x, k):
        return k * u.x - v, v.x - 1

    def conditions(self):
        ends = {"low": Dirichlet(0, on="x-", field="u"), "high": Dirichlet(0, on="x+", field="u")}
        return {**ends, "seam": Interface("left")}


@pytest.mark.parametrize("problem", [Rod(), TwoLayers(), Stepped()])
def test_a_solution_with_a_kink_has_nine_digits(problem):
    assert not problem.check_exact()
    solution = solve(problem, device="cpu")
    assert solution.verdict == "solved" and solution.errors()["relative_l2"] < 1e-9
    assert solution.error_estimate == pytest.approx(solution.errors()["relative_l2"], rel=30, abs=1e-12)
    assert all(rms < 1e-7 for rms in solution.metrics()["conditions_rms"].values())


def test_the_cylinder_in_a_uniform_field():
    problem = load_problem("two_materials")
    assert not problem.check_exact()
    solution = solve(problem, device="cpu", training={"target": 1e-4})
    assert solution.verdict == "solved" and solution.errors()["relative_l2"] < 1e-5
    x, y = 0.41 * np.cos(np.linspace(0, 6, 7)), 0.41 * np.sin(np.linspace(0, 6, 7))
    exact = problem.exact_gradient(np.stack([x, y], axis=-1))[:, 0, 0]
    assert solution.derivative("x", x=x, y=y) == pytest.approx(exact, abs=1e-4)
    assert np.abs(solution.residual(x=x, y=y)).max() < 1e-2


def test_the_loaded_string_is_saved_and_read_again(tmp_path):
    solution = solve(load_problem("loaded_string", load=2.0), device="cpu")
    solution.save(tmp_path / "string.kan")
    read, x = Solution.load(tmp_path / "string.kan"), np.linspace(0, 1, 7)
    assert np.array_equal(read(x=x), solution(x=x)) and read.verdict == "solved"
    assert read(x=0.3) == pytest.approx(-0.42, abs=1e-10)
    solution.export(tmp_path / "string.csv")
    assert solution.symbolify().status == "none" and "parts" in solution.formula.reason
    with pytest.raises(ConfigurationError, match="one for each part|export as a function"):
        solution.export(tmp_path / "string.py")


def test_a_system_of_the_first_order_needs_no_flux():
    solution = solve(Transport(), device="cpu")
    # v = x + c, and ∫ v / k = 0 gives c.
    c = -(0.125 / 2 + 0.375) / (0.25 + 0.5)
    assert solution.verdict == "solved"
    assert solution(x=0.25)["u"] == pytest.approx((0.25**2 / 2 + c * 0.25) / 2, abs=1e-10)


def test_measurements_belong_to_the_parts_in_which_they_lie():
    points = np.array([[0.1], [0.5], [0.9]])
    values = Rod().exact_values(points)[:, 0]
    solution = solve(Rod(others=(Data(points, values),)), device="cpu")
    assert solution(x=points[:, 0]) == pytest.approx(values, abs=1e-8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": {"u": {"core": 1.0, "rest": 1.0}}}, "that of a field"),
        ({"k": {"x": {"core": 1.0, "rest": 1.0}}}, "that of a coordinate"),
        ({"k": {"k": {"core": 1.0}}}, "value in the part 'rest'"),
        ({"k": {"k": {"core": 1.0, "rest": 1.0, "cor": 2.0}}}, "unknown part 'cor'"),
        ({"k": {"k": 3.0}}, "a value for each part"),
        ({"k": {"k": {"core": "ten", "rest": 1.0}}}, "coefficient 'k' in the part 'core'"),
        ({"part": Box(x=(0.5, 1.5))}, "partly outside"),
        ({"part": "left"}, "a shape such as"),
        ({"seam": Interface("x-", flux=lambda u, k: k * u.x)}, "an inner face between parts"),
        ({"seam": Interface("core")}, "expects the flux"),
        ({"seam": Interface("core", flux=lambda u, k: (k * u.x, u))}, "1 component"),
        ({"seam": Interface("core", flux=lambda u, q: q * u.x)}, "unknown argument 'q'"),
        ({"seam": Interface("core", flux=3)}, "a function of fields"),
        ({"seam": Interface({"x": 2.0}, flux=lambda u: u.x)}, "a plane inside"),
        ({"seam": Interface({"x": 0.1, "y": 0.2}, flux=lambda u: u.x)}, "one coordinate"),
        ({"seam": Dirichlet(0, on="core")}, "a face of the domain"),
        ({"seam": Dirichlet("exact", on="x-")}, "no Interface"),
        ({"others": (Dirichlet(0, hard=True),)}, "hard"),
        ({"others": (Integral(0),)}, "Integral"),
    ],
)
def test_mistakes_are_named_in_one_line(changes, message):
    with pytest.raises(ProblemError, match=message) as caught:
        solve(Rod(**changes), device="cpu")
    assert "\n" not in str(caught.value)


def test_an_interface_needs_parts():
    class Whole(Stepped):
        def conditions(self):
            return {"ends": Dirichlet(0), "seam": Interface("core", flux=lambda u: u.x)}

    with pytest.raises(ProblemError, match="declare parts"):
        Whole().check_exact()


def test_a_guess_and_unknown_functions_are_refused():
    class Guessed(Rod):
        def guess(self, x):
            return x

    class Searched(Rod):
        unknowns = {"q": Function("x")}

    for problem, message in ((Guessed(), "no guess"), (Searched(), "the function q")):
        with pytest.raises(ProblemError, match=message):
            solve(problem, device="cpu")


def test_a_given_network_is_refused():
    with pytest.raises(ConfigurationError, match="domain with parts"):
        solve(Rod(), network=KAN(width=[5]), device="cpu")
