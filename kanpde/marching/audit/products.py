"""The weakest product: the function v(x) = Π_a v_a(x_a) that the linearised rows notice least, in many coordinates.

No space of all functions can be searched there, but constants, and the modes of separable equations that a missing
condition leaves free, are products. ‖J v‖² / ‖v‖² is minimised over one factor after the other; each is the smallest
eigenvalue of a matrix as large as one spline space (alternating least squares: Beylkin and Mohlenkamp, SIAM J. Sci.
Comput. 26 (2005) 2133).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import Placed
from kanpde.geometry.box import as_box
from kanpde.marching.audit.directions import LEVEL, Direction
from kanpde.marching.axes import SplineAxis
from kanpde.network.residuals import Residuals
from kanpde.network.tensor_train import TensorTrain
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

POINTS = 1024  # of the equation, and of every condition
DEGREE, INTERVALS = 9, 1  # of the factors' splines
STARTS, SWEEPS = 3, 3  # from a constant, from a function that vanishes on all faces, and from random factors
ROUND_OFF = 1e-13  # smallest eigenvalue of ‖v‖², relative to the largest


def weakest_product(problem: Problem, model: Model) -> Direction | None:
    """Return the weakest product of one field, about a model; None if it cannot be looked for.

    It is looked for on boxes, in problems without unknown functions and integrals.
    """
    blocks = problem.blocks()
    if as_box(problem.domain) is None or problem.expansions or any(block.integrated for block in blocks):
        return None
    linear = LinearRows(problem, model)
    found = [linear.weakest(f, start) for f in range(len(problem.fields)) for start in range(STARTS)]
    return min(found, key=lambda direction: direction.noticed)


class LinearRows:
    """The rows' derivatives by the fields' jets about a model, divided by the sizes of the rows' terms."""

    def __init__(self, problem: Problem, model: Model) -> None:
        self.problem, self.domain = problem, problem.domain
        self.ansatz = model.ansatz if model.ansatz is not None and not hasattr(model.ansatz, "amounts") else None
        rows = Residuals(model, problem.blocks(), self.domain.names)
        rows.sample(self.domain, lambda block: POINTS, np.random.default_rng(0))
        rows.rescale(balanced=False)
        self.images: list[tuple[Placed, list[list[Tensor]]]] = []
        for part in rows.parts:
            for chunk in part.chunks:
                with torch.no_grad():
                    jets = [model.jets(each).double().cpu() for each in chunk.prepared]
                unknowns = {name: value.detach().double().cpu() for name, value in model.unknowns.items()}
                _, slopes = chunk.placed.slopes(jets, unknowns, part.row_factors(chunk))
                self.images.append((chunk.placed, [[each.detach() for each in slope.by_jets] for slope in slopes]))
        self.inside = rows.parts[0].points
        plan = JetPlan(self.domain.dimension, [()])
        self.size = float(model.jets_at(self.inside, plan)[:, 0].double().square().sum(dim=1).mean().sqrt()) or 1.0

    def weakest(self, field: int, start: int) -> Direction:
        """Return the weakest product in one field from one of the starts."""
        ends = zip(self.domain.low, self.domain.high, strict=True)
        axes = [SplineAxis(np.linspace(low, high, INTERVALS + 1), DEGREE) for low, high in ends]
        generator = np.random.default_rng(0)
        cores = [torch.as_tensor(first_factor(axis.size, start, generator))[:, None, None] for axis in axes]
        noticed, values = math.inf, np.zeros(0)
        for _ in range(SWEEPS):
            for a in range(len(axes)):
                product = Model(TensorTrain([axis.basis for axis in axes], [cores]), self.ansatz)
                which = slice(sum(axis.size for axis in axes[:a]), sum(axis.size for axis in axes[: a + 1]))
                matrix, heights = self._rows(product, field, which), self._values(product, field, which)
                factor, noticed = smallest(matrix, heights)
                cores[a] = torch.as_tensor(factor / np.abs(factor).max())[:, None, None]
                values = heights @ factor
        mean, deviation = float(values.mean()), float(values.std())
        return Direction(self.size * noticed, deviation <= LEVEL * abs(mean), self.problem.fields[field], None)

    def _rows(self, product: Model, field: int, which: slice) -> Array:
        """Return the derivatives of all rows by the coefficients `which` of a product in one field."""
        found = []
        for placed, slopes in self.images:
            prepared = [product.prepare(points, placed.plan) for points in placed.images]
            taped = [product.taped(each) for each in prepared]
            for slope in slopes:
                rows = torch.zeros(placed.count, product.size, dtype=torch.float64)
                with torch.no_grad():
                    for here, (_, tapes), adjoint in zip(prepared, taped, slope, strict=True):
                        product.add_rows(here, tapes, adjoint[:, :, field : field + 1], rows)
                found.append(rows[:, which].numpy())
        return np.concatenate(found)

    def _values(self, product: Model, field: int, which: slice) -> Array:
        """Return the derivatives of the product's values inside by the same coefficients."""
        plan = JetPlan(self.domain.dimension, [()])
        prepared = product.prepare(self.inside, plan)
        rows = torch.zeros(len(self.inside), product.size, dtype=torch.float64)
        with torch.no_grad():
            product.add_rows(prepared, product.taped(prepared)[1], torch.ones(len(rows), 1, 1).double(), rows)
        return np.asarray(rows[:, which].numpy())


def first_factor(size: int, start: int, generator: np.random.Generator) -> Array:
    """Return the coefficients (size,) of a factor at one of the starts."""
    ends = np.arange(size) % (size - 1) == 0
    return np.where(ends, 0.0, 1.0) if start == 1 else 1.0 + (start == 2) * generator.standard_normal(size)


def smallest(matrix: Array, heights: Array) -> tuple[Array, float]:
    """Return the c that minimises ‖J c‖ / rms(V c), with rms(V c) = 1, and the minimum, from J and V."""
    mass = heights.T @ heights / len(heights)
    mass += ROUND_OFF * np.trace(mass) * np.eye(len(mass))
    vector = eigh(matrix.T @ matrix, mass, subset_by_index=(0, 0))[1][:, 0]
    height = float(np.sqrt(np.square(heights @ vector).mean())) or 1.0
    return vector / height, float(np.linalg.norm(matrix @ vector)) / height
