"""A system of rows linearised at a vector: products with the Jacobian, its rows, and the normal matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product
from typing import Protocol

import torch
from torch import Tensor

from kanpde.collocation.rows import Slope, Sums
from kanpde.marching import normal_equations
from kanpde.marching.constant_rows import ConstantRows, gram_of, product_with, transposed_with
from kanpde.marching.piece import Image, Piece
from kanpde.marching.tensor_product import OnGrid, TensorProduct
from kanpde.optim.band import Storage

MANY = 4_000  # points from which terms that are zero are left out of products
# Multiplications of JᵀJ up to which J is a whole matrix on grids: sums along each axis then cost more calls than time.
SMALL = 80_000_000
FEW = 2**20  # products of two unknowns in a block's rows, up to which the rows themselves cost fewer calls than sums


class Assembled(Protocol):
    """Rows in pieces, as a function of the coefficients of a tensor product and of constants."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields."""

    @property
    def pieces(self) -> Sequence[Piece]:
        """The blocks at their points."""

    @property
    def space(self) -> TensorProduct:
        """The tensor product."""

    @property
    def numbered(self) -> Numbered:
        """The storage of the normal matrix."""

    @property
    def equations(self) -> Sequence[int]:
        """The numbers of the pieces of the equation."""

    def columns(self, piece: Piece, /) -> Tensor:
        """Return the columns of the unknowns that a piece's rows depend on."""

    def fields_of(self, piece: Piece, /) -> Tensor:
        """Return the numbers of the fields in a piece's rows."""


@dataclass(frozen=True, eq=False)
class Numbered:
    """The storage of JᵀJ of a tensor product: unknown (j, f) has the position Σ_a positions[a][j_a] + f."""

    storage: Storage
    positions: tuple[Tensor, ...]


@dataclass(frozen=True)
class Slopes:
    """A block's rows, and their derivatives by the jets at every image (c, n, S, f) and by constants (c, rows, U).

    All are multiplied by the rows' factors.
    """

    values: Tensor
    by_jets: tuple[Tensor, ...]
    by_constants: Tensor

    @cached_property
    def factors(self) -> tuple[SparseSlopes | FullSlopes, ...]:
        """The slopes by the jets at every image, as factors of products."""
        return tuple(SparseSlopes.of(s) if s.shape[1] > MANY else FullSlopes(s) for s in self.by_jets)


def scaled_slopes(piece: Piece, rows: Tensor, slopes: Sequence[Slope]) -> Slopes:
    """Return a block's rows and slopes times the rows' factors."""
    factors, by_jets = piece.factors, []
    at_points = piece.placed.at_points(factors)[:, :, None, None]
    for each in zip(*(slope.by_jets for slope in slopes), strict=True):
        by_jets.append(torch.stack(each) * at_points)
    by_constants = torch.stack([slope.by_unknowns for slope in slopes]) * factors[:, :, None]
    return Slopes(rows * factors, tuple(by_jets), by_constants)


@dataclass(frozen=True)
class SparseSlopes:
    """The slopes of a block at one image that are not all zero: `terms` (component, partial, field) with values (n,).

    At many points sums of these terms, each along the points, are faster than sums over all partials and fields.
    """

    terms: tuple[tuple[int, int, int], ...]
    values: tuple[Tensor, ...]
    shape: torch.Size

    @classmethod
    def of(cls, slopes: Tensor) -> SparseSlopes:
        """Return those of slopes (c, n, S, f)."""
        apart = slopes.permute(0, 2, 3, 1)
        terms = [(c, s, f) for c, s, f in torch.nonzero(slopes.abs().amax(dim=1)).tolist()]
        return cls(tuple(terms), tuple(apart[term].contiguous() for term in terms), slopes.shape)

    @cached_property
    def partials(self) -> tuple[int, ...]:
        """The numbers of the partials in the terms."""
        return tuple(sorted({s for _, s, _ in self.terms}))

    def product(self, image: Image, coefficients: Tensor) -> Tensor:
        """Return the rows (c, n) of coefficients (P, f)."""
        found = image.partials(coefficients, self.partials)
        rows = coefficients.new_zeros(self.shape[:2])
        for (c, s, f), value in zip(self.terms, self.values, strict=True):
            rows[c].addcmul_(value, found[s][f])
        return rows

    def transposed(self, image: Image, rows: Tensor) -> Tensor:
        """Apply the transpose of `product`: (c, n) -> (P, f)."""
        jets = {s: rows.new_zeros(self.shape[3], self.shape[1]) for s in self.partials or (0,)}
        for (c, s, f), value in zip(self.terms, self.values, strict=True):
            jets[s][f].addcmul_(value, rows[c])
        return image.partials_adjoint(jets)


