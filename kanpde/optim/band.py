"""Store and factor JᵀJ of a least-squares problem whose rows depend on few unknowns each, as a band or a dense matrix.

JᵀJ is banded if the unknowns can be numbered so that those of one row have numbers close together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.linalg.lapack import dpotrf
from torch import Tensor

from kanpde.calculus.devices import threads_for
from kanpde.optim.cholesky import solve_by_columns

FLOOR = 1e-12  # smallest entry of D, relative to the largest entry
MAX_ENTRIES = 2**22  # largest number of products held in memory at once while rows are added
MIN_DAMPING = 1e-15  # the smallest damping λ, which makes up for the rounding errors of JᵀJ
MIN_PIVOT = 3e-7  # smallest pivot of a precise Cholesky factor of JᵀJ with a unit diagonal
MAX_ORTHOGONAL = 800  # largest number of unknowns of an orthogonal factorisation, which needs J as a dense matrix
FEW = 1000  # number of unknowns up to which LAPACK overwrites the matrix faster than torch's copy is factored
REGULAR = 1e-14  # smallest ratio of pivots of J of a factor that is used
MAX_BAND_SHARE = 0.35  # largest bandwidth that is stored as a band, as a share of the number of unknowns
DENSE_SHARE = 10  # rows with more than this part of all unknowns are multiplied as full rows of a dense matrix


@dataclass(frozen=True, eq=False)
class Storage:
    """The storage scheme of JᵀJ: its lower band, or its whole lower triangle if `bandwidth` is None.

    `numbering` (P,) is the row of each unknown in the matrix. Entries are addressed by an index into one flat array;
    `slack` extra diagonals above the main one may be written to and are never read. The last `border` unknowns are not
    in the matrix. `orthogonal` is True if JᵀJ is never formed, because it is singular to round-off and J is not.
    """

    numbering: Tensor
    bandwidth: int | None = None
    slack: int = 0
    border: int = 0
    orthogonal: bool = False

    @classmethod
    def of(cls, numbering: Tensor, reach: int, slack: int, border: int = 0) -> Storage:
        """Return a band if that is cheaper, else a dense matrix; `reach` is the largest distance within a row."""
        banded = numbering.device.type == "cpu" and reach < MAX_BAND_SHARE * len(numbering)
        return cls(numbering, reach, slack, border) if banded else cls(numbering, border=border)

    @property
    def size(self) -> int:
        """The number of unknowns P in the matrix."""
        return len(self.numbering)

    @cached_property
    def in_order(self) -> bool:
        """True if unknowns and rows of the matrix have the same numbers."""
        return torch.equal(self.numbering, torch.arange(self.size, device=self.numbering.device))

    @property
    def _height(self) -> int:
        return self.size if self.bandwidth is None else self.bandwidth + 1 + self.slack

    @property
    def factors(self) -> tuple[int, int, int]:
        """The coefficients (a, b, c): entry (i, j) of the matrix has the flat index a i + b j + c."""
        return (self.size, 1, 0) if self.bandwidth is None else (self.size, 1 - self.size, self.slack * self.size)

    def empty(self, like: Tensor) -> Tensor:
        """Return zeros in flat storage, with one spare entry at the end."""
        return like.new_zeros(self._height * self.size + 1)

    def add_rows(self, total: Tensor, columns: Tensor, rows: Tensor) -> None:
        """Add JᵀJ of rows (c, n, m) that depend on the unknowns `columns` (n, m) to the flat storage `total`."""
        if self.bandwidth is None and DENSE_SHARE * columns.shape[1] > self.size:
            self._add_nearly_full_rows(total, columns, rows)
            return
        row, column, start = self.factors
        columns, rows = together(columns, rows)
        block = max(1, MAX_ENTRIES // columns.shape[1] ** 2)
        for numbers, part in zip(torch.split(columns, block), torch.split(rows, block), strict=True):
            places = self.numbering[numbers]
            down, across = places[:, :, None], places[:, None, :]
            spare = len(total) - 1
            target = torch.where(down >= across, row * down + column * across + start, spare)
            total.index_add_(0, target.reshape(-1), (part.mT @ part).reshape(-1))

    def _add_nearly_full_rows(self, total: Tensor, columns: Tensor, rows: Tensor) -> None:
        """Add the same to a dense matrix by a product with zeros, which is much faster than sums by index."""
        matrix = total[:-1].view(self.size, self.size)
        block = max(1, MAX_ENTRIES // self.size)
        for numbers, part in zip(torch.split(columns, block), torch.split(rows, block, dim=1), strict=True):
            full = part.new_zeros(*part.shape[:2], self.size)
            full = full.scatter_add_(2, self.numbering[numbers].expand(len(part), -1, -1), part).flatten(0, 1)
            matrix.addmm_(full.T, full)

    def add_full_rows(self, total: Tensor, rows: Tensor) -> None:
        """Add JᵀJ of rows (r, P) that depend on all unknowns to the flat storage `total` of a dense matrix."""
        ordered = rows[:, torch.argsort(self.numbering)]
        total[:-1].view(self.size, self.size).addmm_(ordered.T, ordered)

    def matrix(self, total: Tensor) -> Tensor:
        """Return flat storage as the lower band (b+1, P), or as a matrix (P, P)."""
        return total[:-1].view(self._height, self.size)[self.slack :]


def together(columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (c, n, m) of the unknowns `columns` (n, m) in groups of the same unknowns: (g, m) and rows (g, r, m).

    The rows of points in one cell depend on the same splines, so that their products are summed before they are stored.
    """
    distinct, group, counts = torch.unique(columns, dim=0, return_inverse=True, return_counts=True)
    height = -(-len(columns) // len(distinct))  # the mean, so that zeros at most double the rows
    pieces = -(-counts // height)
    order = torch.argsort(group, stable=True)
    group = group[order]
    within = torch.arange(len(order), device=order.device) - (torch.cumsum(counts, 0) - counts)[group]
    piece = (torch.cumsum(pieces, 0) - pieces)[group] + within // height
    found = rows.new_zeros(int(pieces.sum()), len(rows), height, rows.shape[2])
    found[piece, :, within % height] = rows[:, order].transpose(0, 1)
    return distinct.repeat_interleave(pieces, dim=0), found.flatten(1, 2)


class LocalLinearisation(Protocol):
    """The residual r (N,) and the Jacobian J (N, P) at a vector."""

    residual: Tensor

    @property
    def storage(self) -> Storage:
        """The storage scheme of JᵀJ."""

    @property
    def gram(self) -> Tensor:
        """JᵀJ in that storage scheme: the lower band (b+1, P), or (P, P)."""

    def product(self, step: Tensor, /) -> Tensor:
        """Return J p, (N,)."""

    def transposed(self, weights: Tensor, /) -> Tensor:
        """Return Jᵀ k, (P,)."""

    @property
    def matrix(self) -> Tensor:
        """J itself, (N, P)."""

    @property
    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """J in parts: rows (n, m), and the numbers (m,) of their columns, beyond which they are zero."""


class Factor:
    """The triangular factor of JᵀJ + λ D of one linearisation, with D = diag(JᵀJ).

    It is a Cholesky factor. If the smallest pivot shows that JᵀJ has lost the digits of J, and J is small, it is the
    factor R of J = QR, of which the condition number is only the square root, and λ is zero.
    `shift` is the λ D of the least-squares problem that a step solves: zero for the smallest λ, which makes up for the
    rounding errors of JᵀJ and would be an error of the step, as large as √λ beside the largest rows.
    `solvable` is False if the factorisation fails, that is if the matrix is not positive definite in floating point;
    `precise` is False if JᵀJ has lost the digits of J.
    """

    precise = False
    reusable = True  # by later steps, because J hardly changes

    def __init__(self, linear: LocalLinearisation, damping: float) -> None:
        self.storage, self.damping, gram = linear.storage, damping, linear.gram
        self._banded = self.storage.bandwidth is not None
        self._order = None if self.storage.in_order else torch.argsort(self.storage.numbering)
        squares = gram[0] if self._banded else gram.diagonal()
        shift = damping * (squares + FLOOR * squares.max())
        scale = (squares + shift).rsqrt()
        self.shift, self._unit = self._of_unknowns(shift), self._of_unknowns(scale)
        self.solvable = bool(torch.isfinite(scale).all())
        if not self.solvable:
            return
        self._factor = self._band(gram, scale, shift) if self._banded else self._dense(gram, scale, shift)
        pivots = self._factor[0] if self._banded else self._factor.diagonal()
        self.precise = self.solvable and bool(pivots.min() > MIN_PIVOT)
        if damping <= MIN_DAMPING and self.storage.size <= MAX_ORTHOGONAL and not self.precise:
            self._orthogonal(linear.matrix)
        if damping <= MIN_DAMPING:
            self.shift = torch.zeros_like(self.shift)

    def _orthogonal(self, rows: Tensor) -> None:
        """Replace the factor by the triangular one of the rows (N, P), whose columns are scaled, if it is regular."""
        columns = rows * self._unit
        columns = columns if self._order is None else columns[:, self._order]
        try:
            triangle = triangle_of(columns)
        except (np.linalg.LinAlgError, RuntimeError):
            return  # LAPACK refuses some columns with entries of very different sizes
        pivots = triangle.diagonal().abs()
        if len(triangle) == self.storage.size and bool(pivots.min() > REGULAR * pivots.max()):
            lower = triangle.T
            self._factor = np.asfortranarray(lower.numpy()) if lower.device.type == "cpu" else lower.contiguous()
            self._banded, self.solvable = False, True

    def _band(self, gram: Tensor, scale: Tensor, shift: Tensor) -> npt.NDArray[np.float64]:
        # Entry (below, j) belongs to row j + below; LAPACK does not read those of rows beyond the last one.
        of_rows = torch.cat([scale, scale.new_zeros(len(gram) - 1)]).unfold(0, len(scale), 1)
        band = gram * scale * of_rows
        band[0] += shift * scale.square()
        try:
            return np.asarray(cholesky_banded(band.numpy(), lower=True, overwrite_ab=True, check_finite=False))
        except np.linalg.LinAlgError:
            self.solvable = False
            return band.numpy()

    def _dense(self, gram: Tensor, scale: Tensor, shift: Tensor) -> Tensor | npt.NDArray[np.float64]:
        scaled = (gram * scale).mul_(scale[:, None])
        scaled.diagonal().add_(shift * scale.square())
        if scaled.device.type == "cpu" and self.storage.size <= FEW:
            lower, info = dpotrf(np.asfortranarray(scaled.numpy()), lower=1, overwrite_a=1, clean=0)
            self.solvable = info == 0
            return np.asarray(lower)
        factor: Tensor
        with threads_for(self.storage.size**3 / 3):
            factor, info = torch.linalg.cholesky_ex(scaled)
        self.solvable = int(info) == 0
        return np.asfortranarray(factor.numpy()) if factor.device.type == "cpu" else factor

    def solve(self, right: Tensor) -> Tensor:
        """Return (JᵀJ + S)⁻¹ b, (P,), up to rounding errors."""
        scaled = self._unit * right
        scaled = scaled if self._order is None else scaled[self._order]
        if isinstance(self._factor, Tensor):
            found = torch.cholesky_solve(scaled[:, None], self._factor)[:, 0]
        elif not self._banded:
            found = solve_by_columns(self._factor, scaled)
        else:
            found = torch.from_numpy(cho_solve_banded((self._factor, True), scaled.numpy(), check_finite=False))
        return self._unit * self._of_unknowns(found)

    def _of_unknowns(self, values: Tensor) -> Tensor:
        """Return the values (P,) of the matrix's rows in the order of the unknowns."""
        return values if self._order is None else values[self.storage.numbering]


def triangle_of(rows: Tensor) -> Tensor:
    """Return R of QR = J for rows (N, P), on their device."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.linalg.qr(rows.numpy(), mode="r"))
    factor: Tensor = torch.linalg.qr(rows, mode="r").R
    return factor
