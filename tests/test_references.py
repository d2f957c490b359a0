"""The shipped solutions without a closed form: against mpmath, against their equations, and made again, coarsely."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import mpmath
import numpy as np
import pytest
from numpy.polynomial import chebyshev, legendre

from kanpde import load_problem
from kanpde.files import shipped

REFERENCES = shipped("problems") / "references"
START = {
    "burgers": lambda x: -np.sin(np.pi * x),
    "kdv": lambda x: np.cos(np.pi * x),
    "allen_cahn": lambda x: x**2 * np.cos(np.pi * x),
}


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The script that makes the data, loaded by its path."""
    specification = importlib.util.spec_from_file_location("make_references", REFERENCES / "make.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def coefficients(name: str) -> np.ndarray:
    with np.load(REFERENCES / f"{name}.npz") as file:
        return file["coefficients"]


def shipped_sum(name: str, x: np.ndarray, t: np.ndarray, in_space: int = 0, in_time: int = 0) -> np.ndarray:
    """A partial derivative of the shipped sum, Fourier in x and Chebyshev in t, on the grid x by t."""
    c = coefficients(name)
    wave = 1j * np.pi * np.arange(c.shape[1])
    values = chebyshev.chebval(2 * t - 1, chebyshev.chebder(c, in_time, scl=2))
    return (np.exp(np.outer(x, wave)) @ (wave[:, None] ** in_space * values)).real


def cole_hopf(x: float, t: float, viscosity: float) -> float:
    """The Cole-Hopf quotient of two integrals by adaptive quadrature, 30 digits."""
    with mpmath.workdps(30):
        x, t, viscosity = (mpmath.mpf(float(value)) for value in (x, t, viscosity))
        reach = int(mpmath.sqrt(70 + 1 / (mpmath.pi * viscosity))) + 1

        def weighted(function):
            def integrand(z):
                angle = mpmath.pi * (x - z * mpmath.sqrt(4 * viscosity * t))
                return function(angle) * mpmath.exp(-mpmath.cos(angle) / (2 * mpmath.pi * viscosity) - z * z)

            return mpmath.quad(integrand, range(-reach, reach + 1), maxdegree=5)

        return float(-weighted(mpmath.sin) / weighted(lambda angle: 1))


@pytest.mark.parametrize(
    ("viscosity", "x", "t"),
    [
        (0.01 / np.pi, 0.003, 1.0),
        (0.01 / np.pi, -0.02, 0.35),
        (0.01 / np.pi, 0.7, 1e-5),
        (0.01 / np.pi, -0.97, 0.6),
        (0.001, 0.0005, 0.4),
        (0.001, 0.3, 1.0),
        (0.5, 0.4, 0.8),
    ],
)
def test_burgers_is_cole_hopf_to_twelve_digits(viscosity: float, x: float, t: float) -> None:
    found = load_problem("burgers", viscosity=viscosity).reference(np.array([x]), np.array([t]))[0]
    assert found == pytest.approx(cole_hopf(x, t, viscosity), abs=1e-12)


@pytest.mark.parametrize("name", START)
def test_reference_starts_where_the_problem_does(name: str) -> None:
    x = np.linspace(-1, 1, 401)
    found = load_problem(name).reference(x, np.zeros_like(x))
    np.testing.assert_allclose(found, START[name](x), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", START)
def test_reference_takes_points_in_any_order_and_shape(name: str) -> None:
    problem = load_problem(name)
    x, t = np.meshgrid(np.linspace(-1, 1, 71), np.linspace(0, 1, 66), indexing="ij")
    grid = problem.reference(x, t)
    order = np.random.default_rng(0).permutation(x.size)
    shuffled = problem.reference(x.ravel()[order], t.ravel()[order])
    assert grid.shape == x.shape
    np.testing.assert_allclose(shuffled, grid.ravel()[order], atol=1e-13, rtol=0)
    np.testing.assert_allclose(grid[0], grid[-1], atol=1e-12, rtol=0)  # the ends agree
    assert np.shape(problem.reference(0.3, 0.4)) == ()


def test_kdv_satisfies_its_equation() -> None:
    x, t = np.linspace(-1, 1, 301), np.linspace(0, 1, 83)
    u, u_x, u_xxx = (shipped_sum("kdv", x, t, order) for order in (0, 1, 3))
    residual = shipped_sum("kdv", x, t, in_time=1) + u * u_x + 0.022**2 * u_xxx
    assert np.abs(residual).max() < 1e-7 < np.abs(u * u_x).max()
    np.testing.assert_allclose(load_problem("kdv").reference(x[:, None], t), u, atol=1e-12)


def test_kdv_conserves_mass_momentum_and_energy() -> None:
    x, t = np.linspace(-1, 1, 1024, endpoint=False), np.linspace(0, 1, 23)
    u, u_x = shipped_sum("kdv", x, t), shipped_sum("kdv", x, t, 1)
    for density in (u, u**2, u**3 / 6 - 0.022**2 * u_x**2 / 2):
        total = density.mean(axis=0)
        np.testing.assert_allclose(total, total[0], atol=1e-10)


def test_allen_cahn_kink_is_the_one_taken_out_of_the_data(make: ModuleType) -> None:
    """Mode by mode it solves w_t = 1e-4 w_xx - 10 w, which the next test makes use of."""
    x, t = np.linspace(-1, 1, 101), np.linspace(0.02, 1, 9)
    numbers = np.arange(2000)
    modes = make.one_sided(make.kink_modes(numbers, t))
    kink = load_problem("allen_cahn").reference(x[:, None], t) - shipped_sum("allen_cahn", x, t)
    np.testing.assert_allclose(kink, np.cos(np.pi * np.outer(x, numbers)) @ modes.T, atol=1e-12)


def test_allen_cahn_satisfies_its_equation() -> None:
    x, t = np.linspace(-1, 1, 301), np.linspace(0.01, 1, 50)
    u, smooth = load_problem("allen_cahn").reference(x[:, None], t), shipped_sum("allen_cahn", x, t)
    smooth_t, smooth_xx = shipped_sum("allen_cahn", x, t, in_time=1), shipped_sum("allen_cahn", x, t, 2)
    residual = smooth_t - 1e-4 * smooth_xx - 10 * (u - smooth) - 5 * (u - u**3)
    assert np.abs(residual).max() < 1e-6 < np.abs(smooth_t).max()


@pytest.mark.parametrize(
    ("name", "coarse", "bound"),
    [
        ("kdv", {"points": 384, "degree": 32, "substeps": 200, "modes": 120}, 1e-7),
        ("allen_cahn", {"points": 1024, "degree": 32, "substeps": 16, "modes": 500}, 1e-6),
    ],
)
def test_a_coarse_recomputation_agrees_at_the_end(
    make: ModuleType, name: str, coarse: dict[str, int], bound: float
) -> None:
    at_end = getattr(make, name)(**coarse).sum(axis=0)  # every T_j(1) is 1
    assert np.abs(at_end - coefficients(name).sum(axis=0)[: len(at_end)]).sum() < bound


def test_exponential_time_differencing_is_of_fourth_order(make: ModuleType) -> None:
    """On c' = -2 c + c^2, c(0) = 1, whose solution is 2 / (1 + exp(2 t))."""
    linear, start, times = np.array([-2.0]), np.array([1.0]), np.array([0.0, 1.0])
    errors = [
        abs(make.march(linear, np.square, start, times, steps)[-1, 0] - 2 / (1 + np.exp(2))) for steps in (8, 16, 32)
    ]
    slopes = np.diff(-np.log2(errors))
    np.testing.assert_allclose(slopes, 4, atol=0.15)


@pytest.mark.parametrize("name", ["kdv", "allen_cahn"])
def test_shipped_data_has_no_parameters_to_disagree_with(name: str) -> None:
    assert load_problem(name).parameters() == {}


@pytest.mark.parametrize(("reynolds", "share"), [(100.0, 1e-6), (400.0, 2e-5), (1000.0, 2e-4)])
def test_the_stream_function_of_the_lid_satisfies_its_equation_and_is_still_at_the_walls(reynolds, share):
    with np.load(REFERENCES / "lid.npz") as file:
        series = file[f"reynolds_{reynolds:g}"]

    def partial(i, j, x, y):
        derived = legendre.legder(legendre.legder(series, i, axis=0), j, axis=1)
        return 2.0 ** (i + j) * legendre.legval2d(2 * x - 1, 2 * y - 1, derived)

    s = np.linspace(0, 1, 41)
    for fixed in (0 * s, 1 + 0 * s):
        assert max(np.abs(partial(0, 0, *at)).max() for at in ((fixed, s), (s, fixed))) < 1e-12
        assert np.abs(partial(1, 0, fixed, s)).max() < 1e-12
    assert np.abs(partial(0, 1, s, 0 * s)).max() < 1e-12
    assert np.abs(partial(0, 1, s, 1 + 0 * s) - 16 * s**2 * (1 - s) ** 2).max() < 1e-12
    x, y = (each.ravel() for each in np.meshgrid(s[8:33], s[8:33]))  # the series ends late near the corners
    plate = partial(4, 0, x, y) + 2 * partial(2, 2, x, y) + partial(0, 4, x, y)
    carried = partial(0, 1, x, y) * (partial(3, 0, x, y) + partial(1, 2, x, y))
    carried -= partial(1, 0, x, y) * (partial(2, 1, x, y) + partial(0, 3, x, y))
    assert np.linalg.norm(plate - reynolds * carried) < share * np.linalg.norm(plate)


def test_the_lowest_tone_of_an_l_vanishes_on_its_sides_and_has_the_integral_one():
    drum = load_problem("l_drum")
    sides = np.concatenate([drum.domain.face_points(face, 30)[0] for face in drum.domain.faces])
    points, weights = drum.domain.quadrature(4000)
    values = drum.reference_values(points)[:, 0]
    assert np.abs(drum.reference_values(sides)).max() < 1e-9
    assert abs(weights @ values - 1) < 1e-7 and values.min() > 0
