"""Checkpoints: the complete state of a training, from which a new process takes the same next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from kanpde import files
from kanpde.errors import ConfigurationError
from kanpde.problem.problem import Problem
from kanpde.problem.saved import check_saved, described
from kanpde.training.settings import Settings, TrainingOptions


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two iterations."""

    settings: Settings
    iteration: int
    seconds: float
    history: Mapping[str, list[Any]]
    generator: Mapping[str, Any]  # the state of NumPy's bit generator
    tensors: Mapping[str, Tensor]  # the tensors of the phase
    phase: Mapping[str, Any]  # the JSON of the phase, with its "kind"

    def to_tensors_and_json(self, problem: Problem) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for a file that `read` can read."""
        course = {name: getattr(self, name) for name in ("iteration", "seconds", "history", "generator", "phase")}
        numbers = {"checkpoint": course, "settings": self.settings.to_json(), "problem": described(problem)}
        return dict(self.tensors), numbers

    @classmethod
    def read(cls, path: str | Path, problem: Problem, kind: type[TrainingOptions] = TrainingOptions) -> Checkpoint:
        """Return the checkpoint at `path`, of a training whose settings are of this kind.

        Raises KanpdeError if the file is not a checkpoint and ConfigurationError if it belongs to another problem.
        """
        with files.contents_of(path):
            return cls._read(path, problem, kind)

    @classmethod
    def _read(cls, path: str | Path, problem: Problem, kind: type[TrainingOptions]) -> Checkpoint:
        tensors, numbers = files.read(path)
        if not {"checkpoint", "settings"} <= set(numbers) or numbers["problem"]["name"] != problem.name:
            raise ConfigurationError(
                f"expected a checkpoint of {problem.name} at {path}, got another file; give a run's folder"
            )
        check_saved(path, numbers["problem"], described(problem))
        return cls(Settings.read(numbers["settings"], kind), **numbers["checkpoint"], tensors=tensors)
