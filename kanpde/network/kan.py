"""The Kolmogorov–Arnold network: layers of edge functions, its jets and its per-point Jacobian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError, among, nearest
from kanpde.files import below
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.families import FAMILIES
from kanpde.network.initialisation import initialise
from kanpde.network.layer import KANLayer, Tape

Width = int | Sequence[int]
T = TypeVar("T")

# Margin of the grid of a hidden node beyond the node's initial values, as a share of their range.
MARGIN = 0.1
SETTINGS = ("width", "degree", "intervals", "base", "family")  # the arguments of a KAN; old files have no family
# Default sizes by the number of coordinates: (sums, products) of the hidden layers, and the intervals of all layers.
# Equations linear in the fields have solutions that are short sums of products; solutions of the others have fronts,
# which compositions represent better. Five coordinates would need three layers of products, which oscillate between
# the points, so all networks of five and more coordinates are compositions.
PRODUCT_SIZES: Mapping[int, tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = {
    1: (((2, 1),), (16, 4)),
    2: (((0, 6),), (12, 2)),
    3: (((0, 8), (0, 4)), (8, 3, 2)),
    4: (((0, 8), (0, 4)), (5, 3, 2)),
}
COMPOSITION_SIZES: Mapping[int, tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = {
    1: (((2, 1),), (16, 4)),
    2: (((5, 0), (5, 0), (5, 0)), (12, 8, 8, 8)),
    3: (((6, 0), (6, 0)), (10, 8, 8)),
    4: (((6, 0), (6, 0)), (8, 6, 6)),
    5: (((5, 0), (5, 0)), (2, 4, 4)),
    6: (((5, 0), (5, 0)), (2, 4, 4)),
}
# Sizes for nonlinear equations of third or higher order in two coordinates, whose dispersive waves need wider layers.
DISPERSIVE_SIZES = (((6, 0), (6, 0), (6, 0)), (10, 6, 6, 6))
CHUNK = 2048  # points evaluated at once without gradients
DEGREE = 7  # default degree of a network that is built without an equation
# The limits of sizes: splines of higher degrees lose all digits, and larger networks exceed time and memory.
MAX_DEGREE, MAX_INTERVALS, MAX_NODES, MAX_COEFFICIENTS = 30, 10_000, 2000, 10**7


class KAN(nn.Module):
    """u_f(x) = Σ_j φ_{jf}(… Σ_i φ_{ij}(x_i) …): sums, and optionally products, of univariate edge functions.

    `width` has one entry for each hidden layer: a number of sum nodes, or a pair (sums, products). If it is None, the
    number of coordinates and the kind of equation determine it. `degree` is the degree of the splines, `intervals`
    their number of intervals, for all layers or for each. `base` is the function that each edge adds to its spline
    (silu, tanh, identity, or None), and `family` is the name of the edge functions in `kanpde.network.families`.

    `build` creates the layers for a problem's coordinates and fields; the network then is a module that maps points
    (n, d) to values (n, fields). Sources: Liu et al., "KAN", arXiv 2404.19756; "KAN 2.0", arXiv 2408.10205 (product
    nodes).

    Raises ConfigurationError for invalid sizes and for an unknown base function or family.
    """

    def __init__(
        self,
        width: Sequence[Width] | None = None,
        degree: int | None = None,
        intervals: int | Sequence[int] | None = None,
        base: str | None = None,
        family: str = "bspline",
    ) -> None:
        super().__init__()
        self.width = None if width is None else tuple(node_counts(entry) for entry in require_list("width", width))
        self.degree = None if degree is None else require_whole("degree", degree, 1, MAX_DEGREE)
        self.intervals = intervals
        if intervals is not None:
            per_layer(intervals, None if self.width is None else len(self.width) + 1)
        if base is not None and not among(base, BASE_FUNCTIONS):
            raise ConfigurationError(f"unknown base function {base!r}; {nearest(base, BASE_FUNCTIONS)}")
        if not among(family, FAMILIES):
            raise ConfigurationError(f"unknown family of edge functions {family!r}; {nearest(family, FAMILIES)}")
        self.base, self.family = base, family
        self.layers = nn.ModuleList()

    def build(
        self,
        low: Sequence[float] | Array,
        high: Sequence[float] | Array,
        outputs: int,
        *,
        periodic: Sequence[bool] | None = None,
        seed: int | np.random.Generator = 0,
        dtype: torch.dtype = torch.float64,
    ) -> KAN:
        """Create layers with random coefficients and return the network.

        Its coordinates are in [low, high], (d,) each, `periodic` marks those on a circle, and it has `outputs` fields.
        Raises ConfigurationError if the number of intervals' entries does not fit the layers.
        """
        generator = np.random.default_rng(seed)
        degree = self.degree = self.degree or DEGREE
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        width, intervals = self._sizes(len(low))
        check_size([(len(low), 0), *width, (outputs, 0)], intervals, degree)
        values = torch.as_tensor(low + (high - low) * generator.random((2048, len(low))))
        self.layers = nn.ModuleList()
        for position, (sums, products) in enumerate([*width, (outputs, 0)]):
            first, last = position == 0, position == len(width)
            circles = tuple(periodic) if first and periodic else None
            basis = FAMILIES[self.family].spanning(
                low, high, degree=degree, intervals=intervals[position], base=self.base, periodic=circles
            )
            layer = KANLayer(basis, sums, products)
            initialise(layer, "first" if first else "last" if last else "hidden", generator)
            self.layers.append(layer)
            with torch.no_grad():
                values = layer(values)
            low, high = padded(values)
        return self.to(dtype)

    def sized_for(self, dimension: int, order: int, *, affine: bool) -> KAN:
        """Return an unbuilt network whose open settings have defaults for an equation of this dimension and order."""
        affine = affine and dimension in PRODUCT_SIZES
        if self.width is not None:
            width, intervals = self.width, self.intervals
        else:
            width, intervals = (PRODUCT_SIZES if affine else COMPOSITION_SIZES)[dimension]
            if not affine and order > 2 and dimension == 2:
                width, intervals = DISPERSIVE_SIZES
            intervals = intervals if self.intervals is None else self.intervals
        degree = self.degree or (9 if affine else max(5, 2 * order + 1))
        return KAN(width, degree, intervals, self.base, self.family)

    def _sizes(self, dimension: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
        default = (PRODUCT_SIZES.get(dimension) or COMPOSITION_SIZES[min(dimension, max(COMPOSITION_SIZES))])[0]
        width = default if self.width is None else self.width
        intervals = 8 if self.intervals is None else self.intervals
        return width, per_layer(intervals, len(width) + 1)

    @property
    def built(self) -> bool:
        return len(self.layers) > 0

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of inputs and outputs."""
        layers = [self.first, *self.hidden]
        return layers[0].basis.inputs, layers[-1].outputs

    @property
    def straight(self) -> bool:
        """Whether edges go on as lines beyond their grids, and not as the polynomials that they are at the ends."""
        return all(layer.basis.straight for layer in [self.first, *self.hidden])

    @straight.setter
    def straight(self, value: bool) -> None:
        for layer in [self.first, *self.hidden]:
            layer.basis.straight = value

    def forward(self, x: Tensor) -> Tensor:
        """Return the values (n, fields) at points (n, d)."""
        if x.shape[0] > CHUNK and not torch.is_grad_enabled():  # large arrays would leave the cache
            return torch.cat([self(chunk) for chunk in x.split(CHUNK)])
        x = x.T.contiguous()
        for layer in [self.first, *self.hidden]:
            x = layer.nodes(x)
        return x.T

    def prepare(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the first layer's features at points (n, d), (d, M, n, g); they change only with points and knots."""
        return self.first.features(points, plan.order + 1)

    def jets(self, prepared: Tensor, plan: JetPlan) -> Tensor:
        """Return the fields' jets (n, S, fields) at prepared points; autograd can differentiate them."""
        if any(layer.fixed is not None for layer in [self.first, *self.hidden]):
            return self.taped(prepared, plan, taped=False)[0]
        jet = self.first.first_partials(prepared, plan)
        for layer in self.hidden:
            jet = layer.next_partials(jet, plan)
        return torch.stack(jet).permute(2, 0, 1)

    def taped(self, prepared: Tensor, plan: JetPlan, *, taped: bool = True) -> tuple[Tensor, list[Tape]]:
        """Return the jets (n, S, fields) and the tapes that `rows` needs."""
        jet, tape = self.first.coordinate_jet(prepared, plan)
        tapes = [tape]
        for layer in self.hidden:
            jet, tape = layer.jet(jet, plan, taped=taped)
            tapes.append(tape)
        return jet, tapes

    def rows(self, tapes: Sequence[Tape], adjoint: Tensor, plan: JetPlan) -> list[Tensor]:
        """Return the per-point derivatives of Σ adjoint · jet by each parameter in order, (n, *shape) each.

        `adjoint` is (n, S, fields).
        """
        result: list[Tensor] = []
        incoming: Tensor | None = adjoint
        for layer, tape in zip(reversed([self.first, *self.hidden]), reversed(tapes), strict=True):
            assert incoming is not None
            rows, incoming = layer.pull(tape, incoming, plan)
            result = rows + result
        return result

    @property
    def first(self) -> KANLayer:
        layer = self.layers[0]
        assert isinstance(layer, KANLayer)
        return layer

    @property
    def hidden(self) -> list[KANLayer]:
        """Every layer but the first."""
        return [layer for layer in self.layers[1:] if isinstance(layer, KANLayer)]

    def node_values(self, points: Tensor) -> list[Tensor]:
        """Return the inputs of each layer, (n, i) each, at points (n, d)."""
        values = [points]
        for layer in [self.first, *self.hidden][:-1]:
            values.append(layer(values[-1]))
        return values

    def edge_curves(self, resolution: int = 65) -> list[dict[str, Any]]:
        """Return the curves of all edges over their grids, one dictionary for each layer.

        Its keys are "inputs" (i, m), "values" (i, o, m), "importance" (i, o), "sums", "products", and "atoms" by edge,
        {(i, o): (name, (a, b, c, d))}. The importance of an edge is the root mean square of its curve about its mean,
        relative to the largest in its layer.
        """
        result = []
        for layer in [self.first, *self.hidden]:
            low, high = layer.basis.range()
            s = torch.linspace(0, 1, resolution, dtype=low.dtype, device=low.device)
            inputs = low[:, None] + (high - low)[:, None] * s
            with torch.no_grad():
                values = layer.edges(layer.features(inputs.T, 1))[0].permute(1, 2, 0)
            spread = values.std(dim=2, correction=0)
            result.append(
                {
                    "inputs": inputs.cpu().double().numpy(),
                    "values": values.cpu().double().numpy(),
                    "importance": (spread / spread.max().clamp_min(1e-300)).cpu().double().numpy(),
                    "sums": layer.sums,
                    "products": layer.products,
                    "atoms": {} if layer.fixed is None else layer.fixed.atoms(),
                }
            )
        return result

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `KAN` that give an unbuilt network of the same settings."""
        return {name: getattr(self, name) for name in SETTINGS}

    def architecture(self) -> dict[str, Any]:
        """Return the sizes that `from_architecture` needs, as JSON; the state_dict has bases and coefficients."""
        layers = [self.first, *self.hidden]
        return {
            "width": [[layer.sums, layer.products] for layer in layers[:-1]],
            "outputs": layers[-1].sums,
            "degree": self.degree,
            "intervals": [layer.basis.intervals for layer in layers],
            "base": self.base,
            "family": self.family,
            "periodic": list(layers[0].basis.periodic),
            "fixed": [None if layer.fixed is None else layer.fixed.description() for layer in layers],
        }

    @classmethod
    def from_architecture(cls, description: Mapping[str, Any], state: Mapping[str, Tensor]) -> KAN:
        """Return the network that an architecture and a state_dict describe, refined knots included."""
        settings = {name: description[name] for name in SETTINGS if name in description}
        network = cls(**settings)
        inputs = state["layers.0.coefficients"].shape[0]
        network.build([0.0] * inputs, [1.0] * inputs, description["outputs"], periodic=description["periodic"])
        layers = [network.first, *network.hidden]
        atoms = description.get("fixed", [None] * len(layers))
        for position, (layer, fixed) in enumerate(zip(layers, atoms, strict=True)):
            layer.basis.adopt(below(f"layers.{position}.basis.", state))
            if fixed is not None:
                layer.hold({(i, o): name for i, o, name in fixed["atoms"]}, map(tuple, fixed["pruned"]))
        network.to(state["layers.0.coefficients"].dtype)
        network.load_state_dict(dict(state))
        return network


def node_counts(width: Width) -> tuple[int, int]:
    """Return (sums, products) of one entry of `width`; raise ConfigurationError if it is no valid entry."""
    if isinstance(width, int) and not isinstance(width, bool):
        sums, products = width, 0
    elif (
        isinstance(width, Sequence)
        and len(width) == 2
        and all(isinstance(w, int) and not isinstance(w, bool) for w in width)
    ):
        sums, products = width
    else:
        raise ConfigurationError(
            f"expected network.width entries like 5 or (4, 2), got {width!r}; give sum and product nodes"
        )
    if sums < 0 or products < 0 or sums + products == 0:
        raise ConfigurationError(f"expected a layer of network.width to have at least one node, got {width!r}")
    if sums + products > MAX_NODES:
        raise ConfigurationError(f"expected a layer of network.width to have at most {MAX_NODES} nodes, got {width!r}")
    return sums, products


def per_layer(intervals: int | Sequence[int], layers: int | None) -> tuple[int, ...]:
    """Return the number of intervals of each layer; `layers` is None if the number of layers is not known yet.

    Raises ConfigurationError for numbers below one and for a list of another length.
    """
    if isinstance(intervals, int):
        return (require_whole("intervals", intervals, 1, MAX_INTERVALS),) * (layers or 1)
    counts = tuple(require_whole("intervals", n, 1, MAX_INTERVALS) for n in require_list("intervals", intervals))
    if layers is not None and len(counts) != layers:
        raise ConfigurationError(f"expected {layers} entries in network.intervals, one a layer, got {len(counts)}")
    return counts


def require_list(name: str, values: Sequence[T]) -> Sequence[T]:
    """Return the values; raise ConfigurationError if they are not a list or a tuple."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigurationError(f"expected network.{name} to be a list such as [5, 5], got {values!r}")
    return values


def require_whole(name: str, value: object, least: int, most: int) -> int:
    """Return the value; raise ConfigurationError if it is not a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"expected network.{name} to be a whole number of at least {least}, got {value!r}")
    if value > most:
        raise ConfigurationError(f"expected network.{name} to be at most {most}, got {value}")
    return value


def check_size(width: Sequence[tuple[int, int]], intervals: Sequence[int], degree: int) -> None:
    """Raise ConfigurationError if the edges between the layers have too many coefficients for a computer's memory.

    `width` has (sums, products) of the inputs, of every layer and of the outputs. A product takes two edges an input.
    """
    pairs = zip(width, width[1:], intervals, strict=False)
    count = sum(sum(below) * (sums + 2 * products) * (n + degree) for below, (sums, products), n in pairs)
    if count > MAX_COEFFICIENTS:
        raise ConfigurationError(
            f"expected a network of at most {MAX_COEFFICIENTS:.0e} coefficients, got {count:.1e}; "
            "reduce network.width, network.intervals or network.degree"
        )


def padded(values: Tensor) -> tuple[Array, Array]:
    """Return the smallest and largest entries of each column of `values` (n, i), with a margin; (i,) each."""
    low, high = values.min(dim=0).values.numpy(), values.max(dim=0).values.numpy()
    pad = MARGIN * (high - low) + 1e-6
    return low - pad, high + pad
