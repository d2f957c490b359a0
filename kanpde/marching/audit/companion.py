"""A companion of a solution: the same network plus a small tensor product of splines that satisfies the problem better.

The stored coefficients of a network are rounded, and its compression leaves out what is small. Second derivatives of
splines magnify both by the square of the number of knots, so that the residual of a network is far larger than its
error. A function w in the full spline space of the cells' ends takes this away: w is a Gauss–Newton step about
the network, with residuals of derivatives that are computed cell by cell from the exact polynomials. Then

    |u − u*| ≤ max |w| + |u + w − u*|,

where the last term is bounded by a theorem as for any other function. Any w is valid, so that it may be found in
floating-point numbers. It is as large as the error itself, which makes the bound close.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.exact_splines import BITS, basis_pieces
from kanpde.calculus.jets import JetPlan, closure
from kanpde.calculus.precision import (
    DOUBLE,
    TINY,
    UPWARD,
    Numbers,
    floats,
    half_widths,
    sizes,
    unit_of,
    working,
    working_with,
)
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.geometry.integration import Index
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.axes import SplineAxis, StillAxis
from kanpde.marching.piece import CutGrid, Shapes
from kanpde.marching.system import System
from kanpde.marching.tensor_product import TensorProduct, lines_of
from kanpde.network.enclosure import Cells, Jet
from kanpde.optim.band import MIN_DAMPING
from kanpde.optim.bordered import factor_of, first_solvable
from kanpde.optim.cgls import conjugate_gradients
from kanpde.problem.lift import SingularPart
from kanpde.symbolic.proof.ordinary import is_ordinary

MOST_OPERATIONS = 1e11  # of the factorisation, so that it takes a few seconds
DAMPINGS = (2 * MIN_DAMPING, 1e-13, 1e-11)  # that are tried in order; they keep what no row notices small
SMALLEST = 2.0**-100  # size of a power whose roundings exceed the error of the fixed-point pieces, 2^-180
CHUNK = 4096  # points that are evaluated at once


@dataclass(frozen=True, eq=False)
class Companion:
    """w = Σ_j c_jf Π_a B_{j_a}(x_a) with `coefficients` c (*sizes, fields), before the factor of hard conditions."""

    axes: tuple[SplineAxis, ...]
    coefficients: Array
    constants: Mapping[str, float] = field(default_factory=dict)  # values of unknown constants that go with w

    def jets(self, cells: Cells, partials: Sequence[MultiIndex]) -> list[Jet]:
        """Return models of partials of w on cells, for every field."""
        with working_with(working().of_corrections):
            ends = [(low.tobytes(), high.tobytes(), working()) for low, high in cells]
            tables = [self._table(axis, *each) for axis, each in enumerate(ends)]
            return [
                {p: self._model(self.coefficients[..., f], tables, cells, p) for p in closure(partials)}
                for f in range(self.coefficients.shape[-1])
            ]

    @functools.lru_cache(maxsize=64)  # noqa: B019  (a companion lives as long as its proof)
    def _table(self, axis: int, low: bytes, high: bytes, numbers: Numbers) -> tuple[Array, Index]:
        """Return the powers (cells, k + 1, k + 1) of the functions on cells, and their numbers (cells, k + 1)."""
        own = self.axes[axis]
        ends, knots = (np.frombuffer(low), np.frombuffer(high)), own.basis.knots[0].double().cpu().numpy()
        inner = knots[own.degree + 1 : own.degree + own.intervals]
        interval = np.searchsorted(inner, (ends[0] + ends[1]) / 2, side="right")
        pieces = basis_pieces(knots, own.degree, interval, *ends)
        places = interval[:, None] + np.arange(own.degree + 1)
        return numbers.fraction(pieces, BITS), places % own.size if own.periodic else places

    @staticmethod
    def _model(
        coefficients: Array, tables: Sequence[tuple[Array, Index]], cells: Cells, partial: MultiIndex
    ) -> TaylorModel:
        total, size = coefficients, np.abs(coefficients)
        dimension, roundings = len(cells), 8
        for axis, ((powers, numbers), (low, high)) in enumerate(zip(tables, cells, strict=True)):
            order, largest, half = partial.count(axis), sizes(powers) + SMALLEST, half_widths(low, high)
            for _ in range(order):
                whole = np.arange(1, powers.shape[1])[:, None]
                powers = powers[:, 1:] * whole / half[:, None, None]
                largest = largest[:, 1:] * whole / floats(half)[0][:, None, None]
            roundings += 2 * powers.shape[2] + 10 * order + 4
            total = _contracted(total, axis, powers, numbers)
            size = _contracted(size, axis, largest.sum(axis=1, keepdims=True), numbers)
        order_of_axes = [*range(0, 2 * dimension, 2), *range(1, 2 * dimension, 2)]
        # Balls have their own rounding errors, but for that of the fixed-point pieces, which is below 2^-70 of a power.
        unit = max(unit_of(total), SMALLEST)
        error = size.reshape(size.shape[::2]) * (UPWARD * roundings * unit) + TINY
        return TaylorModel(np.ascontiguousarray(total.transpose(order_of_axes)), error)


def _contracted(values: Array, axis: int, powers: Array, numbers: Index) -> Array:
    """Replace functions by cells and powers: axis 2 · `axis` of `values` (…, n, …) becomes (…, cells, powers, …)."""
    moved = np.moveaxis(values, 2 * axis, 0)
    chosen = moved[numbers].reshape(*numbers.shape, -1)
    found = (powers @ chosen).reshape(*powers.shape[:2], *moved.shape[1:])
    return np.moveaxis(found, (0, 1), (2 * axis, 2 * axis + 1))


class CellByCell:
    """A solution at points, by the polynomials of its Taylor models: derivatives without cancellation."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self._known: dict[tuple[MultiIndex, ...], list[Jet]] = {}

    def prepare(self, points: Tensor, plan: JetPlan, shapes: Shapes = ()) -> tuple[Tensor, JetPlan, Shapes]:
        """Return the arguments, because features would need much memory."""
        return points, plan, shapes

    def jets(self, prepared: tuple[Tensor, JetPlan, Shapes]) -> Tensor:
        """Return the fields' jets (n, S, f)."""
        points, plan, shapes = prepared
        shapes = () if isinstance(shapes, CutGrid) else shapes
        if plan.partials not in self._known:
            self._known[plan.partials] = self.enclosed.full_jets(self.enclosed.cells, plan.partials)
        jets, counts = self._known[plan.partials], [math.prod(shape) for shape in shapes]
        pieces = torch.split(points, counts) if shapes else torch.split(points, CHUNK)
        found = []
        for number, piece in enumerate(pieces):
            lines = lines_of(piece, shapes[number]) if shapes else None
            where = lines if lines is not None else list(piece.T)
            places = [self._place(axis, each.numpy()) for axis, each in enumerate(where)]
            values = [[evaluated(jet[p], places, lines is not None) for jet in jets] for p in plan.partials]
            found.append(torch.as_tensor(np.array(values)).permute(2, 0, 1))
        singular = self.enclosed.model.ansatz
        if isinstance(singular, SingularPart):
            return torch.cat(found) + singular.jets(points, plan)[0]
        return torch.cat(found)

    def _place(self, axis: int, x: Array) -> tuple[Index, Array]:
        """Return the cells of points and their local coordinates."""
        low, high = self.enclosed.cells[axis]
        cell = np.clip(np.searchsorted(high, x, side="left"), 0, len(low) - 1)
        return cell, (x - (low + high)[cell] / 2) / ((high - low)[cell] / 2)


