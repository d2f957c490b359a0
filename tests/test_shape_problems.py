"""Problems on shapes: conditions on their faces, a descent, errors, figures, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import (
    KAN,
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
    Solution,
    solve,
)
from kanpde.collocation.comparison import grid
from kanpde.errors import ProblemError
from kanpde.geometry.shape import Shape

HOLE = Disk((0.5, 0.5), 0.2, name="hole")
PLATE = Box(x=(0, 2), y=(0, 1)) - HOLE - Disk((1.5, 0.5), 0.2, name="hole")
SMALL = {
    "network": KAN([2], degree=4, intervals=1),
    "training": {"stages": [{"optimiser": "gauss_newton", "iterations": 30}]},
}


@dataclass(frozen=True)
class Plate(Problem):
    """Δu = u on a shape; u = exp((3x + 4y) / 5)."""

    given: Any = ()
    domain: Shape = PLATE

    def residual(self, u, x, y):  # type: ignore[no-untyped-def]
        return u.xx + u.yy - u

    def conditions(self):  # type: ignore[no-untyped-def]
        return dict(self.given)

    def exact(self, x, y):  # type: ignore[no-untyped-def]
        return sp.exp((3 * x + 4 * y) / 5)


ALL_KINDS = (
    ("walls", Dirichlet("exact", on=["x", "y-"])),
    ("top", Robin(1, 2, "exact", on="y+")),
    ("flux", Neumann("exact", on="hole")),
    ("again", Condition(lambda u, x, y: u - torch.exp((3 * x + 4 * y) / 5), on="hole")),
)


def test_the_exact_solution_satisfies_conditions_of_every_kind() -> None:
    assert Plate(ALL_KINDS).check_exact() == []
    wrong = Plate((("flux", Neumann(0.5, on="hole")),))
    assert ["'flux'" in warning for warning in wrong.check_exact()] == [True]


def test_a_descent_solves_it_and_the_file_keeps_it(tmp_path: Path) -> None:
    problem = Plate(ALL_KINDS)
    solution = solve(problem, **SMALL)
    errors = solution.errors()
    assert errors["relative_l2"] is not None and errors["relative_l2"] < 2e-3
    solution.save(tmp_path / "plate.kan")
    assert Solution.load(tmp_path / "plate.kan", problem=problem).errors() == errors
    assert solution.audit().verdict in ("solved", "doubtful")
    assert not any("ill-conditioned" in reason for reason in solution.reasons)
    axes = solution.plot().axes[0]
    image = axes.images[0].get_array()
    # What lies in the holes is masked, and their outline is drawn.
    assert np.ma.getmaskarray(image).mean() == pytest.approx(1 - PLATE.measure / 2, abs=0.01)
    assert len(axes.collections) == 1


def test_a_disk_in_time_descends_with_a_start() -> None:
    class Cooling(Problem):
        domain = Disk((0, 0), 1) * Box(t=(0, 0.5))

        def residual(self, u, x, y, t):  # type: ignore[no-untyped-def]
            return u.t - u.xx - u.yy

        def conditions(self):  # type: ignore[no-untyped-def]
            return {"start": Initial("exact"), "rim": Neumann("exact", on="rim"), "same": Dirichlet("exact")}

        def exact(self, x, y, t):  # type: ignore[no-untyped-def]
            return x**2 - y**2 + x + 4 * t + x**2 + y**2

    problem = Cooling()
    assert problem.check_exact() == []
    assert [face.name for face in problem.blocks()[3].faces] == ["rim"]
    training = {"stages": [{"optimiser": "gauss_newton", "iterations": 12}]}
    solution = solve(problem, network=KAN([2], degree=4, intervals=1), training=training)
    assert solution.errors()["relative_l2"] < 1e-2  # type: ignore[operator]


def test_errors_are_compared_on_a_quadrature_of_the_shape() -> None:
    points, weights = grid(PLATE)
    assert PLATE.contains(points).all() and weights.sum() == pytest.approx(PLATE.measure, rel=1e-12)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Dirichlet(0, on="rim"), "expected a face of the domain for on, got 'rim'.*hole"),
        (Data([[0.5, 0.5]], [1.0]), r"Data expects points inside Box.*got \[0.5, 0.5\]"),
        (Data([[3.0, 0.5]], [1.0]), "Data expects points inside"),
    ],
)
def test_faces_and_data_that_the_shape_does_not_have(condition: Any, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as refused:
        Plate((("given", condition),)).blocks()
    assert "\n" not in str(refused.value)


def test_periodic_faces_lie_opposite_each_other() -> None:
    assert Plate((("x", Periodic("x")),)).blocks()[1].faces[0].name == "x-"
    cut = Box(x=(0, 2), y=(0, 1)) - Disk((2, 0.5), 0.2)
    with pytest.raises(ProblemError, match="opposite faces of the same form, got x- and x"):
        Plate((("x", Periodic("x")),), domain=cut).blocks()


def test_intervals_apart_are_one_domain() -> None:
    class Pieces(Problem):
        domain = Box(x=(0, 1)) | Box(x=(2, 3))

        def residual(self, u, x):  # type: ignore[no-untyped-def]
            return u.xx - 2

        def conditions(self):  # type: ignore[no-untyped-def]
            return {"ends": Dirichlet("exact")}

        def exact(self, x):  # type: ignore[no-untyped-def]
            return x**2

    solution = solve(Pieces(), **SMALL)
    assert solution.errors()["relative_l2"] < 2e-3  # type: ignore[operator]
