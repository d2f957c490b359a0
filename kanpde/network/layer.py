"""One layer of a Kolmogorov–Arnold network: edges, sum nodes and product nodes.

Subnode o of a layer is s_o = Σ_i φ_{io}(h_i). The first `sums` subnodes are the sum nodes; each product node multiplies
two of the rest (Liu et al., "KAN 2.0", arXiv 2408.10205, §2). Faà di Bruno's formula and Leibniz's rule propagate jets
through the layer. One reverse sweep computes each point's row of the Jacobian: with Q the Bell polynomials of the
incoming jet and δ the adjoint, the row is Σ_m B^(m) ⊗ (Σ_α Q_{α,m} δ^α).

Points are the last axis of every array, so that each operation runs along them: a jet is one (nodes, n) for each
partial.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kanpde.calculus import jets
from kanpde.calculus.jets import JetPlan
from kanpde.network.atom_edges import Edge, FixedEdges
from kanpde.network.edge_basis import EdgeBasis


@dataclass(frozen=True)
class Tape:
    """The intermediate results of the forward sweep through a layer that the reverse sweep needs.

    `jet` and `bell`, the incoming jet and its Bell polynomials, are empty for coordinates.
    """

    columns: Sequence[Tensor]  # (i, g, n) for each order
    edges: Sequence[Tensor]  # (i, o, n) for each order: derivatives of the edge functions
    jet: Sequence[Tensor]  # (i, n) for each partial
    bell: Sequence[Mapping[int, Tensor]]  # (i, n) for each partial and order
    subnodes: Sequence[Tensor]  # (o, n) for each partial


class KANLayer(nn.Module):
    """A layer from `basis.inputs` nodes to `sums` sum nodes followed by `products` product nodes.

    `fixed` has the edges that are atoms or pruned; it is None if all edges are in the basis.
    """

    fixed: FixedEdges | None

    def __init__(self, basis: EdgeBasis, sums: int, products: int) -> None:
        super().__init__()
        self.basis = basis
        self.sums, self.products = sums, products
        self.subnodes = sums + 2 * products
        zeros = torch.zeros(basis.inputs, basis.size, self.subnodes, dtype=basis.centre.dtype)
        self.coefficients = nn.Parameter(zeros)
        self.register_module("fixed", None)

    @property
    def outputs(self) -> int:
        return self.sums + self.products

    def forward(self, x: Tensor) -> Tensor:
        """Return the nodes' values (n, outputs) from the inputs (n, i)."""
        return self.nodes(x.T.contiguous()).T

    def nodes(self, x: Tensor) -> Tensor:
        """Return the nodes' values from the inputs, points last: (i, n) -> (outputs, n)."""
        fixed = self.fixed
        if fixed is not None and not fixed.with_splines:
            return self.combined(fixed.values(x))
        coefficients = self.coefficients if fixed is None else self.coefficients * fixed.mask
        subnodes = coefficients.flatten(0, 1).T @ self.basis.columns(x, 1)[0].flatten(0, 1)
        return self.combined(subnodes if fixed is None else subnodes + fixed.values(x))

    def hold(self, atoms: Mapping[Edge, str], pruned: Iterable[Edge] = ()) -> FixedEdges:
        """Turn edges (i, o) into atoms c f(a x + b) + d with a = c = 1 and b = d = 0, and the `pruned` ones into zero.

        All other edges are splines. Return the fixed edges. Raises ConfigurationError for an edge or an atom that does
        not exist.
        """
        self.fixed = FixedEdges(self.basis.inputs, self.subnodes, atoms, pruned, self.coefficients.detach())
        with torch.no_grad():
            self.coefficients.mul_(self.fixed.mask)
        return self.fixed

    def combined(self, subnodes: Tensor) -> Tensor:
        """Return the nodes' values (outputs, n) from the subnodes' (o, n)."""
        if not self.products:
            return subnodes
        factors = subnodes[self.sums :]
        return torch.cat([subnodes[: self.sums], factors[0::2] * factors[1::2]])

    def features(self, x: Tensor, orders: int) -> Tensor:
        """Return the features with derivatives 0 … orders − 1 at inputs x (n, i): (i, orders, n, g)."""
        return torch.stack(tuple(self.columns(x.T.contiguous(), orders))).permute(1, 0, 3, 2)

    def edges(self, features: Tensor) -> Tensor:
        """Return the derivatives of all edge functions: features (i, m, n, g) -> (m, n, i, o)."""
        return torch.stack(self.curved(features.permute(1, 0, 3, 2).unbind())).permute(0, 3, 1, 2)

    def columns(self, x: Tensor, orders: int) -> Sequence[Tensor]:
        """Return the features with derivatives at inputs x (i, n): (i, g, n) for each order."""
        columns = self.basis.columns(x, orders)
        return columns if self.fixed is None else self.fixed.remember(columns, x)

    def curved(self, columns: Sequence[Tensor]) -> list[Tensor]:
        """Return the derivatives of all edge functions from the features (i, g, n) of each order: (i, o, n) each."""
        coefficients = self.coefficients if self.fixed is None else self.fixed.masked(self.coefficients)
        edges = [torch.matmul(coefficients.transpose(1, 2), column) for column in columns]
        return edges if self.fixed is None else self.fixed.added(edges, columns)

    def first_jet(self, columns: Sequence[Tensor], plan: JetPlan) -> tuple[list[Tensor], Tape]:
        """Return the jet after a first layer, (outputs, n) for each partial, from the coordinates' features."""
        if self.fixed is None:
            jet = [self.coefficients.flatten(0, 1).T @ columns[0].flatten(0, 1)]
            pure = {alpha: self.coefficients[axis].T @ columns[order][axis] for alpha, axis, order in plan.pure}
        else:
            edges = self.curved(columns)
            jet = [edges[0].sum(dim=0)]
            pure = {alpha: edges[order][axis] for alpha, axis, order in plan.pure}
        jet += [pure[alpha] if alpha in pure else torch.zeros_like(jet[0]) for alpha in range(1, len(plan))]
        return self.multiplied(jet, plan), Tape(columns, (), (), (), jet)

    def next_jet(self, jet: Sequence[Tensor], plan: JetPlan, *, taped: bool = False) -> tuple[list[Tensor], Tape]:
        """Return the jet after the layer, (i, n) -> (outputs, n) each; `taped` adds a derivative that `pull` needs.

        Of features and outputs, the Bell polynomials multiply the fewer ones. Edges that are lines need neither.
        """
        lines = (
            None if taped or self.fixed is not None or torch.is_grad_enabled() else self.basis.lines(self.coefficients)
        )
        if lines is not None:
            constants, slopes = lines
            subnodes = [slopes.T @ each for each in jet]
            subnodes[0] += constants.sum(dim=0)[:, None]
            return self.multiplied(subnodes, plan), Tape((), (), jet, (), subnodes)
        columns: Sequence[Tensor] = ()
        edges: Sequence[Tensor] = ()
        bell = jets.bell_terms(plan, jet)
        if taped or self.fixed is not None:
            columns = self.columns(jet[0], plan.order + (2 if taped else 1))
            edges = self.curved(columns)
        elif self.subnodes <= self.basis.size:
            edges = self.basis.curves(self.coefficients, jet[0], plan.order + 1)
        else:
            columns = self.basis.columns(jet[0], plan.order + 1)
        if edges:
            subnodes = [contracted(edges, terms).sum(dim=0) for terms in bell]
        else:
            matrix = self.coefficients.flatten(0, 1).T
            subnodes = [matrix @ contracted(columns, terms).flatten(0, 1) for terms in bell]
        return self.multiplied(subnodes, plan), Tape(columns, edges, jet, bell, subnodes)

    def multiplied(self, subnodes: list[Tensor], plan: JetPlan) -> list[Tensor]:
        """Return the nodes' jet from the subnodes' one, (o, n) -> (outputs, n) for each partial."""
        if not self.products:
            return subnodes
        left, right = self._factors(subnodes)
        products = jets.product_terms(plan, left, right)
        return [torch.cat([each[: self.sums], more]) for each, more in zip(subnodes, products, strict=True)]

    def _factors(self, subnodes: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the left and the right factors of the product nodes, (products, n) for each partial."""
        return [each[self.sums :: 2] for each in subnodes], [each[self.sums + 1 :: 2] for each in subnodes]

    def pull(self, tape: Tape, adjoint: Sequence[Tensor], plan: JetPlan) -> tuple[list[Tensor], list[Tensor]]:
        """Return each parameter's rows and the adjoint of the inputs, (i, n) each, from `adjoint`, (outputs, n) each.

        The rows are (i, g, o, n) and, if edges are fixed, also (k, 4, n). In a first layer the inputs are coordinates
        and have no adjoint.
        """
        adjoint = self._multiply_adjoint(tape.subnodes, adjoint, plan)
        if not tape.jet:
            return self._first_rows(tape.columns, adjoint, plan), []
        seeds: list[Tensor | None] = [None] * (plan.order + 1)
        slopes = {}
        for alpha, terms in enumerate(tape.bell):
            for m, bell in terms.items():
                own = adjoint[alpha][None]
                seeds[m] = add_product(seeds[m], bell[:, None], own) if alpha else own.expand_as(tape.edges[0])
                if alpha:
                    slopes[alpha, m] = (tape.edges[m] * own).sum(dim=1)
        incoming = jets.bell_adjoint(plan, tape.jet, slopes)
        value: Tensor | None = None
        for edge, seed in zip(tape.edges[1:], seeds, strict=True):
            value = value if seed is None else add_product(value, edge, seed)
        assert value is not None
        incoming[0] = incoming[0] + value.sum(dim=1)
        return self._rows(tape.columns, seeds), incoming

    def _rows(self, columns: Sequence[Tensor], seeds: Sequence[Tensor | None]) -> list[Tensor]:
        rows = outer(columns, seeds)
        if self.fixed is None:
            return [rows]
        known = next(seed for seed in seeds if seed is not None)
        every = torch.stack([torch.zeros_like(known) if seed is None else seed for seed in seeds])
        return self.fixed.rows(rows, columns, every)

    def _first_rows(self, columns: Sequence[Tensor], adjoint: Sequence[Tensor], plan: JetPlan) -> list[Tensor]:
        """Return the rows of a first layer, whose partials are derivatives of one edge function each."""
        if self.fixed is None:
            rows = columns[0][:, :, None] * adjoint[0]
            for alpha, axis, order in plan.pure:
                rows[axis].addcmul_(columns[order][axis][:, None], adjoint[alpha])
            return [rows]
        seeds = adjoint[0].new_zeros(plan.order + 1, self.basis.inputs, *adjoint[0].shape)
        seeds[0] = adjoint[0]
        for alpha, axis, order in plan.pure:
            seeds[order, axis] = adjoint[alpha]
        return self._rows(columns, seeds.unbind())

    def _multiply_adjoint(
        self, subnodes: Sequence[Tensor], adjoint: Sequence[Tensor], plan: JetPlan
    ) -> Sequence[Tensor]:
        if not self.products:
            return adjoint
        left, right = self._factors(subnodes)
        products = [each[self.sums :] for each in adjoint]
        pairs = zip(
            jets.product_adjoint_terms(plan, right, products),
            jets.product_adjoint_terms(plan, left, products),
            strict=True,
        )
        both = [torch.stack(pair, dim=1).flatten(0, 1) for pair in pairs]
        return [torch.cat([each[: self.sums], more]) for each, more in zip(adjoint, both, strict=True)]

    def splines(self) -> tuple[list[int] | slice, Tensor]:
        """Return the inputs that have edges in the basis, and the coefficients (i, g, o) of these edges, else zero."""
        if self.fixed is None:
            return slice(None), self.coefficients
        live = list(self.fixed.with_splines)
        return live, (self.coefficients * self.fixed.mask)[live]

    @torch.no_grad()
    def curves(self, resolution: int) -> dict[str, Any]:
        """Return the curves of all edges over their grids.

        The keys are "inputs" (i, m), "values" (i, o, m), "importance" (i, o), "sums", "products", and "atoms" by edge,
        {(i, o): (name, (a, b, c, d))}. The importance of an edge is the root mean square of its curve about its mean,
        relative to the largest in the layer.
        """
        low, high = self.basis.range()
        s = torch.linspace(0, 1, resolution, dtype=low.dtype, device=low.device)
        inputs = low[:, None] + (high - low)[:, None] * s
        values = self.curved(self.columns(inputs, 1))[0]
        spread = values.std(dim=2, correction=0)
        importance = spread / spread.max().clamp_min(1e-300)
        arrays = {"inputs": inputs, "values": values, "importance": importance}
        return {
            **{name: tensor.cpu().double().numpy() for name, tensor in arrays.items()},
            "sums": self.sums,
            "products": self.products,
            "atoms": {} if self.fixed is None else self.fixed.atoms(),
        }


def contracted(values: Sequence[Tensor], terms: Mapping[int, Tensor]) -> Tensor:
    """Return Σ_m values[m] (i, k, n) times the Bell polynomials of order m, (i, n); those of order 0 are 1."""
    total: Tensor | None = None
    for m, bell in terms.items():
        total = values[m] if m == 0 else add_product(total, values[m], bell[:, None])
    assert total is not None
    return total


def outer(columns: Sequence[Tensor], seeds: Sequence[Tensor | None]) -> Tensor:
    """Return Σ_m columns[m][i, g, n] seeds[m][i, o, n], (i, g, o, n)."""
    rows: Tensor | None = None
    for column, seed in zip(columns, seeds, strict=False):
        if seed is not None:
            rows = add_product(rows, column[:, :, None], seed[:, None])
    assert rows is not None
    return rows


def add_product(total: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """Return total + left · right, in place where no graph records it; the product alone if there is no total."""
    if total is None:
        return left * right
    recorded = torch.is_grad_enabled() and (total.requires_grad or left.requires_grad or right.requires_grad)
    return torch.addcmul(total, left, right) if recorded else total.addcmul_(left, right)
