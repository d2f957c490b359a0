"""One layer of a Kolmogorov–Arnold network: edges, sum nodes and product nodes.

Subnode o of a layer is s_o = Σ_i φ_{io}(h_i). The first `sums` subnodes are the sum nodes; each product node multiplies
two of the rest (Liu et al., "KAN 2.0", arXiv 2408.10205, §2). Faà di Bruno's formula and Leibniz's rule propagate jets,
tensors (n, S, nodes), through the layer. One reverse sweep computes each point's row of the Jacobian: with Q the Bell
polynomials of the incoming jet and δ the adjoint, the row is Σ_m B^(m) ⊗ (Σ_α Q_{α,m} δ^α).
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
    """The intermediate results of the forward sweep through a layer that the reverse sweep needs."""

    features: Tensor  # (i, M+1 or M, n, g)
    edges: Tensor  # (M+1 or M, n, i, o): derivatives of the edge functions
    jet: Tensor | None  # the incoming jet (n, S, i); None for coordinates
    bell: Tensor | None  # its Bell polynomials (n, S, M, i)
    subnodes: Tensor  # (n, S, o)


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
        features = self.basis.features(x, orders)
        return features if self.fixed is None else self.fixed.remember(features, x)

    def edges(self, features: Tensor) -> Tensor:
        """Return the derivatives of all edge functions: features (i, m, n, g) -> (m, n, i, o)."""
        coefficients = self.coefficients if self.fixed is None else self.fixed.masked(self.coefficients)
        values = torch.matmul(features.transpose(0, 1), coefficients).transpose(1, 2)
        return values if self.fixed is None else self.fixed.added(values, features)

    def coordinate_jet(self, features: Tensor, plan: JetPlan) -> tuple[Tensor, Tape]:
        """Return the jet (n, S, outputs) after a first layer from the features (i, M, n, g) of the coordinates."""
        edges = self.edges(features)
        subnodes = edges.new_zeros(edges.shape[1], len(plan), self.subnodes)
        subnodes[:, 0] = edges[0].sum(dim=1)
        for alpha, axis, order in plan.pure:
            subnodes[:, alpha] = edges[order, :, axis]
        return self._multiply(subnodes, plan), Tape(features, edges, None, None, subnodes)

    def jet(self, jet: Tensor, plan: JetPlan, *, taped: bool = False) -> tuple[Tensor, Tape]:
        """Return the jet after the layer, (n, S, i) -> (n, S, outputs); `taped` adds a derivative that `pull` needs."""
        features = self.features(jet[:, 0], plan.order + (2 if taped else 1))
        edges = self.edges(features)
        bell = jets.bell_polynomials(plan, jet)
        used = edges[: plan.order + 1].permute(1, 0, 2, 3).flatten(1, 2)
        subnodes = torch.bmm(bell.flatten(2), used)
        return self._multiply(subnodes, plan), Tape(features, edges, jet, bell, subnodes)

    def first_partials(self, features: Tensor, plan: JetPlan) -> list[Tensor]:
        """Return the jet after a first layer, one (outputs, n) for each partial, from the features (i, M, n, g).

        It is `coordinate_jet` without a tape, for layers without fixed edges.
        """
        columns = features.permute(1, 0, 3, 2)  # (M, i, g, n)
        matrix = self.coefficients.flatten(0, 1).T
        jet = [matrix @ columns[0].flatten(0, 1)]
        pure = {alpha: self.coefficients[axis].T @ columns[order, axis] for alpha, axis, order in plan.pure}
        jet += [pure[alpha] if alpha in pure else torch.zeros_like(jet[0]) for alpha in range(1, len(plan))]
        return self._multiplied(jet, plan)

    def next_partials(self, jet: Sequence[Tensor], plan: JetPlan) -> list[Tensor]:
        """Return the jet after the layer, (i, n) -> (outputs, n) for each partial.

        It is `jet` without a tape, for layers without fixed edges. Features are combined with the Bell polynomials
        first, so that one matrix product remains for each partial, over all edges.
        """
        columns = self.basis.columns(jet[0], plan.order + 1)  # (i, g, n) for each order
        matrix = self.coefficients.flatten(0, 1).T
        result = []
        for terms in jets.bell_terms(plan, jet):
            parts = [columns[m] if m == 0 else columns[m] * bell[:, None] for m, bell in terms.items()]
            result.append(matrix @ sum(parts[1:], parts[0]).flatten(0, 1))
        return self._multiplied(result, plan)

    def _multiplied(self, subnodes: list[Tensor], plan: JetPlan) -> list[Tensor]:
        if not self.products:
            return subnodes
        factors = [each[self.sums :] for each in subnodes]
        products = jets.product_terms(plan, [each[0::2] for each in factors], [each[1::2] for each in factors])
        return [torch.cat([each[: self.sums], more]) for each, more in zip(subnodes, products, strict=True)]

    def _multiply(self, subnodes: Tensor, plan: JetPlan) -> Tensor:
        if not self.products:
            return subnodes
        factors = subnodes[..., self.sums :]
        products = jets.product(plan, factors[..., 0::2], factors[..., 1::2])
        return torch.cat([subnodes[..., : self.sums], products], dim=-1)

    def pull(self, tape: Tape, adjoint: Tensor, plan: JetPlan) -> tuple[list[Tensor], Tensor | None]:
        """Return each parameter's rows and the adjoint (n, S, i) of the inputs, from `adjoint` (n, S, outputs).

        The rows are (n, i, g, o) and, if edges are fixed, also (n, k, 4). In a first layer the inputs are coordinates
        and their adjoint is None.
        """
        adjoint = self._multiply_adjoint(tape.subnodes, adjoint, plan)
        if tape.jet is None or tape.bell is None:
            return self._rows(tape.features, self._coordinate_seeds(adjoint, plan)), None
        count, size, width = tape.jet.shape
        orders = plan.order + 1
        seeds = torch.bmm(tape.bell.flatten(2).transpose(1, 2), adjoint).view(count, orders, width, self.subnodes)
        used = tape.edges[:orders].permute(1, 0, 2, 3).flatten(1, 2)
        slope = torch.bmm(adjoint, used.transpose(1, 2)).view(count, size, orders, width)
        incoming = jets.bell_adjoint(plan, tape.jet, slope)
        incoming[:, 0] += (tape.edges[1 : orders + 1].permute(1, 0, 2, 3) * seeds).sum(dim=(1, 3))
        return self._rows(tape.features[:, :orders], seeds), incoming

    def _rows(self, features: Tensor, seeds: Tensor) -> list[Tensor]:
        rows = outer(features, seeds)
        return [rows] if self.fixed is None else self.fixed.rows(rows, features, seeds)

    def _multiply_adjoint(self, subnodes: Tensor, adjoint: Tensor, plan: JetPlan) -> Tensor:
        if not self.products:
            return adjoint
        factors, products = subnodes[..., self.sums :], adjoint[..., self.sums :]
        left = jets.product_adjoint(plan, factors[..., 1::2], products)
        right = jets.product_adjoint(plan, factors[..., 0::2], products)
        pairs = torch.stack([left, right], dim=-1).flatten(-2)
        return torch.cat([adjoint[..., : self.sums], pairs], dim=-1)

    def _coordinate_seeds(self, adjoint: Tensor, plan: JetPlan) -> Tensor:
        seeds = adjoint.new_zeros(adjoint.shape[0], plan.order + 1, self.basis.inputs, self.subnodes)
        seeds[:, 0] = adjoint[:, 0, None]
        for alpha, axis, order in plan.pure:
            seeds[:, order, axis] = adjoint[:, alpha]
        return seeds

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
        values = self.edges(self.features(inputs.T, 1))[0].permute(1, 2, 0)
        spread = values.std(dim=2, correction=0)
        importance = spread / spread.max().clamp_min(1e-300)
        arrays = {"inputs": inputs, "values": values, "importance": importance}
        return {
            **{name: tensor.cpu().double().numpy() for name, tensor in arrays.items()},
            "sums": self.sums,
            "products": self.products,
            "atoms": {} if self.fixed is None else self.fixed.atoms(),
        }


def outer(features: Tensor, seeds: Tensor) -> Tensor:
    """Return Σ_m features[i, m, n, g] seeds[n, m, i, o], (n, i, g, o)."""
    return torch.matmul(features.permute(2, 0, 3, 1), seeds.permute(0, 2, 1, 3))
