"""Marching: a network whose sizes nobody chose is solved for, slab after slab of time, and separated into products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import Ending
from kanpde.marching import records
from kanpde.marching.low_rank import separated
from kanpde.marching.march import March
from kanpde.marching.slabs import Pass
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.training.phase import NothingFound, Stop, TrainingTask, check_degree

DEGREES = {1: 9, 2: 9, 3: 9}  # of splines, by the number of coordinates
MOST = 8000  # unknowns of a slab
LOST = 0.1  # a relative residual above this is no solution


class Marching:
    """The phase around a `March`. Its model is the network of the best pass over all of time so far."""

    def __init__(self, task: TrainingTask, network: KAN) -> None:
        self.task = task
        degree = network.degree or DEGREES[task.problem.domain.dimension]
        check_degree(KAN(degree=degree), task.problem.blocks())
        most = task.settings.training.max_parameters
        self.march = March(
            task.problem,
            degree=degree,
            intervals=network.intervals if isinstance(network.intervals, int) else None,
            affine=task.affine,
            most=MOST if most is None else int(most),
            device=task.device,
        )
        self._step = Step(self.march.vector, np.inf)
        self._known: tuple[Pass, Model] | None = None

    @staticmethod
    def fits(task: TrainingTask, network: KAN) -> bool:
        """Whether network, training and points are all left open, in up to three dimensions."""
        chosen = (
            network.width,
            network.base,
            task.settings.training.stages,
            task.settings.sampling.interior,
            task.settings.sampling.boundary,
        )
        one = network.intervals is None or isinstance(network.intervals, int)
        own = task.settings.training.weighting == "none"
        return not network.built and one and own and not any(chosen) and task.problem.domain.dimension in DEGREES

    def begin(self) -> None:
        """Nothing to do: the first slab is open."""

    def advance(self) -> Step | Stop | NothingFound:
        """One step of Newton's method; `NothingFound` after the last one if no pass has led to a solution."""
        if self.march.done:
            ending = Ending.DIVERGED if self.march.done == "diverged" else Ending.CONVERGED
            return NothingFound() if self._found is None else Stop(ending)
        self._step = self.march.step()
        return self._step

    @property
    def finite(self) -> bool:
        """Whether the coefficients are numbers."""
        return bool(torch.isfinite(self.march.vector).all())

    @property
    def version(self) -> int:
        """The number of passes done."""
        return self.march.passes

    @property
    def estimate(self) -> float:
        """The relative residual of the best pass, where that is a solution."""
        return np.inf if self._found is None else self._found.residual

    @property
    def _found(self) -> Pass | None:
        """The best pass, if it has led to a solution."""
        best = self.march.best
        return best if best is not None and best.residual <= LOST else None

    def confirmed(self, target: float) -> bool:
        """The residual is measured at points of its own."""
        return True

    @property
    def current(self) -> Model:
        """The network of the best pass; before there is one, of what there is, held until the last time."""
        found = self.march.best or self.march.so_far()
        if self._known is None or self._known[0] is not found:
            problem = self.task.problem
            network = separated(problem, found, self.march.axes[0].degree if self.march.axes else DEGREES[1])
            constants = dict(zip(problem.unknowns, found.slabs[0].constants.tolist(), strict=True))
            model = Model(network, self.march.ansatz, constants)
            self._known = found, model.to(device=self.task.device, dtype=self.task.dtype)
        return self._known[1]

    def columns(self) -> dict[str, float]:
        """What the history keeps of an iteration: the sizes are those of the slab under way."""
        march = self.march
        rms, system = march.seen
        constants = march.system.split(march.vector)[1]
        return {
            "stage": march.passes + 1,
            "reach": march.low,
            "damping": self._step.damping,
            "points": sum(len(piece.weights) for piece in system.pieces),
            "parameters": system.size,
            **{f"rms/{name}": rms.get(name, np.nan) for name in march.names},
            **{f"unknown/{name}": float(value) for name, value in constants.items()},
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON that `restored` takes up."""
        tensors, numbers = records.written(self.march)
        return tensors, {"kind": "marching", **numbers}

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Marching:
        """The phase whose `state` that was."""
        marching = cls(task, KAN(degree=numbers["degree"]))
        records.read(marching.march, tensors, numbers)
        return marching
