"""Least squares whose rows touch few unknowns each: sparse products, a banded or dense factor, conjugate gradients.

Rows that touch the same unknowns form a cell. JᵀJ is the sum of the cells' small Gram matrices, as a stiffness matrix
is of its elements', and is banded where the unknowns can be numbered so that those of a cell are near each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import cho_solve_banded, cholesky_banded
from torch import Tensor

ITERATIONS = 40  # of conjugate gradients, which the factor preconditions
GAIN = 1e-3  # a fall of the gradient's norm by less than this over all of them so far is round-off
PAYS = 0.35  # a band narrower than this share of the unknowns is factored as a band


@dataclass(frozen=True)
class Cells:
    """Rows in groups that share columns: `columns` (cells, m), `members` (cells, q) rows, −1 where there is none."""

    columns: Tensor
    members: Tensor

    @classmethod
    def of(cls, columns: Tensor) -> Cells:
        """The cells of rows with these columns (n, m)."""
        unique, which, counts = torch.unique(columns, dim=0, return_inverse=True, return_counts=True)
        order = torch.argsort(which, stable=True)
        starts = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(columns), device=columns.device) - starts[which[order]]
        members = columns.new_full((len(unique), int(counts.max())), -1)
        members[which[order], place] = order
        return cls(unique, members)

    def gathered(self, rows: Tensor) -> Tensor:
        """Rows (c, n, m) by cell, (cells, c·q, m), with zeros where a cell has fewer than q."""
        padded = torch.cat([rows, rows.new_zeros(rows.shape[0], 1, rows.shape[2])], dim=1)
        return padded[:, self.members].transpose(0, 1).flatten(1, 2)


class Pattern:
    """Which unknowns meet in a row, and how JᵀJ is stored: `numbering` says where each unknown stands in the band.

    Of the `numberings` (P,) that are offered the one with the narrowest band is taken; JᵀJ is dense where none pays.
    """

    def __init__(self, cells: Sequence[Cells], numberings: Sequence[Tensor]) -> None:
        self.cells, self.size = cells, len(numberings[0])
        self.numbering = min(numberings, key=self._reach)
        reach = self._reach(self.numbering)
        self.bandwidth = reach if self.numbering.device.type == "cpu" and reach < PAYS * self.size else None
        self._targets = [self._target(c) for c in cells]

    def _reach(self, numbering: Tensor) -> int:
        """How far apart unknowns of one cell stand."""
        places = [numbering[c.columns] for c in self.cells]
        return max((int((p.amax(1) - p.amin(1)).max()) for p in places), default=0)

    def _target(self, cells: Cells) -> Tensor:
        """Where every entry of the cells' Gram matrices goes; those above the diagonal into a last, spare place."""
        places = self.numbering[cells.columns]
        down, across = places[:, :, None].expand(-1, -1, places.shape[1]), places[:, None, :]
        if self.bandwidth is None:
            return (down * self.size + across).reshape(-1)
        spare = (self.bandwidth + 1) * self.size
        return torch.where(down >= across, (down - across) * self.size + across, spare).reshape(-1)

    def gram(self, rows: Sequence[Tensor]) -> Tensor:
        """JᵀJ from rows (c, n, m) of every group of cells: the lower band (b+1, P), or all of it (P, P)."""
        height = self.size if self.bandwidth is None else self.bandwidth + 1
        total = rows[0].new_zeros(height * self.size + 1)
        for cells, part, target in zip(self.cells, rows, self._targets, strict=True):
            gathered = cells.gathered(part)
            total.index_add_(0, target, torch.bmm(gathered.transpose(1, 2), gathered).reshape(-1))
        return total[:-1].view(height, self.size)


