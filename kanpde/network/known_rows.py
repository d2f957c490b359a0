"""Rows that were evaluated at the parameters of the last steps, because points and measures ask for them again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kanpde.collocation.rows import Placed, Slope
from kanpde.network.block_points import Chunk

KNOWN = 4  # residuals that are kept: the best one of a step is among the last four that it evaluates

Linear = tuple[list[tuple[Tensor, Any]], Tensor, list[Slope]]  # jets and tapes at every image, own rows, their slopes

Versions = tuple[tuple[int, int], ...]


class KnownRows:
    """The own rows of blocks at the last parameters, and the linearisation on the last chunk."""

    def __init__(self) -> None:
        self._rows: deque[tuple[Tensor, list[tuple[list[Chunk], Tensor]]]] = deque(maxlen=KNOWN)
        self._linear: tuple[Chunk, Versions, Linear] | None = None

    def forget(self) -> None:
        """Forget all of them, because the model is another one with the same parameters."""
        self._rows.clear()
        self._linear = None

    def keep(self, vector: Tensor, rows: list[tuple[list[Chunk], Tensor]]) -> None:
        """Keep the own rows (components, n) on every block's chunks at a parameter vector."""
        self._rows.append((vector, rows))

    def on(self, chunks: Sequence[Chunk], vector: Tensor) -> Tensor | None:
        """Return the own rows on these chunks at a parameter vector; None if they are not kept."""
        for where, found in reversed(self._rows):
            for known, rows in found:
                if known is chunks and torch.equal(where, vector):
                    return rows
        return None

    def keep_linear(self, chunk: Chunk, parameters: Sequence[Tensor], found: Linear) -> None:
        """Keep the linearisation on a chunk, as long as the parameters are not written to."""
        self._linear = chunk, versions(parameters), found

    def take_linear(self, chunk: Chunk, parameters: Sequence[Tensor]) -> Linear | None:
        """Return the linearisation on a chunk, and keep it no longer; None if it is not kept."""
        known, self._linear = self._linear, None
        return known[2] if known is not None and known[0] is chunk and known[1] == versions(parameters) else None


def versions(parameters: Sequence[Tensor]) -> Versions:
    """Return the numbers of times that tensors were written to: autograd's own, which it compares in a tape."""
    return tuple((id(each), each._version) for each in parameters)


def times(slope: Slope, factors: Tensor, placed: Placed) -> Slope:
    """Return the slope of rows times factors (rows,)."""
    at_points = placed.at_points(factors)[:, None, None]
    return Slope(tuple(each * at_points for each in slope.by_jets), slope.by_unknowns * factors[:, None])