def evaluated(model: TaylorModel, places: Sequence[tuple[Index, Array]], on_grid: bool) -> Array:
    """Return the polynomials of a model at points (n,), whose coordinates are those of a grid or of single points."""
    # A model has one cell along axes on which it does not depend.
    cells = [cell if count > 1 else 0 * cell for (cell, _), count in zip(places, model.error.shape, strict=True)]
    powers = [local[:, None] ** np.arange(size) for (_, local), size in zip(places, model.degrees, strict=True)]
    found, _ = floats(model.coefficients)
    if not on_grid:
        found = found[tuple(cells)]
        for each in powers:
            found = np.einsum("np,np...->n...", each, found)
        return np.asarray(found)
    for axis, (cell, each) in enumerate(zip(cells, powers, strict=True)):
        alike = math.gcd(len(cell), *(np.flatnonzero(np.diff(cell)) + 1).tolist())  # successive points of one cell
        moved = np.moveaxis(np.moveaxis(found, model.dimension, 0), axis + 1, 0)[cell[::alike]]
        summed = each.reshape(len(moved), alike, -1) @ moved.reshape(*moved.shape[:2], -1)
        found = np.moveaxis(summed.reshape(len(cell), *moved.shape[2:]), 0, axis)
    return found.ravel()


def companion_of(enclosed: Enclosed, still: bool = False) -> Companion | None:
    """Return a companion of an enclosed solution; None if it has too many unknowns, or others than fields.

    If `still`, it vanishes on all faces in space. It is the same whichever numbers a proof works with.
    """
    with working_with(DOUBLE):
        return _companion_of(enclosed, still)


