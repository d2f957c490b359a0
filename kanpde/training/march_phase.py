"""Marching: solve on a tensor-product spline space, slab by slab in time, and compress the result to a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.devices import PROCESSOR
from kanpde.errors import ConfigurationError, Ending
from kanpde.geometry.box import as_box
from kanpde.geometry.shape import Shape
from kanpde.marching import state as states
from kanpde.marching.attempts import at_rest, begin
from kanpde.marching.audit.parts import Part, parts_of_pass
from kanpde.marching.axes import SplineAxis
from kanpde.marching.compress_parts import compressed
from kanpde.marching.march import March
from kanpde.marching.memory import factored_bytes, factored_within
from kanpde.marching.slabs import Pass
from kanpde.marching.split import split
from kanpde.marching.state import MarchState
from kanpde.marching.task import FACTORED_DIMENSION, SPARSER, MarchTask
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.lift import SingularPart
from kanpde.problem.unknown_function import by_unknown
from kanpde.training.phase import Following, NothingFound, Stop, TrainingTask, check_order

DEGREES = {1: 9, 2: 9, 3: 9, 4: 9}  # default degree of the splines, by the number of coordinates
SMOOTH_DEGREE = (
    13  # default degree for a smooth solution: Cholesky factors of splines of higher degrees lose all digits
)
MAX_UNKNOWNS = 8000  # default limit of the number of unknowns of a slab
MAX_ITERATED = {
    1: 0,
    2: 1_200_000,
    3: 250_000,
    4: 400_000,
}  # the same of one that is solved by iteration, by coordinates
MAX_FIRST_INTERVALS = {
    1: 10_000,
    2: 1000,
    3: 50,
    4: 30,
}  # of each axis before it is refined, by the number of coordinates
MAX_RESIDUAL = 0.1  # largest relative residual of a pass that counts as a solution


def march_task(task: TrainingTask, network: KAN, degree: int) -> MarchTask:
    """Return the task of a march with splines of a degree."""
    limit = task.settings.training.max_parameters
    march = MarchTask(
        split(task.problem),
        degree=degree,
        smooth_degree=network.degree or max(degree, SMOOTH_DEGREE),
        intervals=network.intervals if isinstance(network.intervals, int) else None,
        affine=task.affine,
        most=MAX_UNKNOWNS if limit is None else int(limit),
        device=task.device,
        most_iterated=MAX_ITERATED[task.problem.domain.dimension] if limit is None else int(limit),
        memory=task.room.free,
    )
    return replace(march, most_iterated=SPARSER * march.most_iterated) if limit is None and march.sparse else march


class Marching:
    """The phase that runs a `March`, from `state` if given; its model is the network of the best pass.

    Raises ConfigurationError if the degree is too low for the problem's derivatives, or there are too many intervals.
    """

    _step: Step
    imitated = False  # True if another network imitates the solution, which then is one network itself

    def __init__(self, task: TrainingTask, network: KAN, state: MarchState | None = None) -> None:
        self.task, self._degree = task, network.degree
        degree = network.degree or DEGREES[task.problem.domain.dimension]
        check_order(degree, task.problem.blocks())
        most = MAX_FIRST_INTERVALS[task.problem.domain.dimension]
        if isinstance(network.intervals, int) and network.intervals > most:
            raise ConfigurationError(
                f"expected network.intervals of at most {most} in {task.problem.domain.dimension} coordinates, got "
                f"{network.intervals}; more knots are placed where they are needed"
            )
        self.march_task = march_task(task, network, degree)
        # Usable before `begin`, which a budget may cut.
        self.march = March(self.march_task, state or at_rest(self.march_task))
        self._restored = state is not None
        self._require_memory()
        self._known: tuple[Pass, Model] | None = None

    def _require_memory(self) -> None:
        """Raise ConfigurationError if the present slab is too large for the memory."""
        axes = self.march.state.attempt.axes
        unknowns, width = self.march_task.unknowns_of(axes), self.march_task.width
        if unknowns > factored_within(self.march_task.memory, width) and unknowns > self.march_task.largest:
            self.task.room.require(factored_bytes(unknowns, width), f"a slab of {unknowns} unknowns")

    @staticmethod
    def fits(task: TrainingTask, network: KAN) -> bool:
        """Return True if a march can solve the task.

        The domain must be a box or a shape of up to three dimensions, or a box of space and time that is solved by
        iteration, and the settings must leave network, stages, penalties and points open.
        """
        problem = task.problem
        known = as_box(problem.domain) is not None or isinstance(problem.domain, Shape)
        dimension = problem.domain.dimension
        if not (known and dimension in DEGREES and open_settings(task, network)):
            return False
        if dimension <= FACTORED_DIMENSION:
            return True
        large = march_task(task, network, network.degree or DEGREES[dimension])
        return large.slabbed and large.structure is not None

    def begin(self) -> None:
        """Open the first slab, or the present one of a restored march."""
        if not self._restored:
            self.march = March(self.march_task, begin(self.march_task, self.march.present))

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take one Gauss–Newton step; after the last one return how the march ended, or `NothingFound`."""
        done = self.march.state.done
        if done is Ending.LOST:
            return Stop(done, self._time(self.march.state.attempt.low))
        if done is not None:
            # Only a march solves on a domain with parts, so that nothing can follow it there.
            parted = self.task.problem.partition is not None
            if self._found is None and not parted:
                return NothingFound()
            return Stop(done, self.march_task.largest if done is Ending.UNKNOWNS else None)
        self._step = self.march.step()
        return self._step

    @property
    def growth(self) -> float:
        """The cost of the next factorisation relative to that of the last step."""
        return self.march.growth

    @property
    def memory(self) -> float:
        """The bytes of a slab of the largest number of factored unknowns."""
        return factored_bytes(self.march_task.factored, self.march_task.width)

    @property
    def finite(self) -> bool:
        """True if all coefficients are finite."""
        return bool(torch.isfinite(self.march.present.iterate.vector).all())

    @property
    def version(self) -> int:
        """The number of complete passes."""
        return self.march.present.passes

    @property
    def estimate(self) -> float:
        """The relative residual of the best pass; infinite if no pass is a solution."""
        return np.inf if self._found is None else self._found.residual

    @property
    def _found(self) -> Pass | None:
        """The best pass if it is a solution, else None."""
        best = self.march.present.best
        return best if best is not None and best.residual <= MAX_RESIDUAL else None

    def confirms(self, target: float) -> bool:
        """Return True, because the residual is measured at points that the march does not use."""
        return True

    @property
    def current(self) -> Model:
        """The model of the best pass; before the first pass ends, the present one, continued as constant in time."""
        found = self._best_or_present
        if self._known is None or self._known[0] is not found:
            problem, slab = self.task.problem, found.slabs[0]
            degree = max((axis.degree for axis in slab.axes if isinstance(axis, SplineAxis)), default=DEGREES[1])
            slabbed = self.march.present.long and not self.imitated
            network, evolving = compressed(self.march_task, found, degree, slabbed=slabbed, reached=self._reached)
            constants = dict(zip(problem.constants, found.slabs[0].constants.tolist(), strict=True))
            steady = SingularPart(slab.functions, slab.amounts) if slab.functions else None
            model = Model(network, self.march_task.ansatz or evolving or steady, constants)
            plain = self.task.device == PROCESSOR and self.task.dtype == torch.float64
            self._known = found, model if plain else model.to(device=self.task.device, dtype=self.task.dtype)
        return self._known[1]

    @property
    def _best_or_present(self) -> Pass:
        return self.march.present.best or self.march.so_far()

    def parts(self) -> tuple[Part, ...]:
        """Return the slabs of the best pass, or of the present one."""
        return parts_of_pass(self._best_or_present, self.march_task.ansatz, self._reached)

    @property
    def _reached(self) -> float:
        """The share of time after which the last state is held; 1 if a pass is complete."""
        state = self.march.present
        return 1.0 if state.best else state.attempt.low if state.slabs else state.attempt.high

    def _time(self, share: float) -> float:
        """Return the time at a share of all time."""
        domain, time = self.march_task.problem.domain, self.march_task.time
        return float(domain.low[time] + share * (domain.high[time] - domain.low[time]))

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history; the sizes are those of the present slab."""
        state, seen = self.march.present, self.march.seen
        unknowns = self.task.problem.constants
        constants = state.iterate.vector[len(state.iterate.vector) - len(unknowns) :].tolist()
        values = dict(zip(unknowns, constants, strict=True))
        return {
            "stage": state.passes + 1,
            "reach": 0.0 if state.closed else state.attempt.low,
            "damping": self._step.damping,
            "points": seen.points,
            "parameters": seen.unknowns,
            **{f"rms/{name}": seen.rms.get(name, np.nan) for name in self.march_task.names},
            **{f"unknown/{name}": value for name, value in by_unknown(values).items()},
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = states.write(self.march.state)
        return tensors, {"kind": "marching", "degree": self._degree, **numbers}

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Marching:
        """Return the phase that had this state; raise ConfigurationError if another version of kanpde wrote it."""
        state = states.read(tensors, numbers, task.device)
        return cls(task, KAN(degree=numbers["degree"]), state)


def open_settings(task: TrainingTask, network: KAN) -> bool:
    """Return True if the settings leave network, stages, penalties and points open, so that splines may choose them."""
    given = (
        network.width,
        network.base,
        task.settings.training.stages,
        task.settings.training.penalises or None,
        task.settings.sampling.interior,
        task.settings.sampling.boundary,
    )
    one_number = network.intervals is None or isinstance(network.intervals, int)
    default_rows = task.settings.training.weighting == "none" and network.family == "bspline"
    return not network.built and all(one is None for one in given) and one_number and default_rows
