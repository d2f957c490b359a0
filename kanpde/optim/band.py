"""JᵀJ of least squares whose rows touch few unknowns each: a banded or dense matrix and its Cholesky factor.

JᵀJ is banded where the unknowns can be numbered so that those of one row are near each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.linalg.blas import dtrsv
from torch import Tensor

from kanpde.device import threads_for

FLOOR = 1e-12  # the least entry of D, relative to the largest entry
LARGEST = 2**22  # numbers held at once while rows are added
WIDEST = 0.35  # the widest band that is factored as a band, as a share of the unknowns


@dataclass(frozen=True, eq=False)
class Storage:
    """How JᵀJ is kept: its lower band, or all of its lower triangle where `bandwidth` is None.

    `numbering` (P,) says where each unknown stands in it. Entries are counted by their place in one long row, with
    `slack` more diagonals above the main one, which may be written to and are not read.
    """

    numbering: Tensor
    bandwidth: int | None = None
    slack: int = 0

    @classmethod
    def of(cls, numbering: Tensor, reach: int, slack: int) -> Storage:
        """A band where it pays, for unknowns of one row that stand up to `reach` apart."""
        banded = numbering.device.type == "cpu" and reach < WIDEST * len(numbering)
        return cls(numbering, reach, slack) if banded else cls(numbering)

    @property
    def size(self) -> int:
        """P."""
        return len(self.numbering)

    @property
    def _height(self) -> int:
        return self.size if self.bandwidth is None else self.bandwidth + 1 + self.slack

    @property
    def factors(self) -> tuple[int, int, int]:
        """(a, b, c): the entry of the unknowns that stand at i and j has the place a i + b j + c."""
        return (self.size, 1, 0) if self.bandwidth is None else (self.size, 1 - self.size, self.slack * self.size)

    def empty(self, like: Tensor) -> Tensor:
        """Zeros, with one spare place at the end."""
        return like.new_zeros(self._height * self.size + 1)

    def add_rows(self, total: Tensor, columns: Tensor, rows: Tensor) -> None:
        """Add JᵀJ of rows (c, n, m) that touch the unknowns `columns` (n, m)."""
        row, column, start = self.factors
        most = max(1, LARGEST // columns.shape[1] ** 2)
        for numbers, part in zip(torch.split(columns, most), torch.split(rows, most, dim=1), strict=True):
            places = self.numbering[numbers]
            down, across = places[:, :, None], places[:, None, :]
            spare = len(total) - 1
            target = torch.where(down >= across, row * down + column * across + start, spare)
            total.index_add_(0, target.reshape(-1), torch.einsum("cnm,cnk->nmk", part, part).reshape(-1))

    def matrix(self, total: Tensor) -> Tensor:
        """The lower band (b+1, P), or (P, P)."""
        return total[:-1].view(self._height, self.size)[self.slack :]


class LocalLinearisation(Protocol):
    """r (N,) and J at a vector."""

    residual: Tensor

    @property
    def storage(self) -> Storage:
        """How JᵀJ is kept."""

    @property
    def gram(self) -> Tensor:
        """JᵀJ, as it is kept."""

    def product(self, step: Tensor, /) -> Tensor:
        """J p, (N,)."""

    def transposed(self, weights: Tensor, /) -> Tensor:
        """Jᵀ k, (P,)."""


class Factor:
    """Cholesky's factor of JᵀJ + S with S = λ D, D = diag(JᵀJ), of one linearisation; `solvable` where there is one."""

    def __init__(self, linear: LocalLinearisation, damping: float) -> None:
        self.storage, self.damping, gram = linear.storage, damping, linear.gram
        banded = self.storage.bandwidth is not None
        self._order = torch.argsort(self.storage.numbering)
        squares = gram[0] if banded else gram.diagonal()
        shift = damping * (squares + FLOOR * squares.max())
        scale = (squares + shift).rsqrt()
        self.shift, self._unit = shift[self.storage.numbering], scale[self.storage.numbering]
        self.solvable = bool(torch.isfinite(scale).all())
        if self.solvable:
            self._factor = self._band(gram, scale, shift) if banded else self._dense(gram, scale, shift)

    def _band(self, gram: Tensor, scale: Tensor, shift: Tensor) -> npt.NDArray[np.float64]:
        band = gram * scale
        for below in range(len(band)):
            band[below, : len(scale) - below] *= scale[below:]
        band[0] += shift * scale.square()
        try:
            return np.asarray(cholesky_banded(band.numpy(), lower=True, overwrite_ab=True, check_finite=False))
        except np.linalg.LinAlgError:
            self.solvable = False
            return band.numpy()

    def _dense(self, gram: Tensor, scale: Tensor, shift: Tensor) -> Tensor | npt.NDArray[np.float64]:
        scaled = gram * scale * scale[:, None]
        scaled.diagonal().add_(shift * scale.square())
        factor: Tensor
        with threads_for(self.storage.size**3 / 3):
            factor, info = torch.linalg.cholesky_ex(scaled)
        self.solvable = int(info) == 0
        # BLAS' solver for one right-hand side is several times faster than that for many, and wants columns.
        return factor if factor.is_cuda else np.asfortranarray(factor.numpy())

    def solve(self, right: Tensor) -> Tensor:
        """(JᵀJ + S)⁻¹ b, but for rounding."""
        scaled = (self._unit * right)[self._order]
        if isinstance(self._factor, Tensor):
            found = torch.cholesky_solve(scaled[:, None], self._factor)[:, 0]
        elif self.storage.bandwidth is None:
            half = dtrsv(self._factor, scaled.numpy(), lower=1)
            found = torch.from_numpy(dtrsv(self._factor, half, lower=1, trans=1))
        else:
            found = torch.from_numpy(cho_solve_banded((self._factor, True), scaled.numpy(), check_finite=False))
        return self._unit * found[self.storage.numbering]
