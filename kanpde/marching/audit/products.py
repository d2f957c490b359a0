"""The weakest product: the function v(x) = Π_a v_a(x_a) that the linearised rows notice least, in many coordinates.

No space of all functions can be searched there, but constants, and the modes of separable equations that a missing
condition leaves free, are products. Gauss–Newton on all factors at once minimises ‖J v‖² + w² (mean v² − 1)²; factors
in turn would take far more steps. The ratio of ‖J v‖ and ‖v‖ is measured at other points, because a product may hide
between those of the search. It is an upper bound of the smallest one.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan, product
from kanpde.collocation.rows import Placed
from kanpde.geometry.box import as_box
from kanpde.marching.audit.directions import LEVEL, Direction
from kanpde.marching.tensor_trains.rows import equidistant
from kanpde.network.residuals import Residuals
from kanpde.network.tensor_train import TensorTrain
from kanpde.network.trial_function import Model, Prepared
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import Linearisation
from kanpde.problem.problem import Problem

POINTS = 1024  # of the equation, and of every condition
DEGREE, INTERVALS = 13, 1  # of the factors' splines
STARTS = 2  # from a constant, and from a function that vanishes on all faces
STEPS, FALL = 40, 0.99  # number of steps, which end if a step leaves more than this share of the loss
WEIGHT = 10.0  # of the product's norm, w


def weakest_product(problem: Problem, model: Model) -> Direction | None:
    """Return the weakest product of one field, about a model; None if it cannot be looked for.

    It is looked for on boxes, in problems without unknown functions and integrals, and in systems without hard
    conditions.
    """
    blocks = problem.blocks()
    if as_box(problem.domain) is None or problem.expansions or any(block.integrated for block in blocks):
        return None
    if len(problem.fields) > 1 and model.ansatz is not None:
        return None
    own = copy.deepcopy(model).to(device="cpu", dtype=torch.float64)
    linear, unseen = (LinearRows(problem, own, seed) for seed in (0, 1))
    found = []
    for f in range(len(problem.fields)):
        products, elsewhere = Products(linear, f), Products(unseen, f)
        found += [elsewhere.direction(products.weakest(start)) for start in range(STARTS)]
    return min(found, key=lambda direction: direction.noticed)


def relative_residual(problem: Problem, model: Model) -> float | None:
    """Return the norm of a model's rows, relative to their terms, at points of the audit; None if it is not finite."""
    own = copy.deepcopy(model).to(device="cpu", dtype=torch.float64)
    found = float(relative_rows(problem, own, 0).residual(own.vector).norm())
    return found if math.isfinite(found) else None


def relative_rows(problem: Problem, model: Model, seed: int) -> Residuals:
    """Return the rows of all blocks at random points, divided by the sizes of their terms."""
    rows = Residuals(model, problem.blocks(), problem.domain.names)
    rows.sample(problem.domain, lambda block: POINTS, np.random.default_rng(seed))
    rows.rescale(balanced=False)
    return rows


class LinearRows:
    """The rows' derivatives by the fields' jets about a model, divided by the sizes of the rows' terms."""

    def __init__(self, problem: Problem, model: Model, seed: int) -> None:
        self.problem, self.domain = problem, problem.domain
        self.ansatz = model.ansatz
        rows = relative_rows(problem, model, seed)
        self.images: list[tuple[Placed, list[list[Tensor]]]] = []
        for part in rows.parts:
            for chunk in part.chunks:
                with torch.no_grad():
                    jets = [model.jets(each) for each in chunk.prepared]
                unknowns = {name: value.detach() for name, value in model.unknowns.items()}
                _, slopes = chunk.placed.slopes(jets, unknowns, part.row_factors(chunk))
                self.images.append((chunk.placed, [[each.detach() for each in slope.by_jets] for slope in slopes]))
        self.inside = rows.parts[0].points
        plan = JetPlan(self.domain.dimension, [()])
        self.size = float(model.jets_at(self.inside, plan)[:, 0].square().sum(dim=1).mean().sqrt()) or 1.0


