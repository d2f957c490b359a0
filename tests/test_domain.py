"""A domain of one's own, here a disk: what is abstract in Domain is enough to sample, solve and compare on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sympy as sp
import torch
from torch import Tensor

from kanpde import KAN, Dirichlet, Neumann, Problem, Robin, certify, solve
from kanpde.calculus.arrays import Array
from kanpde.collocation.comparison import grid
from kanpde.collocation.sampling import sample
from kanpde.errors import ProblemError
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain, Face, outward_normals


class Disk(Domain):
    """The points of the plane that are no further than a radius from the origin."""

    names = ("x", "y")

    def __init__(self, radius: float) -> None:
        self.radius = radius
        self.low, self.high = np.full(2, -radius), np.full(2, radius)

    @property
    def faces(self) -> Mapping[str, Face]:
        return {"rim": Face("rim", (0, 1))}

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(np.linalg.norm(points, axis=-1) <= self.radius * (1 + 1e-14))

    @property
    def measure(self) -> float:
        return float(np.pi * self.radius**2)

    def face_measure(self, face: Face) -> float:
        return float(2 * np.pi * self.radius)

    def on_face(self, face: Face, unit: Array) -> Array:
        angle = 2 * np.pi * unit[:, 0]
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def normals(self, face: Face, points: Tensor) -> Tensor:
        return points / points.norm(dim=-1, keepdim=True).clamp_min(1e-300)


@dataclass(frozen=True)
class Bowl(Problem):
    """Δu = 4 on a disk; u = x² + y² + x."""

    rim: Any = Dirichlet("exact")

    domain = Disk(0.75)

    def residual(self, u):  # type: ignore[no-untyped-def]
        return u.xx + u.yy - 4

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"rim": self.rim}

    def exact(self, x, y):  # type: ignore[no-untyped-def]
        return x**2 + y**2 + x


def test_as_many_points_as_asked_for_lie_inside_and_on_the_rim() -> None:
    residual, rim = Bowl().blocks()
    generator = np.random.default_rng(0)
    for sequence in ("sobol", "halton", "latin_hypercube"):
        inside = sample(residual, Bowl.domain, 501, sequence, generator).points
        assert inside.shape == (501, 2) and Bowl.domain.contains(inside).all()
        around = sample(rim, Bowl.domain, 64, sequence, generator)
        assert around.points.shape == (64, 2) and around.index is not None and not around.index.any()
        assert np.linalg.norm(around.points, axis=1) == pytest.approx(0.75, rel=1e-14)


def test_points_to_compare_on_integrate_polynomials() -> None:
    points, weights = grid(Bowl.domain)
    assert weights.sum() == pytest.approx(Bowl.domain.measure, rel=1e-12)
    assert weights @ (points**2).sum(axis=1) == pytest.approx(np.pi * 0.75**4 / 2, rel=1e-4)


def test_divergence_theorem_with_the_normals_of_the_rim() -> None:
    disk, (rim,) = Bowl.domain, Bowl.domain.resolve("boundary")
    points = torch.as_tensor(disk.on_face(rim, (np.arange(32)[:, None] + 0.5) / 32))
    normals = outward_normals(disk, (rim,), points, None)
    flux = float((normals * points).sum(dim=1).mean()) * disk.face_measure(rim)
    assert flux == pytest.approx(2 * disk.measure, rel=1e-13)


@pytest.mark.parametrize("rim", [Dirichlet("exact"), Robin(1, 2, "exact"), Neumann("exact")])
def test_normal_derivatives_of_the_exact_solution_agree(rim: Any) -> None:
    problem = Bowl(rim)
    assert problem.check_exact() == []
    wrong = Bowl(Robin(1, 2, 0.5))
    assert ["'rim'" in warning for warning in wrong.check_exact()] == [True]


def test_it_is_solved_and_compared() -> None:
    stages = [{"optimiser": "gauss_newton", "iterations": 30}]
    network = KAN([2], degree=4, intervals=1)
    solution = solve(Bowl(Robin(1, 2, "exact")), network=network, training={"stages": stages})
    errors = solution.errors()
    assert errors["relative_l2"] is not None and errors["relative_l2"] < 1e-6


def test_a_network_that_nobody_sized_descends_there() -> None:
    solution = solve(Bowl(), training={"stages": [{"optimiser": "gauss_newton", "iterations": 1}]})
    assert solution.network.built
    assert as_box(Bowl.domain) is None


def test_what_needs_a_box_says_so() -> None:
    with pytest.raises(ProblemError, match="hard conditions can be built on a Box or a shape, got"):
        solve(Bowl(Dirichlet("exact", hard=True)))
    x, y, a = sp.symbols("x y a", real=True)
    certificate = certify(x**2 + y**2 + a * x, {a: 0.9}, Bowl())
    assert certificate.status == "numeric" and "a proof expects a Box" in certificate.reason


def test_an_unknown_face_is_told_with_the_names_there_are() -> None:
    with pytest.raises(ProblemError, match="expected a face of the domain for on, got 'x-'.*rim"):
        Bowl(Dirichlet(0, on="x-")).blocks()
