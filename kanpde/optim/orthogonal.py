"""An orthogonal factor, for problems whose unknowns nearly depend on each other.

Splines on a box around a shape are such unknowns: those that reach into the shape by a corner hardly differ from others
there. Their coefficients are not determined, but the function is, to the accuracy of J instead of that of JᵀJ (frames:
Adcock and Huybrechs, SIAM Rev. 61 (2019) 443).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kanpde.calculus.devices import threads_for
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
        parts = linear.parts
        squares = linear.residual.new_zeros(self.storage.size)
        for rows, columns in parts:
            squares[columns] += rows.square().sum(0)
        # A share of the largest column keeps the coefficients of functions small that hardly reach into the shape.
        self.shift = (damping if damping > MIN_DAMPING else SHIFT) * squares.max().expand(len(squares))
        self._unit = (squares + self.shift).rsqrt()
        self.solvable = bool(torch.isfinite(self._unit).all())
        if not self.solvable:
            return
        own = -linear.residual[:, None]
        sides = own if right is None else torch.cat([own, right], dim=1)
        scaled = [(rows * self._unit[columns], columns) for rows, columns in parts]
        self._triangle, images = triangle(scaled, self.shift.sqrt() * self._unit, sides)
        solved = self._unit[:, None] * torch.linalg.solve_triangular(self._triangle, images, upper=True)
        self.own, self.others = solved[:, 0], solved[:, 1:]

    def solve(self, right: Tensor) -> Tensor:
        """Return (JᵀJ + S)⁻¹ b, (P,), up to rounding errors."""
        scaled = (self._unit * right)[:, None]
        half = torch.linalg.solve_triangular(self._triangle.T, scaled, upper=False)
        found: Tensor = self._unit * torch.linalg.solve_triangular(self._triangle, half, upper=True)[:, 0]
        return found


def triangle(parts: Sequence[tuple[Tensor, Tensor]], diagonal: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
    """Return R of QR = the rows of all parts over a diagonal matrix, and Qᵀ times the right `sides` (n, k) over zeros.

    A part has rows (n, m) and its columns (m,). Parts with the same few columns are reduced to a triangle of their own
    first.
    """
    count, width = len(diagonal), sides.shape[1]
    last = torch.arange(count, count + width, device=diagonal.device)
    groups: dict[bytes, list[tuple[Tensor, Tensor]]] = {}
    for (rows, columns), side in zip(parts, torch.split(sides, [len(rows) for rows, _ in parts]), strict=True):
        with_sides = torch.cat([rows, side], dim=1), torch.cat([columns, last])
        groups.setdefault(columns.cpu().numpy().tobytes(), []).append(with_sides)
    stacked, left = [], torch.cat([diagonal, diagonal.new_zeros(width)])
    for same in groups.values():
        columns = same[0][1]
        own = torch.cat([rows for rows, _ in same])
        if len(columns) < len(left) and len(own) > len(columns):
            own = reduced(torch.cat([own, torch.diag(left[columns])]))
            left[columns] = 0.0
        full = own.new_zeros(len(own), len(left))
        full[:, columns] = own
        stacked.append(full)
    stacked.append(torch.diag(left)[left != 0])
    whole = reduced(torch.cat(stacked))
    # A part of a matrix would be copied in every solution.
    return whole[:count, :count].contiguous(), whole[:count, count:]


def reduced(rows: Tensor) -> Tensor:
    """Return R of QR = rows (n, m)."""
    with threads_for(2.0 * len(rows) * rows.shape[1] ** 2):
        found: Tensor = torch.linalg.qr(rows, mode="r").R
    return found
