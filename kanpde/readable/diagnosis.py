"""What a trained network looks like from inside: grids and the values that reach them, dead edges, gradients, rank."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.optim.least_squares import Linearisation
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import edge_values, importances, layers_of, network_of, points_of
from kanpde.solution import Solution

DEAD = 1e-9  # spread of a dead edge, relative to the largest in its layer
MOST_PARAMETERS = 2000  # of a Jacobian whose singular values are computed
RANK = 1e-12  # singular values below this share of the largest do not count


@dataclass(frozen=True)
class LayerDiagnosis:
    """A layer: its edges, how its inputs' values lie in their grids, and the gradient of the loss by its parameters.

    `used` is the smallest share of a grid that values reach, `outside` the share of values beyond their grids.
    `important` is the edge (i, o) that matters most to the outputs.
    """

    edges: int
    dead: int
    used: float
    outside: float
    gradient: float
    important: tuple[int, int]


@dataclass(frozen=True)
class Diagnosis:
    """The layers, and the Jacobian J of the problem's rows: its parameters, its rank, and the condition of JᵀJ.

    `loss` is ‖r‖² at the points of the diagnosis. `rank` and `condition` are None for more than 2000 parameters.
    """

    layers: tuple[LayerDiagnosis, ...]
    loss: float
    parameters: int
    rank: int | None
    condition: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as JSON."""
        return asdict(self)


def diagnose(solution: Solution) -> Diagnosis:
    """Return the diagnosis of a solution's network, at points spread over its domain.

    The condition is that of the rows' normal matrix with columns of equal length, as Gauss–Newton scales it; a rank
    below the number of parameters says that some of them do nothing. Raises ConfigurationError if there is no KAN.
    """
    if not isinstance(solution, Solution):
        raise ConfigurationError(f"expected a solution, got {type(solution).__name__}; solve or fit first")
    network = network_of(solution)
    points = points_of(solution)
    residuals = FixedRows(solution, whole=False).residuals(solution)
    loss, gradient = residuals.gradient(solution.model.vector)
    rank, condition = None, None
    if solution.model.size <= MOST_PARAMETERS:
        rank, condition = conditioning(residuals.linearise(solution.model.vector))
    return Diagnosis(layer_diagnoses(network, points, gradient), loss, solution.model.size, rank, condition)


def layer_diagnoses(network: KAN, points: Tensor, gradient: Tensor) -> tuple[LayerDiagnosis, ...]:
    """Return the diagnosis of every layer at points (n, d), from the gradient (P,) of the loss."""
    with torch.no_grad():
        inputs, values = network.node_values(points), edge_values(network, points)
    found, start = [], 0
    for layer, entering, curves, matters in zip(
        layers_of(network), inputs, values, importances(network, points), strict=True
    ):
        low, high = layer.basis.range()
        spreads = curves.detach().std(dim=0, correction=0)
        reached = entering.clamp(low, high)
        used = (reached.amax(dim=0) - reached.amin(dim=0)) / (high - low)
        beyond = (entering < low - 1e-12 * (high - low)) | (entering > high + 1e-12 * (high - low))
        size = sum(parameter.numel() for parameter in layer.parameters())
        best = int(matters.argmax())
        found.append(
            LayerDiagnosis(
                edges=spreads.numel(),
                dead=int((spreads <= DEAD * spreads.max()).sum()),
                used=float(used.min()),
                outside=float(beyond.double().mean()),
                gradient=float(gradient[start : start + size].norm()),
                important=divmod(best, matters.shape[1]),
            )
        )
        start += size
    return tuple(found)


def conditioning(linear: Linearisation) -> tuple[int, float]:
    """Return the rank of J with columns of equal length, and the condition of JᵀJ on the space of this rank."""
    lengths = linear.factor.norm(dim=0)
    scaled = linear.factor / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    values = torch.linalg.svdvals(scaled)
    rank = int((values > RANK * values[0]).sum())
    return rank, float((values[0] / values[max(rank, 1) - 1]) ** 2)
