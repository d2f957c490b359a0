"""The least-squares problem for the coefficients of a tensor product: rows at Gauss points, their local Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanpde import jets
from kanpde.ansatz import Ansatz
from kanpde.block import Block
from kanpde.geometry import Box
from kanpde.loss import mean, plan_of, side
from kanpde.optim.local import Cells, LocalLinearisation, Pattern
from kanpde.tensorproduct.gauss import Quadrature, quadrature
from kanpde.tensorproduct.space import Local, TensorProduct

CHECKED = 512  # points on which typical sizes of the fields are taken
Before = Callable[[Tensor, jets.JetPlan], Tensor]  # the jets (n, S, fields) of what the solution goes on from


@dataclass(frozen=True)
class Image:
    """What one image of a block's points needs: points, the products there, and the jets of lift and factor."""

    points: Tensor
    local: Local
    lift: Tensor | None
    factor: Tensor | None

    def jets(self, coefficients: Tensor) -> Tensor:
        """The solution's jets (n, S, f)."""
        jet = self.local.jets(coefficients)
        if self.lift is None or self.factor is None:
            return jet
        return self.lift + jets.product(self.local.plan, self.factor, jet)

    def rows(self, adjoint: Tensor) -> Tensor:
        """Derivatives of Σ adjoint · jets by the coefficients that are met: (n, S, f) -> (n, m, f)."""
        if self.factor is not None:
            adjoint = jets.product_adjoint(self.local.plan, self.factor, adjoint)
        return torch.einsum("nsf,nsm->nmf", adjoint, self.local.features)


@dataclass(frozen=True)
class Piece:
    """A block at its points. `target` (components, n) is what its rows have to be where that is not zero."""

    block: Block
    images: tuple[Image, ...]
    index: Tensor | None
    weights: Tensor
    columns: Tensor
    scale: Tensor
    target: Tensor | None = None

    @property
    def factors(self) -> Tensor:
        """(components, n): what every row is multiplied by."""
        return (self.block.weight * self.weights).sqrt() / self.scale[:, None]