class LocalLinearisation:
    """r (N,) and J, given as rows (c, n, m) with columns (n, m) for every group of cells."""

    def __init__(self, pattern: Pattern, columns: Sequence[Tensor], rows: Sequence[Tensor], residual: Tensor) -> None:
        self.pattern, self.columns, self.rows, self.residual = pattern, columns, rows, residual

    @property
    def loss(self) -> float:
        """‖r‖²."""
        return float(self.residual.square().sum())

    def product(self, step: Tensor) -> Tensor:
        """J p, (N,)."""
        pairs = zip(self.rows, self.columns, strict=True)
        return torch.cat([torch.einsum("cnm,nm->cn", rows, step[columns]).reshape(-1) for rows, columns in pairs])

    def transposed(self, weights: Tensor) -> Tensor:
        """Jᵀ k, (P,)."""
        total = weights.new_zeros(self.pattern.size)
        start = 0
        for rows, columns in zip(self.rows, self.columns, strict=True):
            count = rows.shape[0] * rows.shape[1]
            share = torch.einsum("cnm,cn->nm", rows, weights[start : start + count].view(rows.shape[:2]))
            total.index_add_(0, columns.reshape(-1), share.reshape(-1))
            start += count
        return total

    @cached_property
    def squares(self) -> Tensor:
        """diag(JᵀJ)."""
        if self.pattern.bandwidth is None:
            return self._gram.diagonal()[self.pattern.numbering]
        diagonal: Tensor = self._gram[0]
        return diagonal[self.pattern.numbering]

    @cached_property
    def _gram(self) -> Tensor:
        return self.pattern.gram(self.rows)

    def damped(self, diagonal: Tensor, damping: float) -> LocalDamped:
        """The solver of (JᵀJ + λ D) p = b."""
        return LocalDamped(self, self._gram, damping * diagonal)


class LocalDamped:
    """Solves min ‖J p + r‖² + ‖p‖²_S, S a positive diagonal, by conjugate gradients on the least-squares problem.

    Cholesky's factor of JᵀJ + S is the preconditioner: it costs half the digits, which the iteration with J itself
    gives back in a few steps (CGLS: Björck, "Numerical Methods for Least Squares Problems", §7.4).
    """

    def __init__(self, linear: LocalLinearisation, gram: Tensor, shift: Tensor) -> None:
        self._linear, self._shift = linear, shift
        numbers = linear.pattern.numbering
        self._order = torch.argsort(numbers)
        self._unit = (linear.squares + shift).rsqrt()
        scale = self._unit[self._order]
        self._banded = linear.pattern.bandwidth is not None
        self.solvable = bool(torch.isfinite(scale).all())
        if self.solvable:
            self._factor = self._band(gram, scale) if self._banded else self._dense(gram, scale)

    def _band(self, gram: Tensor, scale: Tensor) -> npt.NDArray[np.float64]:
        band = gram * scale
        for below in range(len(band)):
            band[below, : len(scale) - below] *= scale[below:]
        band[0] += self._shift[self._order] * scale.square()
        try:
            return np.asarray(cholesky_banded(band.numpy(), lower=True, overwrite_ab=True, check_finite=False))
        except np.linalg.LinAlgError:
            self.solvable = False
            return band.numpy()

    def _dense(self, gram: Tensor, scale: Tensor) -> Tensor:
        scaled = gram * scale * scale[:, None]
        scaled.diagonal().add_(self._shift[self._order] * scale.square())
        factor: Tensor
        factor, info = torch.linalg.cholesky_ex(scaled)
        self.solvable = int(info) == 0
        return factor

    def _preconditioned(self, right: Tensor) -> Tensor:
        scaled = (self._unit * right)[self._order]
        if isinstance(self._factor, Tensor):
            found = torch.cholesky_solve(scaled[:, None], self._factor)[:, 0]
        else:
            found = torch.from_numpy(cho_solve_banded((self._factor, True), scaled.numpy(), check_finite=False))
        return self._unit * found[self._linear.pattern.numbering]

    def descent(self) -> Tensor:
        """p that minimises ‖J p + r‖² + ‖p‖²_S."""
        rest = -self._linear.residual
        step = torch.zeros_like(self._shift)
        gradient = self._linear.transposed(rest)
        towards = self._preconditioned(gradient)
        direction, size = towards, float(gradient @ towards)
        best, start = size, size
        for _ in range(ITERATIONS):
            if not size > 0:
                break
            image = self._linear.product(direction)
            length = size / float(image @ image + direction @ (self._shift * direction))
            step = step + length * direction
            rest = rest - length * image
            gradient = self._linear.transposed(rest) - self._shift * step
            towards = self._preconditioned(gradient)
            before, size = size, float(gradient @ towards)
            if size <= 1e-30 * start or size > 1e3 * best or (size > 0.5 * best and best < GAIN**2 * start):
                break
            best = min(best, size)
            direction = towards + size / before * direction
        return step