class FullSlopes:
    """All slopes (c, n, S, f) of a block at one image, with the same products."""

    def __init__(self, slopes: Tensor) -> None:
        self._slopes = slopes

    def product(self, image: Image, coefficients: Tensor) -> Tensor:
        """Return the rows (c, n) of coefficients (P, f)."""
        return (self._slopes * image.own_jets(coefficients)).sum(dim=(2, 3))

    def transposed(self, image: Image, rows: Tensor) -> Tensor:
        """Apply the transpose of `product`: (c, n) -> (P, f)."""
        return image.adjoint((self._slopes * rows[:, :, None, None]).sum(dim=0))


class TensorLinearisation:
    """r (N,) and J of a system: products with J use the jets, and JᵀJ is assembled only on request.

    If all blocks have constant coefficients, `constant` has their Jacobians.
    """

    def __init__(
        self,
        system: Assembled,
        slopes: Sequence[Slopes],
        residual: Tensor | None = None,
        constant: Sequence[ConstantRows] = (),
    ) -> None:
        self._system, self._slopes, self._constant = system, slopes, constant
        self.residual = torch.cat([each.values.reshape(-1) for each in slopes]) if residual is None else residual

    @property
    def slopes(self) -> Sequence[Slopes]:
        """The rows and slopes of every block."""
        return self._slopes

    @property
    def system(self) -> Assembled:
        """The system."""
        return self._system

    @property
    def border(self) -> Tensor:
        """The columns of the unknown constants, (N, U)."""
        return torch.cat([each.by_constants.flatten(0, 1) for each in self._slopes])

    @property
    def coefficients(self) -> TensorLinearisation:
        """The linearisation at fixed constants."""
        fixed = [replace(each, by_constants=each.by_constants[..., :0]) for each in self._slopes]
        return TensorLinearisation(self._system, fixed, self.residual, self._constant)

    def against(self, residual: Tensor) -> TensorLinearisation:
        """Return the same Jacobian with another residual (N,)."""
        return TensorLinearisation(self._system, self._slopes, residual, self._constant)

    @property
    def storage(self) -> Storage:
        """The storage of JᵀJ."""
        return self._system.numbered.storage

    def product(self, step: Tensor) -> Tensor:
        """Return J p, (N,)."""
        coefficients, constants = torch.split(step, [len(step) - self._constants, self._constants])
        if self._constant:
            row = product_with(self._constant, coefficients.view(-1, len(self._system.fields)))
            return row + self.border @ constants if self._constants else row
        if self._whole is not None:
            row = self._whole @ coefficients
            return row + self.border @ constants if self._constants else row
        coefficients = coefficients.view(-1, len(self._system.fields))
        rows = []
        for number, (piece, slopes) in enumerate(zip(self._system.pieces, self._slopes, strict=True)):
            if number in self._few:
                columns, local = self._few[number]
                row = (local * coefficients.reshape(-1)[columns]).sum(dim=2)
            else:
                pairs = zip(piece.images, slopes.factors, strict=True)
                parts = [slope.product(image, coefficients) for image, slope in pairs]
                row = piece.placed.collected(reduce(torch.add, parts))
            row = row + slopes.by_constants @ constants if self._constants else row
            rows.append(row.reshape(-1))
        return torch.cat(rows)

    def transposed(self, weights: Tensor) -> Tensor:
        """Return Jᵀ k, (P,)."""
        if self._constant:
            return self._constant_transposed(weights)
        if self._whole is not None:
            found = self._whole.T @ weights
            return torch.cat([found, self.border.T @ weights]) if self._constants else found
        parts, start = [], 0
        constants = weights.new_zeros(self._constants)
        for number, (piece, slopes) in enumerate(zip(self._system.pieces, self._slopes, strict=True)):
            share = weights[start : start + slopes.values.numel()].view(slopes.values.shape)
            start += slopes.values.numel()
            if number in self._few:
                columns, local = self._few[number]
                total = weights.new_zeros(self.storage.size)
                parts.append(
                    total.index_add_(0, columns.reshape(-1), torch.einsum("cn,cnm->nm", share, local).reshape(-1))
                )
            else:
                at_points = piece.placed.at_points(share)
                pairs = zip(piece.images, slopes.factors, strict=True)
                parts += [slope.transposed(image, at_points).reshape(-1) for image, slope in pairs]
            if self._constants:
                constants = constants + torch.einsum("cnu,cn->u", slopes.by_constants, share)
        total = reduce(torch.add, parts)
        return torch.cat([total, constants]) if self._constants else total

    def _constant_transposed(self, weights: Tensor) -> Tensor:
        shares = torch.split(weights, [each.values.numel() for each in self._slopes])
        total = transposed_with(self._constant, shares, self._system.space.size, len(self._system.fields))
        return torch.cat([total, self.border.T @ weights]) if self._constants else total

    @property
    def matrix(self) -> Tensor:
        """J as a dense matrix, (N, P)."""
        if self._whole is not None:
            return torch.cat([self._whole, self.border], dim=1) if self._constants else self._whole
        parts = []
        for number, (piece, slopes) in enumerate(zip(self._system.pieces, self._slopes, strict=True)):
            if piece.placed.sums is not None:
                part = self._integrals(piece, piece.placed.sums, slopes)
            else:
                columns, rows = self._local_rows(number)
                part = rows.new_zeros(*rows.shape[:2], self.storage.size)
                part.scatter_add_(2, columns.expand(len(rows), -1, -1), rows)
            parts.append(torch.cat([part, slopes.by_constants], dim=2).flatten(0, 1))
        return torch.cat(parts)

    @property
    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """J in parts: the rows (n, m) of every block, and the numbers (m,) of the columns of the fields in it."""
        system, count = self._system, len(self._system.fields)
        if len(system.equations) == 1:
            return [(self.matrix, torch.arange(self.storage.size, device=self.residual.device))]
        found = []
        for piece, slopes in zip(system.pieces, self._slopes, strict=True):
            fields = system.fields_of(piece)
            places = torch.arange(len(fields), device=fields.device)
            each = [(image.local.columns[:, :, None] * len(fields) + places).flatten(1) for image in piece.images]
            columns = torch.cat(each, dim=1)
            pairs = list(zip(piece.images, slopes.by_jets, strict=True))
            for component in range(len(slopes.values)):
                rows = [image.rows(slope[component])[..., fields].flatten(1) for image, slope in pairs]
                part = columns.new_zeros(len(columns), system.space.size * len(fields), dtype=rows[0].dtype)
                part.scatter_add_(1, columns, torch.cat(rows, dim=1))
                numbers = torch.arange(system.space.size, device=fields.device)[:, None] * count + fields
                found.append((part, numbers.reshape(-1)))
        return found

    def _integrals(self, piece: Piece, sums: Sums, slopes: Slopes) -> Tensor:
        """Return the Jacobian (c, g, P) of rows that are integrals."""
        rows = []
        for component in range(len(slopes.values)):
            for group in range(sums.count):
                here = (sums.group == group)[:, None, None]
                pairs = zip(piece.images, slopes.by_jets, strict=True)
                parts = [image.adjoint(torch.where(here, slope[component], 0.0)) for image, slope in pairs]
                rows.append(torch.stack(parts).sum(0).reshape(-1))
        return torch.stack(rows).view(len(slopes.values), sums.count, -1)

    @cached_property
    def gram(self) -> Tensor:
        """JᵀJ in its storage, without the constants."""
        if self._constant:
            return gram_of(
                self._constant, self._system.space.shape, len(self._system.fields), self._system.space.longest
            )
        if self._whole is not None and self.storage.bandwidth is None:
            whole = self._whole.T @ self._whole
            if self.storage.in_order:
                return whole
            order = torch.argsort(self.storage.numbering)
            return whole[order][:, order]
        total, sums = self.storage.empty(self.residual), list[normal_equations.Sums]()
        for number, (piece, slopes) in enumerate(zip(self._system.pieces, self._slopes, strict=True)):
            if piece.placed.sums is not None:
                self.storage.add_full_rows(total, self._integrals(piece, piece.placed.sums, slopes).flatten(0, 1))
            elif piece.on_grids and number not in self._few:
                self._add_grids(sums, piece, slopes)
            else:
                self.storage.add_rows(total, *self._local_rows(number))
        for each in sums:
            each.add(total, self.storage.factors, self._system.numbered.positions)
        return self.storage.matrix(total)

    def _add_grids(self, sums: list[normal_equations.Sums], piece: Piece, slopes: Slopes) -> None:
        """Add the contribution of a block's rows on grids to the sums, those at the same pairs together."""
        split = [image.split(slope) for image, slope in zip(piece.images, slopes.by_jets, strict=True)]
        for grids in zip(*split, strict=True):
            for one, other in product(grids, repeat=2):
                for new in normal_equations.sums_over(self._system.space.longest, one, other):
                    normal_equations.collect(sums, new)

    @cached_property
    def _whole(self) -> Tensor | None:
        """J (N, P) without the constants if all rows are few and on grids, else None."""
        size, system = self.storage.size, self._system
        if self.residual.numel() * size**2 > SMALL or self.storage.orthogonal:
            return None
        pairs = list(zip(system.pieces, self._slopes, strict=True))
        if not all(piece.on_grids and piece.placed.sums is None for piece, _ in pairs):
            return None
        return torch.cat([self._whole_rows(piece, slopes) for piece, slopes in pairs])

    @staticmethod
    def _whole_rows(piece: Piece, slopes: Slopes) -> Tensor:
        """Return the rows (c n, P) of a block on grids."""
        found = list[Tensor]()
        for image, by_jets in zip(piece.images, slopes.by_jets, strict=True):
            pairs = image.split(by_jets)
            parts = [normal_equations.rows_of(grid, slope) for grid, slope in pairs if isinstance(grid, OnGrid)]
            found.append(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        return reduce(torch.add, found).flatten(0, 1)

    @cached_property
    def _few(self) -> dict[int, tuple[Tensor, Tensor]]:
        """The rows of blocks on grids by their numbers, if these are so few that sums along axes cost more calls."""
        pieces, fields = self._system.pieces, len(self._system.fields)
        return {
            number: self._local_rows(number)
            for number, piece in enumerate(pieces)
            if piece.placed.sums is None and piece.on_grids and piece.products(fields) <= FEW
        }

    @property
    def _constants(self) -> int:
        return self._slopes[0].by_constants.shape[-1]

    def _local_rows(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a block's columns (n, m), and its Jacobian (c, n, m) by its own fields, without the constants."""
        piece, slopes = self._system.pieces[number], self._slopes[number]
        pairs, own = list(zip(piece.images, slopes.by_jets, strict=True)), self._system.fields_of(piece)
        each = range(len(slopes.values))
        rows = [torch.cat([image.rows(s[c])[..., own].flatten(1) for image, s in pairs], 1) for c in each]
        return self._system.columns(piece), torch.stack(rows)