def _companion_of(enclosed: Enclosed, still: bool) -> Companion | None:
    problem, network = enclosed.problem, enclosed.model.network
    if problem.expansions or (problem.unknowns and is_ordinary(problem)):
        return None
    periodic = (False,) * problem.domain.dimension if enclosed.ansatz is None else enclosed.ansatz.periodic
    degree, cells = network.degree or 0, zip(enclosed.cells, periodic, strict=True)
    axes = tuple(SplineAxis(np.unique(np.append(low, high[-1])), degree, around) for (low, high), around in cells)
    moving = [a == problem.domain.time or axis.periodic or not still for a, axis in enumerate(axes)]
    own = tuple(axis if free else StillAxis(axis.breakpoints, degree) for axis, free in zip(axes, moving, strict=True))
    sizes_ = [axis.size * (len(problem.fields) if a == 0 else 1) for a, axis in enumerate(own)]
    # The band is at least as wide as the functions at a point, without those along the longest axis.
    if math.prod(sizes_) * (degree * math.prod(sizes_) / max(sizes_)) ** 2 > MOST_OPERATIONS:
        return None
    rows = System(
        TensorProduct(own),
        problem.domain,
        problem.blocks(),
        problem.fields,
        ansatz=enclosed.ansatz,
        unknowns=tuple(problem.unknowns),
        about=CellByCell(enclosed),
    )
    storage = rows.numbered.storage
    if storage.size * (storage.bandwidth or storage.size) ** 2 > MOST_OPERATIONS:
        return None
    known = enclosed.model.unknowns
    vector = step_of(rows, [known[name].item() for name in problem.unknowns])
    if vector is None or not vector.any():
        return None
    coefficients, constants = rows.split(vector)
    shaped = coefficients.numpy().reshape(*rows.space.shape, len(problem.fields))
    shaped = np.pad(shaped, [(0, 0) if free else (1, 1) for free in moving] + [(0, 0)])
    return Companion(axes, shaped, {name: value.item() for name, value in constants.items()})


def step_of(rows: System, constants: Sequence[float] = ()) -> Tensor | None:
    """Return the end of a Gauss–Newton step from zero, refined once about its end; None if the rows have no factor.

    The unknown constants begin with their values.
    """
    vector = torch.zeros(rows.size, dtype=torch.float64)
    vector[rows.size - len(constants) :] = torch.tensor(constants, dtype=torch.float64)
    rows.rescale(vector)
    linear = rows.linearise(vector)
    factor = first_solvable(factor_of(linear, size) for size in DAMPINGS)
    if factor is None:
        return None
    for _ in range(2):
        vector = vector + conjugate_gradients(linear, factor).step
        linear = linear.against(rows.residual(vector))
    return vector if bool(vector.isfinite().all()) else None