class Products:
    """The rows J v and w (mean v² − 1) of a product v in one field, as a function of its coefficients."""

    def __init__(self, linear: LinearRows, field: int) -> None:
        self.linear, self.field = linear, field
        domain = linear.domain
        periodic = (False,) * domain.dimension if linear.ansatz is None else linear.ansatz.periodic
        ends = zip(domain.low, domain.high, periodic, strict=True)
        axes = [equidistant(low, high, INTERVALS, DEGREE, around) for low, high, around in ends]
        self.sizes = [axis.size for axis in axes]
        cores = [torch.ones(size, 1, 1, dtype=torch.float64) for size in self.sizes]
        self.model = Model(TensorTrain([axis.basis for axis in axes], [cores]), linear.ansatz)
        self.prepared = [
            [self.model.prepare(points, placed.plan) for points in placed.images] for placed, _ in linear.images
        ]
        self.plan = JetPlan(linear.domain.dimension, [()])
        self.inside = self.model.prepare(linear.inside, self.plan)

    def weakest(self, start: int) -> Tensor:
        """Return the coefficients of the weakest product that is found from one of the starts."""
        method, vector = GaussNewton(1e-2), torch.cat([first_factor(size, start) for size in self.sizes])
        for _ in range(STEPS):
            step = method.step(self, vector)
            vector = step.vector
            if not step.accepted or step.loss > FALL * step.before:
                break
        return vector

    def direction(self, vector: Tensor) -> Direction:
        """Return the product of these coefficients as a direction."""
        rows, values = self._rows(vector)
        height = float(values.square().mean().sqrt()) or 1.0
        mean, deviation = float(values.mean()), float(values.std())
        noticed = self.linear.size * float(rows.norm()) / height
        return Direction(noticed, deviation <= LEVEL * abs(mean), self.linear.problem.fields[self.field], None)

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows (N,)."""
        rows, values = self._rows(vector)
        return torch.cat([rows, WEIGHT * (values.square().mean() - 1)[None]])

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return the rows and their Jacobian."""
        jacobian, slopes = self._jacobians(vector)
        _, values = self._rows(vector)
        row = 2 * WEIGHT * (values[:, None] * slopes).mean(dim=0)
        return Linearisation.whole(torch.cat([jacobian, row[None]]), self.residual(vector))

    def chunks_of_rows(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the rows and their Jacobian as one chunk."""
        linear = self.linearise(vector)
        return [(linear.factor, linear.residual)]

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient (P,)."""
        linear = self.linearise(vector)
        return linear.loss, 2 * linear.factor.T @ linear.residual

    @torch.no_grad()
    def _rows(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return J v (N,), and v (n,) inside."""
        self.model.assign(vector)
        found = []
        for (_, slopes), prepared in zip(self.linear.images, self.prepared, strict=True):
            jets = [self._jets(each) for each in prepared]
            for slope in slopes:
                terms = [g[:, :, self.field] * jet for g, jet in zip(slope, jets, strict=True)]
                found.append(torch.stack([term.sum(dim=1) for term in terms]).sum(dim=0))
        return torch.cat(found), self._jets(self.inside)[:, 0]

    def _jets(self, prepared: Prepared) -> Tensor:
        """Return the jets (n, S) of the product times the factor of hard conditions, without their lift."""
        jet = self.model.network.jets(prepared.features, prepared.plan)
        return (jet if prepared.factor is None else product(prepared.plan, prepared.factor, jet))[..., 0]

    @torch.no_grad()
    def _jacobians(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivatives (N, P) of J v and (n, P) of v by the coefficients."""
        self.model.assign(vector)
        found = []
        for (placed, slopes), prepared in zip(self.linear.images, self.prepared, strict=True):
            taped = [self.model.taped(each)[1] for each in prepared]
            for slope in slopes:
                rows = vector.new_zeros(placed.count, len(vector))
                for here, tapes, adjoint in zip(prepared, taped, slope, strict=True):
                    self.model.add_rows(here, tapes, adjoint[:, :, self.field : self.field + 1], rows)
                found.append(rows)
        values = vector.new_zeros(len(self.linear.inside), len(vector))
        self.model.add_rows(self.inside, self.model.taped(self.inside)[1], values.new_ones(len(values), 1, 1), values)
        return torch.cat(found), values


def first_factor(size: int, start: int) -> Tensor:
    """Return the coefficients (size,) of a factor at one of the starts."""
    factor = torch.ones(size, dtype=torch.float64)
    if start == 1:
        factor[[0, -1]] = 0.0
    return factor
