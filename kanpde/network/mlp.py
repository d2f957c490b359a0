"""A multilayer perceptron with the jets and per-point Jacobians of a Kolmogorov–Arnold network, for comparison.

z_l = W_l a_{l-1} + b_l and a_l = σ(z_l), with jets by Faà di Bruno's formula. Let δ_l be the derivative of a point's
Σ adjoint · jet by the jet of z_l. The point's row of the Jacobian is Σ_α δ_l^α ⊗ a_{l-1}^α for W_l and δ_l^() for b_l.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus import jets
from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError, nearest, number
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.sizes import MAX_NODES, require_whole

WIDTH = (32, 32)  # default hidden layers


@dataclass(frozen=True)
class LayerTape:
    """The jets of a layer's inputs (n, S, i) and of its sums (n, S, o)."""

    entering: Tensor
    sums: Tensor


class MLP(nn.Module):
    """u(x) = W_L σ(… σ(W_1 s + b_1) …) + b_L with s the coordinates scaled to [−1, 1].

    `width` are the numbers of nodes of the hidden layers, `activation` is the name of σ: tanh, silu or identity. With
    `frequencies` the first layer gets cos(b·s) and sin(b·s) instead of s, for as many random vectors b with normal
    entries of standard deviation `scale`, which are not trained (Tancik et al., "Fourier features let networks learn
    high frequency functions in low dimensional domains", NeurIPS 2020).
    `build` creates the layers; the network then maps points (n, d) to values (n, outputs).

    Raises ConfigurationError for widths or frequencies that are no positive whole numbers, for a scale that is no
    positive number, and for an unknown activation.
    """

    low: Tensor
    span: Tensor
    directions: Tensor  # the vectors b, (frequencies, d)
    straight = True  # it has no grids, beyond which it would go on in another way

    def __init__(
        self,
        width: Sequence[int] | None = None,
        activation: str = "tanh",
        frequencies: int | None = None,
        scale: float = 3.0,
    ) -> None:
        super().__init__()
        chosen = WIDTH if width is None else width
        if isinstance(chosen, str) or not isinstance(chosen, Sequence):
            raise ConfigurationError(f"expected network.width to be a list such as [32, 32], got {width!r}")
        for nodes in chosen:
            if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
                raise ConfigurationError(f"expected network.width to have positive whole numbers, got {nodes!r}")
        if activation not in BASE_FUNCTIONS:
            raise ConfigurationError(f"unknown activation {activation!r}; {nearest(str(activation), BASE_FUNCTIONS)}")
        if frequencies is not None:
            require_whole("frequencies", frequencies, 1, MAX_NODES)
        if not (number(scale) and scale > 0):
            raise ConfigurationError(f"expected network.scale to be a positive number, got {scale!r}")
        self.width, self.activation = tuple(chosen), activation
        self.frequencies, self.scale = frequencies, float(scale)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()

    def build(
        self,
        low: Sequence[float] | Array,
        high: Sequence[float] | Array,
        outputs: int,
        *,
        seed: int | np.random.Generator = 0,
        dtype: torch.dtype = torch.float64,
    ) -> MLP:
        """Create layers with random weights (Glorot and Bengio, AISTATS 2010) and return the network.

        Its coordinates are in [low, high], (d,) each.
        """
        start, end = (torch.as_tensor(np.array(bound, dtype=np.float64)) for bound in (low, high))
        self.register_buffer("low", start)
        self.register_buffer("span", end - start)
        chosen = int(seed.integers(2**31)) if isinstance(seed, np.random.Generator) else seed
        generator = torch.Generator().manual_seed(chosen)
        count = self.frequencies or 0
        drawn = torch.randn(count, len(start), generator=generator, dtype=torch.float64)
        self.register_buffer("directions", self.scale * drawn)
        sizes = [2 * count or len(start), *self.width, outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, o in zip(sizes[:-1], sizes[1:], strict=True):
            weight = torch.randn(o, i, generator=generator, dtype=torch.float64) * (2 / (i + o)) ** 0.5
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(o, dtype=torch.float64)))
        return self.to(dtype)

    def straighten(self, points: Tensor) -> None:
        """Do nothing, because a perceptron has no grids."""

    @property
    def built(self) -> bool:
        """True if the network has layers."""
        return len(self.weights) > 0

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of inputs and outputs."""
        return len(self.low), self.weights[-1].shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the values (n, outputs) at points (n, d)."""
        plan = JetPlan(x.shape[-1], [()])
        return self.jets(self.prepare(x, plan), plan)[:, 0]

    def prepare(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the jet (n, S, d) of scaled coordinates at points (n, d), or of the waves (n, S, 2 frequencies)."""
        jet = plan.coordinates(points) * (2 / self.span)
        jet[:, 0] = 2 * (points - self.low) / self.span - 1
        return self._waves(jet, plan) if self.frequencies else jet

    def _waves(self, jet: Tensor, plan: JetPlan) -> Tensor:
        """Return the jets of cos(b·s) and sin(b·s): (n, S, d) -> (n, S, 2 frequencies)."""
        phase = jet @ self.directions.T
        quarter = math.pi / 2  # by which every derivative shifts the phase
        bell = jets.bell_polynomials(plan, phase)
        waves = []
        for wave in (torch.cos, torch.sin):
            derivatives = torch.stack([wave(phase[:, 0] + m * quarter) for m in range(plan.order + 1)], dim=1)
            waves.append((bell * derivatives[:, None]).sum(dim=2))
        return torch.cat(waves, dim=2)

    def jets(self, prepared: Tensor, plan: JetPlan) -> Tensor:
        """Return the fields' jets (n, S, outputs) at prepared points; autograd can differentiate them."""
        return self._forward(prepared, plan)[0]

    def taped(self, prepared: Tensor, plan: JetPlan) -> tuple[Tensor, list[LayerTape]]:
        """Return the jets and the tapes that `rows` needs."""
        with torch.enable_grad():
            return self._forward(prepared, plan)

    def rows(self, tapes: Sequence[LayerTape], adjoint: Tensor, plan: JetPlan) -> list[Tensor]:
        """Return the per-point derivatives of Σ adjoint · jet by each parameter in order, (n, *shape) each."""
        deltas = torch.autograd.grad(tapes[-1].sums, [tape.sums for tape in tapes], adjoint, retain_graph=True)
        weights = [torch.einsum("nso,nsi->noi", d, t.entering) for d, t in zip(deltas, tapes, strict=True)]
        return [row.detach() for row in (*weights, *(delta[:, 0] for delta in deltas))]

    def _forward(self, jet: Tensor, plan: JetPlan) -> tuple[Tensor, list[LayerTape]]:
        tapes = []
        for position, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            sums = jet @ weight.T
            sums = torch.cat([sums[:, :1] + bias, sums[:, 1:]], dim=1)
            tapes.append(LayerTape(jet, sums))
            jet = sums if position == len(self.weights) - 1 else self._activated(sums, plan)
        return jet, tapes

    def _activated(self, sums: Tensor, plan: JetPlan) -> Tensor:
        """Return the jet of σ: (n, S, o) -> (n, S, o)."""
        derivatives = torch.stack(BASE_FUNCTIONS[self.activation](sums[:, 0], plan.order + 1), dim=1)
        return (jets.bell_polynomials(plan, sums) * derivatives[:, None]).sum(dim=2)

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `MLP` that give an unbuilt network of the same settings."""
        sizes = {"width": list(self.width), "activation": self.activation}
        return sizes if self.frequencies is None else {**sizes, "frequencies": self.frequencies, "scale": self.scale}

    def architecture(self) -> dict[str, Any]:
        """Return the sizes that `from_architecture` needs, as JSON."""
        return {"kind": "mlp", **self.settings(), "inputs": self.shape[0], "outputs": self.shape[1]}

    @classmethod
    def from_architecture(cls, description: Mapping[str, Any], state: Mapping[str, Tensor]) -> MLP:
        """Return the network that an architecture and a state_dict describe."""
        names = ("width", "activation", "frequencies", "scale")
        network = cls(**{name: description[name] for name in names if name in description})
        inputs = description["inputs"]
        network.build([0.0] * inputs, [1.0] * inputs, description["outputs"], dtype=state["weights.0"].dtype)
        if "directions" not in state:  # of files written before there were frequencies
            state = {**state, "directions": network.directions}
        network.load_state_dict(dict(state))
        return network
