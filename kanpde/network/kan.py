"""The Kolmogorov–Arnold network: layers of edge functions, its jets and its per-point Jacobian."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kanpde import files
from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import torch_device
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError, KanpdeError, among, nearest
from kanpde.network import grids, sizes
from kanpde.network.adaptive_grids import AdaptiveGrids
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.families import FAMILIES
from kanpde.network.initialisation import initialise
from kanpde.network.layer import KANLayer, Tape
from kanpde.network.other_names import refuse
from kanpde.network.quantisation import packed, unpacked
from kanpde.network.tabulated import FEWEST, can_be_tabulated
from kanpde.network.truncated import tables_of

SETTINGS = ("width", "degree", "intervals", "base", "family")  # the arguments of a KAN; old files have no family
CHUNK = 1024  # points evaluated at once without gradients
MANY = 8192  # the same where each layer takes as many at once as are fast for it
DEGREE = 7  # default degree of a network that is built without an equation


class KAN(AdaptiveGrids):
    """u_f(x) = Σ_j φ_{jf}(… Σ_i φ_{ij}(x_i) …): sums, and optionally products, of univariate edge functions.

    `width` has one entry for each hidden layer: a number of sum nodes, or a pair (sums, products). If it is None, the
    number of coordinates and the kind of equation determine it. `degree` is the degree of the splines, `intervals`
    their number of intervals, for all layers or for each. `base` is the function that each edge adds to its spline
    (silu, tanh, identity, or None), and `family` is the name of the edge functions in `kanpde.network.families`, for
    all layers or for each.

    `build` creates the layers for a problem's coordinates and fields; the network then is a module that maps points
    (…, d) to values (…, fields). `KAN.from_sizes([2, 5, 1])` is a built network with 2 inputs and 1 output. Set
    `checkpointing` to True to save memory: gradients then compute each layer's features again.
    Sources: Liu et al., "KAN", arXiv 2404.19756; "KAN 2.0", arXiv 2408.10205 (product nodes).

    Raises ConfigurationError for invalid sizes, an unknown base function or family, and other libraries' arguments.
    """

    def __init__(
        self,
        width: Sequence[sizes.Width] | None = None,
        degree: int | None = None,
        intervals: int | Sequence[int] | None = None,
        base: str | None = None,
        family: str | Sequence[str] = "bspline",
        **others: NoReturn,
    ) -> None:
        super().__init__()
        refuse("KAN", others, SETTINGS)
        entries = None if width is None else sizes.require_list("width", width)
        self.width = None if entries is None else tuple(map(sizes.node_counts, entries))
        self.degree = None if degree is None else sizes.require_whole("degree", degree, 1, sizes.MAX_DEGREE)
        self.intervals = intervals
        if intervals is not None:
            sizes.per_layer(intervals, None if self.width is None else len(self.width) + 1)
        if base is not None and not among(base, BASE_FUNCTIONS):
            raise ConfigurationError(f"unknown base function {base!r}; {nearest(base, BASE_FUNCTIONS)}")
        self.base, self.family = base, sizes.require_names("family", family, FAMILIES)
        self.checkpointing = False
        self.layers = nn.ModuleList()

    @classmethod
    def from_sizes(
        cls,
        layers: Sequence[sizes.Width],
        *,
        low: Any = -1.0,
        high: Any = 1.0,
        degree: int = 3,
        intervals: int | Sequence[int] = 5,
        base: str | None = None,
        family: str | Sequence[str] = "bspline",
        seed: int = 0,
        dtype: torch.dtype | None = None,
        **others: NoReturn,
    ) -> KAN:
        """Return a built network from the sizes of all layers, its inputs and outputs included, such as [2, 5, 1].

        Inputs are expected in [low, high], numbers or one for each input. `dtype` is torch's default if it is None.
        Raises ConfigurationError for sizes that are not valid.
        """
        refuse("KAN.from_sizes", others, (*SETTINGS[1:], "low", "high", "seed", "dtype"))
        counts = [sizes.node_counts(entry) for entry in sizes.require_list("sizes", layers)]
        if len(counts) < 2 or counts[0][1] or counts[-1][1]:
            raise ConfigurationError(
                f"expected the sizes of all layers, from inputs to outputs, such as [2, 5, 1], got {layers!r}"
            )
        left, right = ([end] * counts[0][0] if np.ndim(end) == 0 else end for end in (low, high))
        if not len(left) == len(right) == counts[0][0]:
            raise ConfigurationError(
                f"expected low and high as numbers or with {counts[0][0]} entries each, got {low!r} and {high!r}"
            )
        network = cls(counts[1:-1], degree, intervals, base, family)
        return network.build(left, right, counts[-1][0], seed=seed, dtype=dtype or torch.get_default_dtype())

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
        Raises ConfigurationError if the number of intervals' or families' entries does not fit the layers, or if low
        and high span no intervals.
        """
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ConfigurationError(f"expected dtype torch.float64 or torch.float32, got {dtype!r}")
        generator = np.random.default_rng(seed)
        degree = self.degree = self.degree or DEGREE
        low, high = sizes.require_ends(low, high)
        outputs = sizes.require_whole("outputs", outputs, 1, sizes.MAX_NODES)
        width, intervals, families = self._sizes(len(low))
        sizes.check_size([(len(low), 0), *width, (outputs, 0)], intervals, degree)
        values = torch.as_tensor(low + (high - low) * generator.random((2048, len(low))))
        self.layers = nn.ModuleList()
        for position, (sums, products) in enumerate([*width, (outputs, 0)]):
            first, last = position == 0, position == len(width)
            circles = tuple(periodic) if first and periodic else None
            basis = FAMILIES[families[position]].spanning(
                low, high, degree=degree, intervals=intervals[position], base=self.base, periodic=circles
            )
            layer = KANLayer(basis, sums, products)
            initialise(layer, "first" if first else "last" if last else "hidden", generator)
            self.layers.append(layer)
            with torch.no_grad():
                values = layer(values)
            low, high = grids.padded(values)
        return self.to(dtype)

    def sized_for(self, dimension: int, order: int, *, affine: bool) -> KAN:
        """Return an unbuilt network whose open settings have defaults for an equation of this dimension and order."""
        affine = affine and dimension in sizes.PRODUCT_SIZES
        if self.width is not None:
            width, intervals = self.width, self.intervals
        else:
            known = sizes.PRODUCT_SIZES if affine else sizes.COMPOSITION_SIZES
            width, intervals = known[min(dimension, max(known))]
            if not affine and order > 2 and dimension == 2:
                width, intervals = sizes.DISPERSIVE_SIZES
            intervals = intervals if self.intervals is None else self.intervals
        degree = self.degree or (9 if affine else max(5, 2 * order + 1))
        return KAN(width, degree, intervals, self.base, self.family)

    def _sizes(self, dimension: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...], tuple[str, ...]]:
        """Return the hidden layers' widths, and the intervals and the family of every layer."""
        known = {**sizes.COMPOSITION_SIZES, **sizes.PRODUCT_SIZES}
        width = known[min(dimension, max(known))][0] if self.width is None else self.width
        intervals = 8 if self.intervals is None else self.intervals
        families = (self.family,) * (len(width) + 1) if isinstance(self.family, str) else tuple(self.family)
        if len(families) != len(width) + 1:
            raise ConfigurationError(
                f"expected {len(width) + 1} entries in network.family, one a layer, got {len(families)}"
            )
        return width, sizes.per_layer(intervals, len(width) + 1), families

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
        """Return the values (…, fields) at points (…, d).

        Raises ConfigurationError if the network is not built, or if the points have another size or precision.
        """
        inputs = self._checked(x).reshape(-1, x.shape[-1])
        recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
        recorded = recorded or torch.jit.is_tracing()  # type: ignore[no-untyped-call, attr-defined]
        values = self._values(inputs) if recorded or len(inputs) < FEWEST else self._values_in_chunks(inputs)
        return values.reshape(*x.shape[:-1], values.shape[-1])

    def _values_in_chunks(self, x: Tensor) -> Tensor:
        """Return the values at many points x (n, d) without a graph, a few points at a time, to stay in the cache."""
        layers = [self.first, *self.hidden]
        if not all(can_be_tabulated(layer, x) for layer in layers):
            return torch.cat([self._values(chunk) for chunk in torch.split(x, CHUNK)])
        tables = tables_of(layers)
        chunks = [functools.reduce(lambda found, table: table(found), tables, c.T) for c in torch.split(x, MANY)]
        return torch.cat(chunks, dim=1).T

    def _values(self, x: Tensor) -> Tensor:
        x = x.T.contiguous()
        for layer in [self.first, *self.hidden]:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(layer.nodes, x, use_reentrant=False)
            else:
                x = layer.nodes(x)
        return x.T

    def _checked(self, x: Tensor) -> Tensor:
        if not self.built:
            width = None if self.width is None else [s if not p else (s, p) for s, p in self.width]
            raise ConfigurationError(
                f"expected a built network, got KAN(width={width}), whose entries are hidden layers; call "
                ".build(low=..., high=..., outputs=...), or give inputs and outputs too: KAN.from_sizes([2, 5, 1])"
            )
        like, inputs = self.first.coefficients, self.first.basis.inputs
        if not isinstance(x, Tensor):
            raise ConfigurationError(
                f"expected points as a torch tensor (..., {inputs}), got {type(x).__name__}; convert them with "
                f"torch.as_tensor(x, dtype={like.dtype})"
            )
        if x.dim() == 0 or x.shape[-1] != inputs:
            raise ConfigurationError(f"expected points (..., {inputs}), got the shape {tuple(x.shape)}")
        if x.dtype != like.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ConfigurationError(
                f"expected points of {like.dtype}, as the network's parameters, got {x.dtype}; convert one of them "
                "with .to(dtype)"
            )
        return x

    def prepare(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the first layer's features at points (n, d), (M, d, g, n); they change only with points and knots."""
        return torch.stack(tuple(self.first.columns(points.T.contiguous(), plan.order + 1)))

    def jets(self, prepared: Tensor, plan: JetPlan) -> Tensor:
        """Return the fields' jets (n, S, fields) at prepared points; autograd can differentiate them."""
        return self.taped(prepared, plan, taped=False)[0]

    def taped(self, prepared: Tensor, plan: JetPlan, *, taped: bool = True) -> tuple[Tensor, list[Tape]]:
        """Return the jets (n, S, fields) and, if `taped`, the tapes that `rows` needs."""
        jet, tape = self.first.first_jet(prepared.unbind(), plan)
        tapes = [tape]
        for layer in self.hidden:
            jet, tape = layer.next_jet(jet, plan, taped=taped)
            tapes.append(tape)
        return torch.stack(jet).permute(2, 0, 1), tapes if taped else []

    def rows(self, tapes: Sequence[Tape], adjoint: Tensor, plan: JetPlan) -> list[Tensor]:
        """Return the per-point derivatives of Σ adjoint · jet by each parameter in order, (n, *shape) each.

        `adjoint` is (n, S, fields). In memory points are the last axis.
        """
        result: list[Tensor] = []
        incoming: Sequence[Tensor] = adjoint.permute(1, 2, 0).contiguous().unbind()
        for layer, tape in zip(reversed([self.first, *self.hidden]), reversed(tapes), strict=True):
            rows, incoming = layer.pull(tape, incoming, plan)
            result = rows + result
        return [rows.movedim(-1, 0) for rows in result]

    @property
    def first(self) -> KANLayer:
        if not self.layers:
            self._checked(torch.empty(0))
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

    def transfer(
        self,
        *,
        degree: int | None = None,
        intervals: int | Sequence[int] | None = None,
        family: str | Sequence[str] | None = None,
    ) -> KAN:
        """Return a network of the same width with other splines or other functions, fitted edge by edge to this one's.

        Settings that are not given stay, but intervals are evenly spaced. Raises ConfigurationError as `KAN` does.
        """
        layers = [self.first, *self.hidden]
        width = [(layer.sums, layer.products) for layer in layers[:-1]]
        intervals = [layer.basis.intervals for layer in layers] if intervals is None else intervals
        degree, family = self.degree if degree is None else degree, self.family if family is None else family
        chosen = KAN(width, degree, intervals, self.base, family)
        _, counts, families = chosen._sizes(self.shape[0])
        for layer, number, name in zip(layers, counts, families, strict=True):
            basis = FAMILIES[name].spanning(
                *grids.grid_ends(layer),
                degree=chosen.degree or DEGREE,
                intervals=number,
                base=self.base,
                periodic=layer.basis.periodic,
            )
            new = KANLayer(basis, layer.sums, layer.products).to(layer.coefficients)
            grids.transfer(layer, new)
            chosen.layers.append(new)
        return chosen

    # Files ------------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, bits: int | None = None) -> None:
        """Write one file of tensors and JSON, without executable code, that `load` reads on any device.

        With `bits`, from 2 to 16, coefficients are rounded to whole numbers of a step for each edge, and need an eighth
        of the space of double precision with 8 bits. Raises ConfigurationError for another number of bits.
        """
        self._checked(self.first.coefficients.new_zeros(1, self.first.basis.inputs))
        state = self.state_dict()
        files.write(path, state if bits is None else packed(state, bits), {"network": self.architecture()})

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> KAN:
        """Read a file written by `save`; raise KanpdeError if it holds no network."""
        with files.contents_of(path):
            tensors, metadata = files.read(path, torch_device(device))
            if "network" not in metadata:
                raise KanpdeError(f"expected a network at {path}, got another file of kanpde's; try Solution.load")
            state = unpacked(tensors)
            return cls.from_architecture(metadata["network"], state).to(state["layers.0.coefficients"].device)

    def edge_curves(self, resolution: int = 65) -> list[dict[str, Any]]:
        """Return the curves of all edges over their grids, one dictionary for each layer: see `KANLayer.curves`."""
        return [layer.curves(resolution) for layer in [self.first, *self.hidden]]

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
            "family": self.family if isinstance(self.family, str) else list(self.family),
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
            layer.basis.adopt(files.below(f"layers.{position}.basis.", state))
            if fixed is not None:
                layer.hold({(i, o): name for i, o, name in fixed["atoms"]}, map(tuple, fixed["pruned"]))
        network.to(state["layers.0.coefficients"].dtype)
        network.load_state_dict(dict(state))
        return network
