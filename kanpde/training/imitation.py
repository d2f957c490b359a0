"""Imitation: fit a network of given sizes to a known solution, before it descends on the equation.

The network begins as what it can represent of the known solution exactly: the largest of its products, if it has a
layer for them (`separated_start`). Then Gauss–Newton fits values and the derivatives that the equation uses,

    min_θ mean_n Σ_α (h(x_n)^α / α! (∂^α u(x_n) − ∂^α v(x_n)) / rms v)²,

at points of which half are as dense as the known solution's knots. With h(x) the lengths of the interval between these
knots in which a point is, every row is what a partial adds to Taylor's polynomial within reach: derivatives tell what
more points would. Where layers and singularities make them large, intervals are short, so that they do not outweigh the
values. A descent on the equation follows if the network has become the known solution; from any other network it would
lead away, as a residual knows less than the solution.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import plan_of
from kanpde.collocation.sampling import unit_points
from kanpde.errors import Ending
from kanpde.files import below
from kanpde.marching.audit.parts import Part
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN
from kanpde.network.matching import Matching
from kanpde.network.mlp import MLP
from kanpde.network.regridding import follow_values
from kanpde.network.separated_start import start_from_products
from kanpde.network.trial_function import Model, saved_network
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import Step
from kanpde.problem.lift import Ansatz
from kanpde.training.descent import Descent
from kanpde.training.memory import descent_bytes
from kanpde.training.network_size import largest_size
from kanpde.training.phase import Following, Stop, TrainingTask

POINTS, POINTS_PER_PARAMETER = 2048, 1.5  # of the fit: at least, and at first for each parameter
OVERFITTED = 10.0  # ratio of the loss at new points to that at the last ones above which the next ones are more
MORE, MOST_PER_PARAMETER = 1.5, 4.0  # by this factor, up to this number for each parameter
GRADED = 0.5  # share of the points that are as dense as the known solution's knots
RENEWED = 5  # steps after which the points are new
CHECKS, FALL = 4, 0.5  # the fit is slow if its loss at new points falls to more than this share over as many checks
FITTED = 1e-14  # loss, relative to the known solution and its derivatives, at which the fit ends
LEAST_SCALE = 1e-10  # of a field's values, relative to the largest


class Imitation:
    """The fit of a copy of `network` to `known`, which has the same ansatz, the constants and a relative `residual`.

    All is in double precision, whatever the task's precision is. With `open_knots` its knots may become finer at once.
    """

    def __init__(
        self, task: TrainingTask, network: KAN | MLP, known: Model, residual: float, *, open_knots: bool
    ) -> None:
        self.task, self.residual, self.open_knots = task, residual, open_knots
        problem = task.problem
        self.known = known.to(device=task.device, dtype=torch.float64)
        fresh = copy.deepcopy(network).to(device=task.device, dtype=torch.float64)
        self.model = Model(
            fresh, Ansatz.of(problem), {name: float(value.detach()) for name, value in known.unknowns.items()}
        ).to(device=task.device)
        blocks = [block for block in problem.blocks() if block.kind == "residual"] or problem.blocks()[:1]
        dimension = problem.domain.dimension
        self.plan = JetPlan(dimension, sorted({p for block in blocks for p in plan_of(block, dimension).partials}))
        self.method, self.iteration, self.checks = GaussNewton(), 0, list[float]()
        self._since = 0  # steps since the points were drawn
        self._density = POINTS_PER_PARAMETER
        self._loss = math.inf  # after the last step
        self._damping = math.nan
        self._fit: Matching | None = None

    # The phase --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start from the known products, unless the fit has begun."""
        if self._fit is None and isinstance(self.model.network, KAN):
            limit = largest_size(self.task)
            network, known = self.model.network, self.known.network
            start_from_products(network, known, limit, open_knots=self.open_knots, residual=self.residual)

    def advance(self) -> Step | Stop | Following:
        """Take one Gauss–Newton step; return the descent that follows a perfect fit, or the end."""
        if self._fit is None or self._since >= RENEWED:
            self._renew()
        assert self._fit is not None
        if self.checks[-1] <= FITTED:
            return Following(Descent(self.task, self.model.network, self.model))
        if self._slow and not self._refine():
            return Stop(Ending.CONVERGED)
        step = self.method.step(self._fit, self.model.vector)
        finite = math.isfinite(step.loss) and bool(torch.isfinite(step.vector).all())
        self.model.assign(step.vector if finite else self.model.vector)
        self.iteration, self._since = self.iteration + 1, self._since + 1
        self._damping, self._loss = step.damping, step.loss
        return step

    @property
    def growth(self) -> float:
        """1, because the number of parameters grows inside an iteration."""
        return 1.0

    @property
    def memory(self) -> float:
        """The bytes of a step."""
        return descent_bytes(self._density * self.model.size, self.model.size)

    @property
    def finite(self) -> bool:
        """True if all parameters are finite."""
        return bool(torch.isfinite(self.model.vector).all())

    @property
    def version(self) -> int:
        """The number of steps, counted from one."""
        return self.iteration + 1

    @property
    def estimate(self) -> float:
        """The relative misfit at new points and the known solution's relative residual, as one root of squares."""
        return math.hypot(math.sqrt(self.checks[-1]), self.residual) if self.checks else math.inf

    def confirms(self, target: float) -> bool:
        """Return True, because the misfit is measured before a step uses the points."""
        return True

    @property
    def current(self) -> Model:
        """The network found so far."""
        model = copy.deepcopy(self.model)
        if self._fit is not None:
            model.network.straighten(self._fit.points)
        return model.to(dtype=self.task.dtype)

    def parts(self) -> tuple[Part, ...]:
        """Return no parts: the march's solution is not the network's."""
        return ()

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history."""
        unknowns = self.model.unknowns.items()
        return {
            "stage": 0,
            "reach": 1.0,
            "damping": self._damping,
            "points": 0 if self._fit is None else len(self._fit.points),
            "parameters": self.model.size,
            **{f"rms/{block.name}": math.nan for block in self.task.problem.blocks()},
            **{f"unknown/{name}": float(value.detach()) for name, value in unknowns},
        }

    # Points and knots -------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Draw new points, and record the loss there before any step; the next ones are more if it tells of too few."""
        count = max(POINTS, math.ceil(self._density * self.model.size))
        self._place(torch.as_tensor(self._drawn(count)).to(self.model.vector))
        self._since = 0
        assert self._fit is not None
        self.checks.append(float(self._fit.residual(self.model.vector).square().sum()))
        if self.checks[-1] > OVERFITTED * self._loss:
            self._density = min(MORE * self._density, MOST_PER_PARAMETER)

    def _place(self, points: Tensor, *, follow: bool = True) -> None:
        if isinstance(self.model.network, KAN):
            self.model.network.straight = False  # steps that reduce the loss are not led astray by polynomials
            if follow:
                follow_values(self.model.network, points)
        targets = self.known.jets_at(points, self.plan)
        sizes = targets[:, 0].square().mean(dim=0).sqrt()
        sizes = torch.maximum(sizes, LEAST_SCALE * sizes.max()).clamp_min(torch.finfo(sizes.dtype).tiny)
        shares = taylor_factors(self.plan, interval_lengths(self.known.network.first.basis.breakpoints(), points))
        self._fit = Matching(self.model, self.plan, points, targets, sizes / shares[..., None])

    def _drawn(self, count: int) -> Array:
        """Return about `count` points of the domain (n, d), a share of them as dense as the known network's knots."""
        domain = self.task.problem.domain
        sequence = self.task.settings.sampling.sequence
        unit = unit_points(count, domain.dimension, sequence, self.task.generator)
        unit = unit[self.task.generator.permutation(len(unit))]
        breakpoints = self.known.network.first.basis.breakpoints()
        graded = round(GRADED * count)
        for a, ends in enumerate(breakpoints):
            steps = np.linspace(0, 1, len(ends))
            unit[:graded, a] = np.interp(unit[:graded, a], steps, (ends - ends[0]) / (ends[-1] - ends[0]))
        return domain.interior(unit)

    @property
    def _slow(self) -> bool:
        """True if the loss at new points falls slowly."""
        return len(self.checks) > 2 * CHECKS and min(self.checks[-CHECKS:]) > FALL * min(self.checks[:-CHECKS])

    def _refine(self) -> bool:
        """Insert knots where the misfit is large; return False if the network may not grow."""
        network = self.model.network
        if not isinstance(network, KAN) or not self.open_knots or self._fit is None:
            return False
        if self.model.size + knot_insertion.growth(network, first_only=False) > largest_size(self.task):
            return False
        knot_insertion.refine(network, self._fit.points, self._fit.misfits(), first_only=False)
        self.checks = []
        self._renew()
        return True

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        tensors |= {f"known.{name}": value for name, value in self.known.network.state_dict().items()}
        tensors |= {"constants": self.model.constants.detach(), "known_constants": self.known.constants.detach()}
        if self._fit is not None:
            tensors["points"] = self._fit.points
        return tensors, {
            "kind": "imitation",
            "residual": self.residual,
            "open_knots": self.open_knots,
            "iteration": self.iteration,
            "since": self._since,
            "density": self._density,
            "loss": self._loss if math.isfinite(self._loss) else None,
            "checks": list(self.checks),
            "method": self.method.state()[1],
            "architecture": self.model.network.architecture(),
            "known": self.known.network.architecture(),
        }

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Imitation:
        """Return the phase that had this state."""
        network = saved_network(numbers["architecture"], below("network.", tensors))
        known = saved_network(numbers["known"], below("known.", tensors))
        names = task.problem.constants
        constants = dict(zip(names, tensors["known_constants"].tolist(), strict=True))
        known_model = Model(known, Ansatz.of(task.problem), constants)
        phase = cls(task, network, known_model, numbers["residual"], open_knots=numbers["open_knots"])
        with torch.no_grad():
            phase.model.constants.copy_(tensors["constants"])
        phase.iteration, phase.checks = int(numbers["iteration"]), list(numbers["checks"])
        phase.method.restore({}, numbers["method"])
        if "points" in tensors:
            phase._place(tensors["points"].to(phase.model.vector), follow=False)
        phase._since, phase._density = int(numbers["since"]), float(numbers.get("density", POINTS_PER_PARAMETER))
        phase._loss = math.inf if numbers.get("loss") is None else float(numbers["loss"])
        return phase


def interval_lengths(breakpoints: Array, points: Tensor) -> Tensor:
    """Return the lengths (n, d) of the intervals between `breakpoints` (d, m + 1) in which points (n, d) are."""
    ends = torch.as_tensor(np.ascontiguousarray(breakpoints)).to(points)
    right = torch.searchsorted(ends, points.T.contiguous()).clamp(1, ends.shape[1] - 1)
    return torch.diff(ends, dim=1).gather(1, right - 1).T


def taylor_factors(plan: JetPlan, steps: Tensor) -> Tensor:
    """Return h^α / α! of every partial, (n, S), for steps h (n, d)."""
    factors = [steps[:, list(alpha)].prod(dim=1) / factorial(alpha) for alpha in plan.partials]
    return torch.stack(factors, dim=1)


def factorial(alpha: MultiIndex) -> int:
    """Return α!, the product of the factorials of the orders along the axes."""
    return math.prod(math.factorial(count) for count in Counter(alpha).values())
