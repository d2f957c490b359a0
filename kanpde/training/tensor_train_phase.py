"""Many coordinates: solve for a tensor train of splines, whose unknowns grow linearly with their number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.geometry.box import as_box
from kanpde.marching.audit.parts import Part
from kanpde.marching.task import FACTORED_DIMENSION
from kanpde.marching.tensor_trains import record
from kanpde.marching.tensor_trains.as_network import network_of
from kanpde.marching.tensor_trains.rows import TrainTask
from kanpde.marching.tensor_trains.search import Found, Search, SearchState, begin
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.unknown_function import by_unknown
from kanpde.training.march_phase import MAX_RESIDUAL, open_settings
from kanpde.training.memory import descent_bytes, largest_within
from kanpde.training.phase import Following, NothingFound, Stop, TrainingTask, check_degree

DEGREE = 13  # default degree of the splines
MAX_UNKNOWNS = 1500  # default limit of the number of unknowns
SUMMED = 0.1  # share of the estimated error that may be lost when a train is made a sum of functions of one coordinate


class TensorTrains:
    """The phase that runs a `Search`, from `state` if given; its model is the network of the best tensor train.

    Raises ConfigurationError if the degree is too low for the problem's derivatives.
    """

    _step: Step

    def __init__(self, task: TrainingTask, network: KAN, state: SearchState | None = None) -> None:
        self.task = task
        degree = network.degree or DEGREE
        check_degree(KAN(degree=degree), task.problem.blocks())
        limit = task.settings.training.max_parameters
        self.train_task = TrainTask(
            task.problem,
            degree=degree,
            intervals=network.intervals if isinstance(network.intervals, int) else None,
            most=int(min(MAX_UNKNOWNS if limit is None else limit, largest_within(task.room.free))),
            seed=task.settings.seed,
        )
        self.search = Search(self.train_task, state or begin(self.train_task))
        self._known: tuple[Found, Model] | None = None

    @staticmethod
    def fits(task: TrainingTask, network: KAN) -> bool:
        """Return True if a search for a tensor train can solve the task.

        The domain must be a box of more coordinates than a march can solve in, without unknown functions and integrals,
        and the settings must leave network, stages, penalties and points open.
        """
        problem = task.problem
        many = problem.domain.dimension > FACTORED_DIMENSION and as_box(problem.domain) is not None
        plain = not problem.expansions and not any(block.integrated for block in problem.blocks())
        return many and plain and problem.partition is None and problem.has_equation and open_settings(task, network)

    def begin(self) -> None:
        """Do nothing: the first attempt is prepared by its first step."""

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take one Gauss–Newton step; after the last one return how the search ended, or `NothingFound`."""
        done = self.search.state.done
        if done is not None:
            return NothingFound() if self._found is None else Stop(done)
        self._step = self.search.step()
        return self._step

    @property
    def growth(self) -> float:
        """1, because the cost of the next attempt is known only after its start."""
        return 1.0

    @property
    def memory(self) -> float:
        """The bytes of a step with the largest number of unknowns."""
        return descent_bytes(0, self.train_task.most)

    @property
    def finite(self) -> bool:
        """True if all coefficients are finite."""
        iterate = self.search.state.iterate
        return iterate is None or bool(torch.isfinite(iterate.vector).all())

    @property
    def version(self) -> int:
        """The number of solutions, each better than the one before."""
        return self.search.state.version

    @property
    def estimate(self) -> float:
        """The estimated relative error of the best solution; infinite before there is one."""
        best = self.search.state.best
        return math.inf if best is None else best.estimate

    @property
    def _found(self) -> Found | None:
        best = self.search.state.best
        return best if best is not None and best.residual <= MAX_RESIDUAL else None

    def confirms(self, target: float) -> bool:
        """Return True, because the residual is measured at points that no step has seen."""
        return True

    @property
    def current(self) -> Model:
        """The model of the best solution; before there is one, that of the present attempt."""
        best = self.search.state.best
        if best is None:
            return self._model(self.search.present)
        if self._known is None or self._known[0] is not best:
            self._known = best, self._model(best)
        return self._known[1]

    def _model(self, found: Found) -> Model:
        network = network_of(found.trains, found.axes, SUMMED * min(1.0, found.estimate))
        constants = dict(zip(self.task.problem.constants, found.constants, strict=True))
        model = Model(network, self.train_task.ansatz, constants)
        return model.to(device=self.task.device, dtype=self.task.dtype)

    def parts(self) -> tuple[Part, ...]:
        """Return no parts, because the audit corrects none in many coordinates."""
        return ()

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history; the sizes are those of the present attempt."""
        search, problem = self.search, self.task.problem
        constants = {name: float(value.detach()) for name, value in search.model.unknowns.items()}
        names = (block.name for block in problem.blocks(hard=True))
        return {
            "stage": search.state.attempt.number + 1,
            "reach": 1.0,
            "damping": self._step.damping,
            "points": search.points,
            "parameters": search.model.size,
            **{f"rms/{name}": search.rms.get(name, math.nan) for name in names},
            **{f"unknown/{name}": value for name, value in by_unknown(constants).items()},
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = record.write(self.search.state)
        return tensors, {"kind": "tensor_trains", "degree": self.train_task.degree, **numbers}

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> TensorTrains:
        """Return the phase that had this state; raise ConfigurationError if another version of kanpde wrote it."""
        return cls(task, KAN(degree=numbers["degree"]), record.read(tensors, numbers))
