"""An orthogonal factor, for problems whose unknowns nearly depend on each other.

Splines on a box around a shape are such unknowns: those that reach into the shape by a corner hardly differ from others
there. Their coefficients are not determined, but the function is, to the accuracy of J instead of that of JᵀJ (frames:
Adcock and Huybrechs, SIAM Rev. 61 (2019) 443).
"""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.device import threads_for
from kanpde.optim.band import MIN_DAMPING, LocalLinearisation

SHIFT = 1e-28  # least λ: the square of the share of round-off in J


class OrthogonalFactor:
    """The factor R of (J; √S) = QR, S = λ I times the largest entry of diag(JᵀJ): for any finite J, as `Factor`.

    `own` (P,) minimises ‖J p + r‖² + ‖p‖²_S for the linearisation's own r, and the columns of `others` (P, U) minimise
    ‖J p - c‖² + ‖p‖²_S for the columns c of `right` (N, U). They are computed with Q, so
    they are as accurate as J; products of R and Rᵀ alone lose the digits of the least singular values.
    """

    precise = True
    reusable = True

    def __init__(self, linear: LocalLinearisation, damping: float, right: Tensor | None = None) -> None:
        self.storage, self.damping = linear.storage, damping
        rows = linear.matrix
        squares = rows.square().sum(0)
        # A share of the largest column keeps the coefficients of functions small that hardly reach into the shape.
        self.shift = (damping if damping > MIN_DAMPING else SHIFT) * squares.max().expand(len(squares))
        self._unit = (squares + self.shift).rsqrt()
        self.solvable = bool(torch.isfinite(self._unit).all())
        if not self.solvable:
            return
        count = len(squares)
        sides = -linear.residual[:, None] if right is None else torch.cat([-linear.residual[:, None], right], dim=1)
        stacked = torch.cat([rows * self._unit, torch.diag(self.shift.sqrt() * self._unit)])
        stacked = torch.cat([stacked, torch.cat([sides, sides.new_zeros(count, sides.shape[1])])], dim=1)
        with threads_for(2.0 * len(stacked) * count**2):
            triangle = torch.linalg.qr(stacked, mode="r").R
        self._triangle, images = triangle[:count, :count], triangle[:count, count:]
        solved = self._unit[:, None] * torch.linalg.solve_triangular(self._triangle, images, upper=True)
        self.own, self.others = solved[:, 0], solved[:, 1:]

    def solve(self, right: Tensor) -> Tensor:
        """Return (JᵀJ + S)⁻¹ b, (P,), up to rounding errors."""
        scaled = (self._unit * right)[:, None]
        half = torch.linalg.solve_triangular(self._triangle.T, scaled, upper=False)
        found: Tensor = self._unit * torch.linalg.solve_triangular(self._triangle, half, upper=True)[:, 0]
        return found
