"""Several networks on resampled data: their mean, and their spread, which estimates what the samples leave open.

Every member is fitted to as many samples as there are, drawn with replacement; the samples that were not drawn, a share
of (1 − 1/n)ⁿ ≈ 0.37, are its held-out ones (the bootstrap and its out-of-bag samples: Efron, Ann. Stat. 7 (1979) 1;
Breiman, "Bagging predictors", Machine Learning 24 (1996) 123).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kanpde import files
from kanpde.calculus.arrays import real_array
from kanpde.calculus.devices import torch_device
from kanpde.collocation.comparison import scores
from kanpde.errors import ConfigurationError, KanpdeError, number
from kanpde.problem.regression import Regression
from kanpde.solution import Solution
from kanpde.training.fitting.trainer import FitTrainer
from kanpde.training.settings import Settings
from kanpde.training.trainer import Callback

LEAST, MOST = 2, 100  # members


@dataclass(frozen=True)
class Ensemble:
    """Fitted functions of the same data; a call returns their mean.

    ``ensemble(x)`` and ``ensemble.spread(x)`` take and return what ``solution(x)`` of a single fit does.
    """

    members: tuple[Solution, ...]

    def __call__(self, points: Any = None, /, **coordinates: Any) -> Any:
        """Return the mean of the members at points (n, d), or at coordinates by name, as `Solution` does."""
        return self._over_members(points, coordinates, lambda values: values.mean(0))

    def spread(self, points: Any = None, /, **coordinates: Any) -> Any:
        """Return the standard deviation of the members, with the divisor k − 1, in the shape of the mean."""
        return self._over_members(points, coordinates, standard_deviation)

    def metrics(self, points: Any, values: Any) -> dict[str, float]:
        """Return the errors of the mean against values: "mse", "mae", "rmse" and "r2"; see `Solution.metrics`."""
        return scores(real_array(self(points)), real_array(values))

    def save(self, path: str | Path) -> None:
        """Write one file of all members, of tensors and JSON without executable code, that `load` reads."""
        states = [member.state() for member in self.members]
        tensors = {f"{k}.{name}": tensor for k, (own, _) in enumerate(states) for name, tensor in own.items()}
        files.write(path, tensors, {"members": [metadata for _, metadata in states]})

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> Ensemble:
        """Read a file written by `save`; raise KanpdeError if it holds no ensemble."""
        with files.contents_of(path):
            tensors, metadata = files.read(path, torch_device(device))
            if "members" not in metadata:
                raise KanpdeError(f"expected an ensemble at {path}, got another file of kanpde's; try Solution.load")
            members = enumerate(metadata["members"])
            return cls(tuple(Solution.of_state(path, files.below(f"{k}.", tensors), each) for k, each in members))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.members)

    def _over_members(self, points: Any, coordinates: dict[str, Any], summary: Any) -> Any:
        found = [member(points, **coordinates) for member in self.members]
        if isinstance(found[0], dict):
            return {name: summary(_stacked([one[name] for one in found])) for name in found[0]}
        return summary(_stacked(found))


def fit_ensemble(problem: Regression, settings: Settings, members: Any, callbacks: Sequence[Callback] = ()) -> Ensemble:
    """Return an ensemble of so many members; member k has the seed of the settings plus k.

    Raises ConfigurationError if their number is no whole number from 2 to 100.
    """
    if not (number(members, whole=True) and LEAST <= members <= MOST):
        raise ConfigurationError(f"expected ensemble to be a whole number from {LEAST} to {MOST}, got {members!r}")
    seeds = [settings.seed + member for member in range(int(members))]
    problems = (resampled(problem, np.random.default_rng([seed, 2])) for seed in seeds)
    trainers = (FitTrainer(one, replace(settings, seed=seed)) for one, seed in zip(problems, seeds, strict=True))
    return Ensemble(tuple(trainer.run(callbacks) for trainer in trainers))


def resampled(problem: Regression, generator: np.random.Generator) -> Regression:
    """Return the problem with samples drawn with replacement; those that are not drawn are held out."""
    count = len(problem.points)
    drawn = np.sort(generator.integers(count, size=count))
    rest = np.setdiff1d(np.arange(count), drawn)
    points, values = problem.points, problem.values
    return replace(
        problem,
        points=points[drawn],
        values=values[drawn],
        held_out_points=points[rest],
        held_out_values=values[rest],
    )


def standard_deviation(values: Any) -> Any:
    """Return the standard deviation over the first axis, with the divisor k − 1."""
    return values.std(0, correction=1) if isinstance(values, torch.Tensor) else values.std(0, ddof=1)


def _stacked(values: Sequence[Any]) -> Any:
    return torch.stack(list(values)) if isinstance(values[0], torch.Tensor) else np.stack(values)
