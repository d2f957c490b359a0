"""A solution in parts of time, each with the axes of the splines in which its correction is looked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import SplineAxis
from kanpde.marching.low_rank import INTERVALS_PER_SLAB
from kanpde.marching.piece import OnGrids, Shapes, TensorFunction
from kanpde.marching.slabs import Pass
from kanpde.marching.task import MarchTask
from kanpde.network.kan import KAN
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.network.trial_function import Model
from kanpde.problem.lift import Lift

WITHOUT_GRID = 12  # intervals of a correction for a network without knots
LEAST_DEGREE = 5  # smallest degree of the splines of a correction, beyond the order of the equation


@dataclass(frozen=True, eq=False)
class Part:
    """A solution `function` between the shares `low` and `high` of time, and the axes of its splines in space.

    `held` is True if it is the final state of the part before, because training did not reach this part of time.
    """

    low: float
    high: float
    axes: tuple[SplineAxis, ...]
    function: OnGrids
    held: bool = False


@dataclass(frozen=True)
class NetworkFunction:
    """A network as a function on grids; a grid has no advantage."""

    model: Model

    def prepare(self, points: Tensor, plan: JetPlan, shapes: Shapes = ()) -> tuple[Tensor, JetPlan]:
        """Return the points and the plan, because features of all points at once need much memory."""
        return points, plan

    def jets(self, prepared: tuple[Tensor, JetPlan]) -> Tensor:
        """Return the fields' jets (n, S, f)."""
        points, plan = prepared
        return self.model.jets_at(points, plan).double().cpu()


def parts_of_pass(found: Pass, ansatz: Lift | None, reached: float) -> tuple[Part, ...]:
    """Return the slabs of a pass, with the lift and factor of hard conditions; after `reached` they are held."""
    parts = []
    for slab in found.slabs:
        axes = tuple(axis for axis in slab.axes if isinstance(axis, SplineAxis))
        function = TensorFunction(slab.space, ansatz, slab.tensor(PROCESSOR))
        parts.append(Part(slab.low, slab.high, axes, function, slab.low >= reached))
    return tuple(parts)


def parts_of_network(task: MarchTask, model: Model) -> tuple[Part, ...]:
    """Return parts of a network, each with the same number of its first layer's intervals in time."""
    low, high = task.problem.domain.low.copy(), task.problem.domain.high.copy()
    function = NetworkFunction(model)
    if not isinstance(model.network, SlabbedNetwork):
        return tuple(_parts(task, model.network, function, low, high))
    found: list[Part] = []
    for network, end in zip(model.network.networks, model.network.times, strict=True):
        high[task.time] = end
        found += _parts(task, network, function, low, high)
        low[task.time] = end
    return tuple(found)


def _parts(task: MarchTask, network: object, function: OnGrids, low: Array, high: Array) -> Iterator[Part]:
    """Yield the parts of a network between two corners (d,) of the domain's box."""
    domain = task.problem.domain
    if isinstance(network, KAN):
        breakpoints = network.first.basis.breakpoints()
    else:  # a perceptron has no grids
        breakpoints = np.linspace(low, high, WITHOUT_GRID + 1, axis=1)
    grids = [np.clip(grid, low[a], high[a]) for a, grid in enumerate(breakpoints)]
    degree = max(getattr(network, "degree", None) or 0, task.order + LEAST_DEGREE)
    periodic = (False,) * domain.dimension if task.ansatz is None else task.ansatz.periodic
    axes = tuple(SplineAxis(spanning(grids[a], low[a], high[a]), degree, periodic[a]) for a in task.along)
    if not task.slabbed:
        yield Part(0.0, 1.0, axes, function)
        return
    first, last = domain.low[task.time], domain.high[task.time]
    times = (spanning(grids[task.time], low[task.time], high[task.time]) - first) / (last - first)
    count = max(1, round((len(times) - 1) / INTERVALS_PER_SLAB))
    ends = np.interp(np.linspace(0, len(times) - 1, count + 1), np.arange(len(times)), times)
    ends[[0, -1]] = times[[0, -1]]
    yield from (Part(float(a), float(b), axes, function) for a, b in zip(ends[:-1], ends[1:], strict=True))


def spanning(grid: Array, low: float, high: float) -> Array:
    """Return the increasing breakpoints of `grid` inside, with `low` and `high` as the ends."""
    inner = grid[(grid > low) & (grid < high)]
    return np.unique(np.concatenate([[low], inner, [high]]))


def values_at(parts: Sequence[Part], functions: Sequence[OnGrids], shares: Array, points: Array) -> Array:
    """Return the values (n, f) of one function for each part, at points (n, d) whose shares of time are (n,)."""
    found: Array | None = None
    which = np.clip(np.searchsorted([part.high for part in parts], shares, side="left"), 0, len(parts) - 1)
    for number, function in enumerate(functions):
        inside = which == number
        if not inside.any():
            continue
        places = torch.as_tensor(points[inside])
        with torch.no_grad():
            prepared = function.prepare(places, JetPlan(points.shape[1], [()]), shapes_of(points[inside]))
            values = function.jets(prepared)[:, 0]
        if found is None:
            found = np.zeros((len(points), values.shape[1]))
        found[inside] = values.cpu().numpy()
    assert found is not None
    return found


def shapes_of(points: Array) -> Shapes:
    """Return the shape of points (n, d) if there are as many as in a tensor grid of their coordinates."""
    shape = tuple(len(np.unique(column)) for column in points.T)
    return (shape,) if math.prod(shape) == len(points) else ()