class System:
    """Rows of blocks on a box, as a function of the vector of coefficients (P, fields) and unknown constants.

    The blocks in `going_on` ask for what they are of the solution `before` in place of their own values.
    """

    def __init__(
        self,
        space: TensorProduct,
        box: Box,
        blocks: Sequence[Block],
        fields: tuple[str, ...],
        *,
        ansatz: Ansatz | None = None,
        unknowns: tuple[str, ...] = (),
        device: torch.device | None = None,
        going_on: Sequence[Block] = (),
        before: Before | None = None,
        pattern: Pattern | None = None,
    ) -> None:
        self.space, self.box, self.fields, self.unknowns, self.ansatz = space, box, fields, unknowns, ansatz
        self._device = device or torch.device("cpu")
        self.pieces = [self._piece(block, quadrature(block, box, space.axes)) for block in blocks]
        for block in going_on:
            assert before is not None
            piece = self._piece(block, quadrature(block, box, space.axes))
            with torch.no_grad():
                known = [before(image.points, image.local.plan) for image in piece.images]
                target = self._evaluate(piece, known, {})
            self.pieces.append(replace(piece, target=target))
        self.pattern = pattern or self._pattern()

    @property
    def size(self) -> int:
        """The number of unknowns."""
        return self.space.size * len(self.fields) + len(self.unknowns)

    def _pattern(self) -> Pattern:
        count, constants = len(self.fields), len(self.unknowns)
        fields, last = torch.arange(count), self.space.size * count + torch.arange(constants)
        numberings = [
            torch.cat([(order[:, None] * count + fields).flatten(), last]).to(self._device)
            for order in self.space.numberings()
        ]
        return Pattern([Cells.of(piece.columns) for piece in self.pieces], numberings)

    def _piece(self, block: Block, where: Quadrature) -> Piece:
        points = torch.as_tensor(where.points, device=self._device)
        index = None if where.index is None else torch.as_tensor(where.index, device=self._device)
        plan = plan_of(block, self.box.dimension)
        images = tuple(self.image(points, plan) for points in block.images(points))
        count = len(self.fields)
        numbers = torch.arange(count, device=self._device)
        columns = [(image.local.columns[:, :, None] * count + numbers).flatten(1) for image in images]
        constants = torch.arange(len(self.unknowns), device=self._device) + self.space.size * count
        columns.append(constants.expand(len(points), -1))
        scale = torch.ones(len(block.components), dtype=points.dtype, device=self._device)
        weights = torch.as_tensor(where.weights, device=self._device)
        return Piece(block, images, index, weights, torch.cat(columns, dim=1), scale)

    def image(self, points: Tensor, plan: jets.JetPlan) -> Image:
        """Points made ready."""
        lift, factor = (None, None) if self.ansatz is None else self.ansatz.jets(points, plan)
        return Image(points, self.space.local(points, plan), lift, factor)

    def split(self, vector: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The coefficients (P, fields) and the unknown constants."""
        count = self.space.size * len(self.fields)
        return vector[:count].view(-1, len(self.fields)), dict(zip(self.unknowns, vector[count:], strict=True))

    def _evaluate(self, piece: Piece, jet: Sequence[Tensor], unknowns: Mapping[str, Tensor]) -> Tensor:
        pairs = zip(piece.images, jet, strict=True)
        sides = tuple(side(image.points, j, image.local.plan, self.box.names) for image, j in pairs)
        rows = piece.block.evaluate(sides, piece.index, unknowns)
        return rows if piece.target is None else rows - piece.target

    def residual(self, vector: Tensor) -> Tensor:
        """The rows (N,)."""
        coefficients, unknowns = self.split(vector)
        with torch.no_grad():
            rows = [
                self._evaluate(piece, [image.jets(coefficients) for image in piece.images], unknowns) * piece.factors
                for piece in self.pieces
            ]
        return torch.cat([row.reshape(-1) for row in rows])

    def linearise(self, vector: Tensor) -> LocalLinearisation:
        """Rows and Jacobian."""
        parts = [self._linear(piece, vector) for piece in self.pieces]
        residual = torch.cat([values.reshape(-1) for values, _ in parts])
        return LocalLinearisation(self.pattern, [p.columns for p in self.pieces], [rows for _, rows in parts], residual)

    def _linear(self, piece: Piece, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Values (c, n) and rows (c, n, m), each times its factor."""
        values, slopes, constants = self._slopes(piece, vector)
        factors = piece.factors
        rows = []
        for component, each in enumerate(slopes):
            pulled = [image.rows(slope).flatten(1) for image, slope in zip(piece.images, each, strict=True)]
            rows.append(torch.cat([*pulled, constants[component]], dim=1) * factors[component][:, None])
        return values * factors, torch.stack(rows)

    def _slopes(self, piece: Piece, vector: Tensor) -> tuple[Tensor, list[list[Tensor]], list[Tensor]]:
        """Values (c, n), and of each component ∂r/∂jet at every image, (n, S, f), and by every constant, (n, U)."""
        coefficients, unknowns = self.split(vector)
        with torch.no_grad():
            leaves = [image.jets(coefficients) for image in piece.images]
        leaves = [leaf.requires_grad_() for leaf in leaves]
        # One copy of every constant for each point, so that its derivative comes out point by point.
        constants = {n: v.detach().expand(len(piece.weights)).clone().requires_grad_() for n, v in unknowns.items()}
        values = self._evaluate(piece, leaves, constants)
        inputs = [*leaves, *constants.values()]
        slopes: list[list[Tensor]] = []
        by_constants: list[Tensor] = []
        for row in values:
            found = torch.autograd.grad(row.sum(), inputs, retain_graph=True, materialize_grads=True)
            slopes.append(list(found[: len(leaves)]))
            none = leaves[0].new_zeros(len(piece.weights), 0)
            by_constants.append(torch.cat([none, *(slope[:, None] for slope in found[len(leaves) :])], dim=1))
        return values.detach(), slopes, by_constants

    def rescale(self, vector: Tensor) -> None:
        """Measure the size of every block's terms: rows are relative to what they are the difference of."""
        coefficients, _ = self.split(vector)
        interior = self.pieces[0]
        stride = max(1, len(interior.weights) // CHECKED)
        points = interior.images[0].points[::stride]
        for number, piece in enumerate(self.pieces):
            _, slopes, _ = self._slopes(piece, vector)
            if piece.block.kind == "residual":
                jet = piece.images[0].jets(coefficients)
                sizes = [(each[0] * jet).abs().sum(dim=(1, 2)) for each in slopes]
                scale = torch.stack([mean(s.square(), piece.weights).sqrt() for s in sizes])
            else:
                typical = self._typical(points, piece.images[0].local.plan, coefficients)
                scale = torch.stack([(mean(e[0].square(), piece.weights).sqrt() * typical).sum() for e in slopes])
            scale = torch.where(torch.isfinite(scale) & (scale > 0), scale, torch.ones_like(scale))
            self.pieces[number] = replace(piece, scale=scale)

    def _typical(self, points: Tensor, plan: jets.JetPlan, coefficients: Tensor) -> Tensor:
        """The root mean squares of partials (S, f), at least those of u over the box' widths: a start may rest."""
        sizes = self.image(points, plan).jets(coefficients).square().mean(dim=0).sqrt()
        widths = points.new_tensor((self.box.high - self.box.low).tolist())
        spans = torch.stack([widths[list(partial)].prod() for partial in plan.partials])
        return torch.maximum(sizes, sizes[0] / spans[:, None])

    def rms(self, vector: Tensor) -> dict[str, float]:
        """The root mean square of every block's own rows, over its components too."""
        coefficients, unknowns = self.split(vector)
        found = {}
        with torch.no_grad():
            for piece in self.pieces:
                rows = self._evaluate(piece, [image.jets(coefficients) for image in piece.images], unknowns)
                found[piece.block.name] = float((piece.weights * rows.square()).sum(dim=1).mean().sqrt())
        return found

    def conditions_loss(self, vector: Tensor) -> float:
        """The part of ‖r‖² that conditions have; measurements, which may be noisy, are left out."""
        coefficients, unknowns = self.split(vector)
        total = 0.0
        with torch.no_grad():
            for piece in self.pieces[1:]:
                if piece.block.points is None:
                    jets = [image.jets(coefficients) for image in piece.images]
                    total += float((self._evaluate(piece, jets, unknowns) * piece.factors).square().sum())
        return total

    def relative_squares(self, vector: Tensor, points: Tensor) -> Tensor:
        """The squares of the equation's rows at other points, each relative to the size of its terms, (n,)."""
        coefficients, unknowns = self.split(vector)
        first = self.pieces[0]
        image = self.image(points, first.images[0].local.plan)
        other = replace(first, images=(image,), index=None)
        with torch.no_grad():
            rows = self._evaluate(other, [image.jets(coefficients)], unknowns) / first.scale[:, None]
        return rows.square().mean(dim=0)
