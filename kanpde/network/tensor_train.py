"""Tensor trains of splines as trial functions: u(x) = G_1(x_1) G_2(x_2) … G_d(x_d) with matrices of splines G_a.

Core G_a is a matrix (r_{a−1}, r_a) whose entries are splines of one coordinate, with r_0 = r_d = 1 (Oseledets, SIAM J.
Sci. Comput. 33 (2011) 2295). A partial derivative differentiates each core by its own coordinate, so the jet needs
products of d small matrices only, and the number of unknowns grows linearly with d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.network.bspline import BSpline

Vectors = list[dict[MultiIndex, Tensor]]  # by position in the train, products (n, r) by the partial they have taken


@dataclass(frozen=True)
class Tape:
    """The products of one train's cores at points: `left` of position a holds those before core a, `right` from it."""

    left: Vectors
    right: Vectors


class TensorTrain(nn.Module):
    """One train for every field, on the same splines `bases` of one input for each coordinate.

    `trains` are the coefficients (functions, r, r') of every field's cores in order.
    """

    def __init__(self, bases: Sequence[BSpline], trains: Sequence[Sequence[Tensor]]) -> None:
        super().__init__()
        self.bases = nn.ModuleList(bases)
        self.cores = nn.ParameterList(nn.Parameter(core) for train in trains for core in train)

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        return len(self.bases)

    @property
    def trains(self) -> list[list[Tensor]]:
        """The detached cores of every field."""
        cores = [core.detach() for core in self.cores]
        return [cores[start : start + self.dimension] for start in range(0, len(cores), self.dimension)]

    def prepare(self, points: Tensor, plan: JetPlan) -> list[Tensor]:
        """Precompute the splines of every coordinate with derivatives at points (n, d): (n, orders, functions) each."""
        found = []
        for a, basis in enumerate(self.bases):
            assert isinstance(basis, BSpline)
            free = self.cores[a].shape[0]  # the others of a periodic coordinate are zero
            features = basis.features(points[:, a : a + 1], plan.order + 1)[0, :, :, :free]
            found.append(features.permute(1, 0, 2).contiguous())
        return found

    def jets(self, prepared: Sequence[Tensor], plan: JetPlan) -> Tensor:
        """Return the fields' jets (n, S, fields); autograd can differentiate them."""
        found = [products(self._matrices(prepared, f), plan)[-1] for f in range(len(self.trains))]
        return torch.stack([torch.cat([each[partial] for each in found], dim=1) for partial in plan.partials], dim=1)

    def taped(self, prepared: Sequence[Tensor], plan: JetPlan) -> tuple[Tensor, tuple[Sequence[Tensor], list[Tape]]]:
        """Return the jets (n, S, fields) and what `rows` needs."""
        tapes = []
        for f in range(len(self.trains)):
            matrices = self._matrices(prepared, f)
            tapes.append(Tape(products(matrices, plan), products_from_right(matrices, plan)))
        jets = [torch.cat([tape.left[-1][partial] for tape in tapes], dim=1) for partial in plan.partials]
        return torch.stack(jets, dim=1), (prepared, tapes)

    def rows(self, taped: tuple[Sequence[Tensor], list[Tape]], adjoint: Tensor, plan: JetPlan) -> list[Tensor]:
        """Return the per-point derivatives of Σ adjoint · jet by each core, (n, functions, r, r') each.

        `adjoint` is (n, S, fields).
        """
        prepared, tapes = taped
        result = []
        for f, tape in enumerate(tapes):
            for a, splines in enumerate(prepared):
                seeds = seeds_of(tape, a, adjoint[:, :, f], plan)
                rows = torch.bmm(splines.transpose(1, 2), seeds.flatten(2))
                result.append(rows.view(len(rows), -1, *seeds.shape[2:]))
        return result

    def _matrices(self, prepared: Sequence[Tensor], f: int) -> list[Tensor]:
        """Return the cores of a field with their derivatives at prepared points, (orders, n, r, r') each."""
        cores = [*self.cores][f * self.dimension : (f + 1) * self.dimension]
        return [torch.einsum("nmg,gxy->mnxy", each, core) for each, core in zip(prepared, cores, strict=True)]


def products(matrices: Sequence[Tensor], plan: JetPlan) -> Vectors:
    """Return the products of the first cores, at every position, for all partials along their coordinates."""
    result: Vectors = [{(): matrices[0].new_ones(matrices[0].shape[1], 1)}]
    for a, matrix in enumerate(matrices):
        known: dict[MultiIndex, Tensor] = {}
        for partial in plan.partials:
            taken = tuple(axis for axis in partial if axis <= a)
            if taken not in known:
                before = tuple(axis for axis in taken if axis < a)
                order = len(taken) - len(before)
                known[taken] = torch.bmm(result[a][before][:, None], matrix[order])[:, 0]
        result.append(known)
    return result


def products_from_right(matrices: Sequence[Tensor], plan: JetPlan) -> Vectors:
    """Return the same of the last cores: position a has the product of core a and all cores after it."""
    result: Vectors = [{(): matrices[0].new_ones(matrices[0].shape[1], 1)}]
    for a in reversed(range(len(matrices))):
        known: dict[MultiIndex, Tensor] = {}
        for partial in plan.partials:
            taken = tuple(axis for axis in partial if axis >= a)
            if taken not in known:
                after = tuple(axis for axis in taken if axis > a)
                order = len(taken) - len(after)
                known[taken] = torch.bmm(matrices[a][order], result[0][after][:, :, None])[:, :, 0]
        result.insert(0, known)
    return result


def seeds_of(tape: Tape, a: int, adjoint: Tensor, plan: JetPlan) -> Tensor:
    """Return the derivatives of Σ adjoint · jet by the entries of core a and their derivatives, (n, orders, r, r')."""
    right: dict[tuple[MultiIndex, int], Tensor] = {}
    for alpha, partial in enumerate(plan.partials):
        before = tuple(axis for axis in partial if axis < a)
        after = tuple(axis for axis in partial if axis > a)
        key = before, len(partial) - len(before) - len(after)
        term = adjoint[:, alpha, None] * tape.right[a + 1][after]
        right[key] = right[key] + term if key in right else term
    shape = tape.left[a][()].shape[1], tape.right[a + 1][()].shape[1]
    seeds = adjoint.new_zeros(len(adjoint), plan.order + 1, *shape)
    for (before, order), vector in right.items():
        seeds[:, order] += tape.left[a][before][:, :, None] * vector[:, None, :]
    return seeds
