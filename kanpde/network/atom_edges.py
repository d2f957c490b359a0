"""Edges of a layer that are no splines: atoms c f(a x + b) + d with trainable constants, and pruned edges.

A layer with these edges keeps their spline coefficients at zero: a mask multiplies the coefficients in every use, so
that training does not move them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from kanpde.calculus.functions import ATOMS, atom
from kanpde.errors import ConfigurationError

Edge = tuple[int, int]


class FixedEdges(nn.Module):
    """The edges of a layer that are atoms, named by edge (i, o) in `atoms`, or zero, listed in `pruned`.

    `affine` (k, 4) holds a, b, c, d of every atom, in the order of `edges`. The features of a layer with fixed edges
    contain the input x itself in an additional row, see `remember`.

    Raises ConfigurationError if an atom is unknown or the layer does not have an edge.
    """

    mask: Tensor
    free: Tensor
    places: Tensor

    def __init__(
        self, inputs: int, outputs: int, atoms: Mapping[Edge, str], pruned: Iterable[Edge], like: Tensor
    ) -> None:
        super().__init__()
        for name in atoms.values():
            atom(name)
        self.pruned = tuple(sorted(pruned))
        self.edges = tuple(sorted(atoms, key=lambda edge: (atoms[edge], edge)))  # edges of one atom are adjacent
        self.names = tuple(atoms[edge] for edge in self.edges)
        for i, o in (*self.edges, *self.pruned):
            if not (0 <= i < inputs and 0 <= o < outputs):
                raise ConfigurationError(f"expected an edge of a {inputs} by {outputs} layer, got ({i}, {o})")
        mask, places = torch.ones(inputs, 1, outputs), torch.zeros(len(self.edges), inputs, outputs)
        for i, o in (*self.edges, *self.pruned):
            mask[i, 0, o] = 0
        for k, (i, o) in enumerate(self.edges):
            places[k, i, o] = 1
        free = torch.tensor([[*ATOMS[name].free, True, True] for name in self.names]).view(-1, 4)
        for name, buffer in (("mask", mask), ("places", places), ("free", free)):
            self.register_buffer(name, buffer.to(like), persistent=False)
        self.with_splines = tuple(i for i in range(inputs) if bool(mask[i].any()))  # inputs with other edges
        self.affine = nn.Parameter(like.new_tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(len(self.edges), 1))

    def atoms(self) -> dict[Edge, tuple[str, tuple[float, ...]]]:
        """Return every edge that is an atom, with its name and its constants (a, b, c, d)."""
        rows = map(tuple, self.affine.detach().cpu().double().tolist())
        return {edge: (name, row) for edge, name, row in zip(self.edges, self.names, rows, strict=True)}

    def description(self) -> dict[str, list[list[Any]]]:
        """Return the fixed edges, as JSON."""
        atoms = [[*edge, name] for edge, name in zip(self.edges, self.names, strict=True)]
        return {"atoms": atoms, "pruned": [list(edge) for edge in self.pruned]}

    def remember(self, columns: Sequence[Tensor], x: Tensor) -> list[Tensor]:
        """Return features (i, g, n) of each order with an additional row that holds x (i, n) among the values."""
        value, *others = columns
        inputs = x[:, None].to(value)
        return [torch.cat([value, inputs], dim=1)] + [
            torch.cat([each, torch.zeros_like(inputs)], dim=1) for each in others
        ]

    def masked(self, coefficients: Tensor) -> Tensor:
        """Return coefficients (i, g, o), zero for fixed edges, with an additional zero row for that of x."""
        return torch.cat([coefficients * self.mask, torch.zeros_like(coefficients[:, :1])], dim=1)

    def added(self, edges: Sequence[Tensor], columns: Sequence[Tensor]) -> list[Tensor]:
        """Return the splines' derivatives (i, o, n) of each order with the atoms' added."""
        a, _, c, d = self._constants()
        atoms = self._atoms(columns, len(edges))
        values = [value * (c * a**m)[:, None] for m, value in enumerate(atoms)]
        values[0] = values[0] + d[:, None]
        places = self.places.flatten(1).T
        return [edge + (places @ value).view_as(edge) for edge, value in zip(edges, values, strict=True)]

    def values(self, x: Tensor) -> Tensor:
        """Return the sums of the atoms of every subnode, (o, n), at the inputs x (i, n)."""
        a, b, c, d = (each[:, None] for each in self._constants())
        if not self.names:
            return x.new_zeros(self.mask.shape[2], x.shape[1])
        inner = x[[i for i, _ in self.edges]] * a + b
        counts = [(name, len(list(group))) for name, group in groupby(self.names)]
        pieces = zip(counts, torch.split(inner, [count for _, count in counts]), strict=True)
        atoms = torch.cat([ATOMS[name].derivatives(piece, 1)[0] for (name, _), piece in pieces])
        return self.places.sum(dim=1).T @ (c * atoms + d)

    def rows(self, rows: Tensor, columns: Sequence[Tensor], seeds: Tensor) -> list[Tensor]:
        """Return the rows by coefficients and by atoms' constants, from the rows (i, g + 1, o, n) of splines only.

        The seeds (m, i, o, n) are multiplied by the derivatives of φ^(m) = c a^m f^(m)(a x + b) by a, b, c and d.
        """
        a, _, c, _ = self._constants()
        orders = seeds.shape[0]
        chosen = self.places.flatten(1) @ seeds.flatten(1, 2)  # (m, k, n)
        atoms = self._atoms(columns, orders + 1)
        slopes = torch.stack([c * a**m for m in range(orders)])[..., None]
        scales = torch.stack([c * m * a ** max(m - 1, 0) for m in range(orders)])[..., None]
        by_b = slopes * atoms[1:]
        by_a = scales * atoms[:-1] + by_b * self._inputs(columns)
        by_c = torch.stack([a**m for m in range(orders)])[..., None] * atoms[:-1]
        found = [(chosen * by).sum(dim=0) for by in (by_a, by_b, by_c)] + [chosen[0]]
        return [rows[:, :-1] * self.mask[..., None], torch.stack(found, dim=1) * self.free[..., None]]

    def _constants(self) -> tuple[Tensor, ...]:
        held = self.affine.detach()
        return (held + self.free * (self.affine - held)).unbind(dim=1)

    def _inputs(self, columns: Sequence[Tensor]) -> Tensor:
        """Return x of every atom, (k, n)."""
        return columns[0][:, -1][[i for i, _ in self.edges]]

    def _atoms(self, columns: Sequence[Tensor], orders: int) -> Tensor:
        """Return f^(m)(a x + b) of every atom, (orders, k, n)."""
        a, b, _, _ = self._constants()
        inner = self._inputs(columns) * a[:, None] + b[:, None]
        counts = [(name, len(list(group))) for name, group in groupby(self.names)]
        pieces = torch.split(inner, [count for _, count in counts]) if counts else []
        values = [
            torch.stack(ATOMS[name].derivatives(piece, orders)) for (name, _), piece in zip(counts, pieces, strict=True)
        ]
        return torch.cat(values, dim=1) if values else inner.new_zeros(orders, *inner.shape)
