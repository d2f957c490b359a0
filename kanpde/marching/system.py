"""The least-squares problem for the coefficients of a tensor product: rows at Gauss points, their local Jacobian."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from kanpde.calculus import jets
from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.devices import PROCESSOR
from kanpde.collocation.rows import (
    Placed,
    Slope,
    Sums,
    plan_with,
    scale_of_condition,
    scale_of_equation,
    size_of_functions,
    sizes_of_terms,
    usable_scale,
)
from kanpde.geometry.domain import Domain
from kanpde.marching.constant_rows import ConstantRows
from kanpde.marching.enriched_product import EnrichedProduct
from kanpde.marching.linearisation import Numbered, TensorLinearisation, scaled_slopes
from kanpde.marching.numbering import columns_of, fields_in, narrowest
from kanpde.marching.piece import (
    Image,
    OnGrids,
    Piece,
    Shapes,
    TensorFunction,
    balancing_sizes,
    noticed_fields,
    spans_of,
)
from kanpde.marching.quadrature import Quadrature, any_shape, quadrature
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.tolerances import MISFIT
from kanpde.optim.band import Storage
from kanpde.problem.block import Block
from kanpde.problem.lift import Lift

# Least size of an equation's terms relative to those of a solution that varies over the whole box: the terms of a
# constant start, or of an equation of one term, are round-off.
FLOOR = 1e-3
# The same if the domain has parts, in some of which the solution often is linear.
FLOOR_OF_PARTS = 0.1
# A field is round-off below this share of the size that would balance the other terms of an equation, which then is its
# size.
NOTHING = 1e-10
# Least scale of a row with two sides, relative to that of its larger side.
LEAST_SIDE = 1e-6
# Number of unknowns up to which sums of Kronecker products are whole matrices.
LARGEST_WHOLE = 1000
# Curvature of an unknown function, relative to its size, that counts as much as the misfit of the measurements, until
# these choose another weight of its smoothness.
STIFF = 1e-2


class System:
    """Rows of blocks on a domain, as a function of the vector of coefficients (P, fields) and unknown constants.

    The target of the blocks in `going_on` is their value on the solution `before`, in place of their own values. If a
    function `about` is given, the coefficients are those of a correction that is added to it. No field is taken for
    smaller than its size in `least` (f,). If the rows are `linear`, their slopes are those of any vector.
    """

    def __init__(
        self,
        space: TensorProduct,
        domain: Domain,
        blocks: Sequence[Block],
        fields: tuple[str, ...],
        *,
        ansatz: Lift | None = None,
        unknowns: tuple[str, ...] = (),
        device: torch.device | None = None,
        going_on: Sequence[Block] = (),
        before: TensorFunction | None = None,
        numbered: Numbered | None = None,
        about: OnGrids | None = None,
        least: Tensor | None = None,
        linear: bool = False,
    ) -> None:
        self.about, self._linear = about, linear
        self.least = torch.zeros(len(fields), dtype=torch.float64, device=device) if least is None else least
        self.space, self.domain, self.fields, self.unknowns, self.ansatz = space, domain, fields, unknowns, ansatz
        self._device = device or PROCESSOR
        self.pieces = [self._piece(block) for block in blocks]
        for block in going_on:
            assert before is not None
            piece = self._piece(block)
            with torch.no_grad():
                known = [before.prepare(image.points, image.plan, piece.shapes) for image in piece.images]
                target = piece.placed.rows_of(before, known)
            self.pieces.append(replace(piece, placed=replace(piece.placed, target=target)))
        self.numbered = numbered or self._numbered()
        self._jets_of: tuple[Tensor, list[list[Tensor]]] | None = None
        self._rows_of: tuple[Tensor, list[Tensor]] | None = None
        self._slopes_of: tuple[Tensor, list[tuple[Tensor, list[Slope]]]] | None = None
        self._constant_slopes: list[list[Slope]] | None = None

    @property
    def size(self) -> int:
        """The number of unknowns."""
        return self.space.size * len(self.fields) + len(self.unknowns)

    @cached_property
    def shaped(self) -> bool:
        """True if the domain, or a part of it, is not a box."""
        return any_shape(self.domain, [piece.placed.block for piece in self.pieces])

    def _numbered(self) -> Numbered:
        # A correction on splines needs few digits, and JᵀJ is cheaper than an orthogonal factor.
        steady = isinstance(self.space, EnrichedProduct) and self.space.time is None
        orthogonal = self.shaped and (self.about is None or steady)
        constants = len(self.unknowns)
        if orthogonal or isinstance(self.space, EnrichedProduct):
            order = torch.arange(self.space.size * len(self.fields), device=self._device)
            return Numbered(Storage(order, border=constants, orthogonal=orthogonal), ())
        return narrowest(self.space, self.pieces, len(self.fields), constants, self._device)

    def columns(self, piece: Piece) -> Tensor:
        """Return the numbers (n, m) of the unknowns that the block's rows touch."""
        return columns_of(piece, len(self.fields))

    def fields_of(self, piece: Piece) -> Tensor:
        """Return the numbers (f,) of the fields that occur in a block."""
        return fields_in(piece)

    def _piece(self, block: Block) -> Piece:
        where = quadrature(block, self.domain, self.space.axes, self.space.least_on_faces)
        points = torch.as_tensor(where.points, device=self._device)
        index = None if where.index is None else torch.as_tensor(where.index, device=self._device)
        placed = Placed.at(block, self.domain.names, points, index, self._sums(where))
        images = tuple(self.image(image, placed.plan, where.shapes) for image in placed.images)
        scale = torch.ones(len(block.components), dtype=points.dtype, device=self._device)
        weights = torch.as_tensor(where.weights, device=self._device)
        return Piece(placed, images, weights, where.shapes, scale)

    def _sums(self, where: Quadrature) -> Sums | None:
        if where.sums is None:
            return None
        group, weights = (torch.as_tensor(each, device=self._device) for each in where.sums)
        return Sums(group, weights, len(where.weights))

    def image(self, points: Tensor, plan: jets.JetPlan, shapes: Shapes = ()) -> Image:
        """Precompute the space at points, which `shapes` declares to be tensor grids."""
        return Image.of(points, self.space, plan, self.ansatz, shapes, self.about)

    def split(self, vector: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the coefficients (P, fields) and the unknown constants."""
        count = self.space.size * len(self.fields)
        constants = dict(zip(self.unknowns, vector[count:], strict=True)) if self.unknowns else {}
        return vector[:count].view(-1, len(self.fields)), constants

    def at(self, vector: Tensor) -> TensorFunction:
        """Return the solution with this vector of unknowns."""
        return TensorFunction(self.space, self.ansatz, *self.split(vector), self.about)

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows (N,)."""
        pairs = zip(self._own_rows(vector), self.pieces, strict=True)
        return torch.cat([(rows * piece.factors).reshape(-1) for rows, piece in pairs])

    def _jets(self, vector: Tensor) -> list[list[Tensor]]:
        """Return the jets (n, S, f) at every image of every piece; those of the last vector are kept."""
        if self._jets_of is None or self._jets_of[0] is not vector:
            coefficients, _ = self.split(vector)
            with torch.no_grad():
                found = [[image.jets(coefficients) for image in piece.images] for piece in self.pieces]
            self._jets_of = vector, found
        return self._jets_of[1]

    def _own_rows(self, vector: Tensor) -> list[Tensor]:
        """Return every piece's own rows (components, n); those of the last vector are kept."""
        if self._rows_of is None or self._rows_of[0] is not vector:
            unknowns = self.split(vector)[1]
            pairs = zip(self.pieces, self._jets(vector), strict=True)
            with torch.no_grad():
                self._rows_of = vector, [piece.placed.rows(here, unknowns) for piece, here in pairs]
        return self._rows_of[1]

    def linearise(self, vector: Tensor) -> TensorLinearisation:
        """Return rows and Jacobian."""
        found = self._slopes(vector)
        self._slopes_of = None  # the Jacobian is as large
        pairs = zip(self.pieces, found, strict=True)
        constant = self._constant_rows([slopes for _, slopes in found])
        if constant and self._linear:
            self._constant_slopes = [slopes for _, slopes in found]
        slopes = [scaled_slopes(piece, rows, slopes) for piece, (rows, slopes) in pairs]
        return TensorLinearisation(self, slopes, constant=constant)

    def _constant_rows(self, slopes: Sequence[Sequence[Slope]]) -> list[ConstantRows]:
        """Return the Jacobian of every block, if all have constant coefficients on few functions; else nothing."""
        storage = self.numbered.storage
        if (
            storage.bandwidth is not None
            or storage.orthogonal
            or storage.size > LARGEST_WHOLE
            or self._device != PROCESSOR
        ):
            return []
        blocks: list[ConstantRows] = []
        for piece, each in zip(self.pieces, slopes, strict=True):
            block = ConstantRows.of(piece, each)
            if block is None:
                return []
            blocks.append(block)
        return blocks

    def _slopes(self, vector: Tensor) -> list[tuple[Tensor, list[Slope]]]:
        """Return every block's own rows (c, rows) and every component's slope; those of the last vector are kept."""
        if self._constant_slopes is not None:
            return list(zip(self._own_rows(vector), self._constant_slopes, strict=True))
        if self._slopes_of is None or self._slopes_of[0] is not vector:
            unknowns, found = self.split(vector)[1], []
            for piece, here in zip(self.pieces, self._jets(vector), strict=True):
                rows, slopes = piece.placed.slopes(here, unknowns)
                found.append((rows, list(slopes)))
            self._slopes_of = vector, found
        return self._slopes_of[1]

    @property
    def scales(self) -> tuple[Tensor, ...]:
        """The divisors (components,) of every block's rows."""
        return tuple(piece.scale for piece in self.pieces)

    def scale(self, scales: Sequence[Tensor]) -> None:
        """Divide the rows by these."""
        self.pieces = [replace(piece, scale=scale) for piece, scale in zip(self.pieces, scales, strict=True)]

    def rescale(self, vector: Tensor) -> None:
        """Divide every block's rows by the size of its terms at a vector."""
        slopes = [[slope.by_jets for slope in each] for _, each in self._slopes(vector)]
        terms = {}
        for number in self.equations:
            piece, first = self.pieces[number], [each[0] for each in slopes[number]]
            terms[number] = scale_of_equation(sizes_of_terms(first, self._jets(vector)[number][0]), piece.weights)
        by_terms = [[each[0] for each in slopes[number]] for number in terms]
        typical = self._typical(vector, by_terms, [*terms.values()], noticed_fields(slopes))
        for number, piece in enumerate(self.pieces):
            size = torch.stack([typical[partial] for partial in piece.images[0].plan.partials])
            sides = zip(*slopes[number], strict=True)
            each = torch.stack([scale_of_condition(piece.placed.sizes(s), size, piece.weights) for s in sides])
            # Two sides balance each other, so that the smaller one shows the size of both.
            scale = torch.maximum(each.amin(dim=0), LEAST_SIDE * each.amax(dim=0))
            if number in terms:
                floor = FLOOR if len(terms) == 1 else FLOOR_OF_PARTS
                scale = torch.where(terms[number] > 0, torch.maximum(terms[number], floor * scale), scale)
            if piece.placed.block.functions and not (scale > 0).any():
                scale = scale + size_of_functions(piece.placed.block, self.split(vector)[1])
            if piece.placed.block.kind == "prior":
                scale = scale * STIFF / MISFIT
            if piece.placed.block.measured:
                misfit = self._own_rows(vector)[number].square().mean(dim=1).sqrt()
                scale = torch.maximum(scale, misfit / MISFIT)
            self.pieces[number] = replace(piece, scale=usable_scale(scale, torch.ones_like(scale)))

    @property
    def equations(self) -> list[int]:
        """The numbers of the pieces of the equation, one for each part of the domain; else that of the first piece."""
        found = [number for number, piece in enumerate(self.pieces) if piece.placed.block.kind == "residual"]
        return found or [0]

    def interiors(self, plan: jets.JetPlan) -> list[tuple[Image, Tensor, Tensor]]:
        """Return for every piece of the equation the image of its points, their shares (n,), and its own fields (f,).

        The shares sum to 1, and the fields are 1 where they belong to the piece and 0 elsewhere.
        """
        found = []
        for number in self.equations:
            piece = self.pieces[number]
            own = piece.weights.new_zeros(len(self.fields))
            own[[*piece.placed.block.partials]] = 1.0
            own = own if len(self.equations) > 1 else torch.ones_like(own)
            image = piece.images[0]
            if image.plan.partials != plan.partials:
                image = self.image(image.points, plan, piece.shapes)
            found.append((image, piece.weights / piece.weights.sum(), own))
        return found

    def _typical(
        self,
        vector: Tensor,
        slopes: Sequence[Sequence[Tensor]],
        terms: Sequence[Tensor],
        noticed: Tensor,
    ) -> dict[MultiIndex, Tensor]:
        """Return the root mean square (f,) of every partial, at least that of u divided by the box's widths.

        The lower bound is needed because an initial state may be constant. Where u itself is round-off, its
        size is that which would balance the other terms of an equation. The slopes and sizes of terms are given for
        every piece of the equation. If all fields are zero, their sizes are taken for 1. A mean that is not `noticed`
        by any row is arbitrary, and no part of the size.
        """
        wanted = frozenset(p for piece in self.pieces for p in piece.images[0].plan.partials)
        plan = plan_with(self.domain.dimension, wanted)
        interiors = []
        for number, (image, _, own) in zip(self.equations, self.interiors(plan), strict=True):
            known = image is self.pieces[number].images[0]
            interiors.append((self._jets(vector)[number][0] if known else image.jets(self.split(vector)[0]), own))
        mean_of = torch.stack([own * jet[:, 0].mean(dim=0) for jet, own in interiors]).sum(dim=0)
        arbitrary = torch.zeros_like(interiors[0][0][0])
        arbitrary[0] = torch.where(noticed, 0.0, mean_of)
        each = [own * (jet - arbitrary).square().mean(dim=0) for jet, own in interiors]
        sizes = torch.stack(each).sum(dim=0).sqrt()
        widths = (self.domain.high - self.domain.low).tolist()
        spans = sizes.new_tensor(spans_of(plan, widths))
        pieces = [self.pieces[number] for number in self.equations]
        balancing = balancing_sizes(pieces, slopes, terms, widths)
        lost = sizes[0] < NOTHING * balancing
        if lost.any():
            # If the field's slope is as small as the field, as of u v² by v, the size that balances is between both.
            beside = self._slopes_beside(vector, torch.where(lost, balancing, 0.0))
            there = balancing_sizes(pieces, beside, terms, widths)
            balancing = torch.where(there > 0, (balancing * torch.minimum(balancing, there)).sqrt(), balancing)
        whole = torch.where(sizes[0] < NOTHING * balancing, balancing, sizes[0])
        whole = torch.maximum(whole, self.least)
        whole = whole if whole.any() else torch.ones_like(whole)
        return dict(zip(plan.partials, torch.maximum(sizes, whole / spans[:, None]), strict=True))

    def _slopes_beside(self, vector: Tensor, change: Tensor) -> list[list[Tensor]]:
        """Return the slopes of every piece of the equation if constants (f,) are added to the fields."""
        unknowns, found = self.split(vector)[1], []
        for number in self.equations:
            piece, jets_here = self.pieces[number], [jet.clone() for jet in self._jets(vector)[number]]
            values = piece.images[0].plan.index.get(())
            if values is not None:
                jets_here[0][:, values] += change
            _, slopes = piece.placed.slopes(jets_here, unknowns)
            found.append([slope.by_jets[0] for slope in slopes])
        return found

    def moved(self, before: Tensor, after: Tensor) -> float:
        """Return the relative size of a step, the larger one of the coefficients' and the constants'.

        On a shape the fields inside stand for the coefficients, because many vectors are nearly the same fields there.
        """
        count = self.space.size * len(self.fields)
        pairs = [(before[:count], after[:count]), (before[count:], after[count:])]
        if self.numbered.storage.orthogonal:
            interiors = self.interiors(jets.JetPlan(self.domain.dimension, [()]))

            def inside(vector: Tensor) -> Tensor:
                coefficients, _ = self.split(vector)
                return torch.cat(
                    [(image.own_jets(coefficients)[:, 0] * own).reshape(-1) for image, _, own in interiors]
                )

            pairs[0] = inside(before), inside(after)
        ratios = [(new - old).norm() / new.norm().clamp_min(1e-300) for old, new in pairs]
        return float(torch.stack(ratios).amax())

    def rms(self, vector: Tensor) -> dict[str, float]:
        """Return the root mean square of every block's own rows, over its components too."""
        pairs = zip(self.pieces, self._own_rows(vector), strict=True)
        squares = torch.stack([(piece.weights * rows.square()).sum(dim=1).mean() for piece, rows in pairs]).tolist()
        found: dict[str, list[float]] = {}
        for piece, square in zip(self.pieces, squares, strict=True):
            found.setdefault(piece.placed.block.name, []).append(square)
        return {name: math.sqrt(sum(each) / len(each)) for name, each in found.items()}

    def conditions_loss(self, vector: Tensor, names: Collection[str] | None = None) -> float:
        """Return the conditions' part of ‖r‖², or that of some by name, without measurements, which may be noisy."""
        every = enumerate(zip(self.pieces, self._own_rows(vector), strict=True))
        others = [(piece, rows) for number, (piece, rows) in every if number not in self.equations]
        conditions = [(piece, rows) for piece, rows in others if piece.placed.block.points is None]
        if names is not None:
            conditions = [(piece, rows) for piece, rows in conditions if piece.placed.block.name in names]
        squares = [(rows * piece.factors).square().sum() for piece, rows in conditions]
        return sum(torch.stack(squares).tolist()) if squares else 0.0

    def misfit(self, vector: Tensor) -> float:
        """Return the largest ratio of a block of measurements' misfit to its values; zero without measurements."""
        solution, nothing = self.at(vector), self.at(torch.zeros_like(vector))
        found = 0.0
        with torch.no_grad():
            for piece in self.pieces:
                if piece.placed.block.measured:
                    size = float(piece.rows(nothing).norm())
                    found = max(found, float(piece.rows(solution).norm()) / size if size > 0 else 0.0)
        return found

    def relative_squares(self, piece: Piece, vector: Tensor, points: Tensor, shapes: Shapes) -> Tensor:
        """Return the squares of an equation's rows at other points, each relative to the size of its terms, (n,)."""
        solution = self.at(vector)
        placed = replace(piece.placed, images=piece.placed.block.images(points), index=None)
        with torch.no_grad():
            image = solution.prepare(placed.images[0], placed.plan, shapes)
            rows = placed.rows_of(solution, [image]) / piece.scale[:, None]
        return rows.square().mean(dim=0)
