"""Change a layer's edges in place, to atoms, to splines or to zero; restrict a layer to some of its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from kanpde.network.atom_edges import Edge
from kanpde.network.initialisation import stations
from kanpde.network.layer import KANLayer

Constants = Sequence[float]
Atoms = dict[Edge, tuple[str, Constants]]


def atoms_of(layer: KANLayer) -> Atoms:
    """Return every edge that is an atom, with its name and its constants (a, b, c, d)."""
    return {} if layer.fixed is None else dict(layer.fixed.atoms())


def pruned_of(layer: KANLayer) -> set[Edge]:
    """Return every edge that has been pruned."""
    return set() if layer.fixed is None else set(layer.fixed.pruned)


def hold(layer: KANLayer, atoms: Mapping[Edge, tuple[str, Constants]], pruned: Iterable[Edge]) -> None:
    """Make exactly these edges atoms with these constants, and these zero; all others are splines."""
    pruned = set(pruned)
    if not atoms and not pruned:
        layer.fixed = None
        return
    fixed = layer.hold({edge: name for edge, (name, _) in atoms.items()}, pruned)
    with torch.no_grad():
        for row, edge in zip(fixed.affine, fixed.edges, strict=True):
            row.copy_(torch.tensor(atoms[edge][1], dtype=torch.float64))


def name_edge(layer: KANLayer, edge: Edge, name: str, constants: Constants) -> None:
    """Make an edge the atom c f(a x + b) + d."""
    hold(layer, {**atoms_of(layer), edge: (name, constants)}, pruned_of(layer) - {edge})


def spline_edge(layer: KANLayer, edge: Edge) -> None:
    """Make an edge a spline again, the nearest to its present function."""
    i, o = edge
    basis = layer.basis
    x, _ = stations(basis, i)
    columns = torch.zeros(len(x), basis.inputs, dtype=torch.float64)
    columns[:, i] = torch.as_tensor(x)
    with torch.no_grad():
        values = layer.edges(layer.features(columns.to(layer.coefficients), 1))[0, :, i, o]
        coefficients = basis.fit(i, x, values.cpu().double().numpy()[:, None])[:, 0]
        atoms = {other: atom for other, atom in atoms_of(layer).items() if other != edge}
        hold(layer, atoms, pruned_of(layer) - {edge})
        layer.coefficients[i, :, o] = 0
        layer.coefficients[i, : basis.functions, o] = torch.as_tensor(coefficients).to(layer.coefficients)


@torch.no_grad()
def shift_edge(layer: KANLayer, edge: Edge, constant: float) -> None:
    """Add a constant to an edge, spline or atom."""
    i, o = edge
    if layer.fixed is not None and edge in layer.fixed.edges:
        layer.fixed.affine[layer.fixed.edges.index(edge), 3] += constant
        return
    layer.coefficients[i, : layer.basis.functions, o] += constant * layer.basis.one(i)


def narrowed(
    layer: KANLayer, inputs: Sequence[int], sums: Sequence[int], factors: Sequence[int], scales: Mapping[int, float]
) -> KANLayer:
    """Return the layer with only some inputs and subnodes: sums, then pairs of factors, some of them times a scale.

    `sums` and `factors` number subnodes of `layer`. Every edge keeps its kind: spline, atom or pruned.
    """
    kept = [*sums, *factors]
    result = KANLayer(layer.basis.subset(inputs), len(sums), len(factors) // 2)
    factor = torch.tensor([scales.get(o, 1.0) for o in kept]).to(layer.coefficients)
    result.to(layer.coefficients)
    with torch.no_grad():
        result.coefficients.copy_(layer.coefficients[list(inputs)][:, :, kept] * factor)
    places = {(i, o): (k, m) for k, i in enumerate(inputs) for m, o in enumerate(kept)}
    atoms: Atoms = {}
    for edge, (name, (a, b, c, d)) in atoms_of(layer).items():
        if edge in places:
            scale = scales.get(edge[1], 1.0)
            atoms[places[edge]] = (name, (a, b, c * scale, d * scale))
    hold(result, atoms, {places[edge] for edge in pruned_of(layer) if edge in places})
    return result


def constant_output(layer: KANLayer, i: int, o: int, value: float) -> float:
    """Return an edge's value at one value of its input."""
    column: Tensor = torch.full((1, layer.basis.inputs), value).to(layer.coefficients)
    with torch.no_grad():
        return float(layer.edges(layer.features(column, 1))[0, 0, i, o])
