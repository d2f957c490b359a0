"""The door to training: solve a problem from scratch, or go on from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kanpde.network import KAN
from kanpde.options import TrainingOptions, options
from kanpde.problem import Problem
from kanpde.sampling import SamplingOptions
from kanpde.solution import Solution
from kanpde.trainer import Callback, Trainer

__all__ = ["Callback", "Trainer", "resume", "solve"]


def solve(
    problem: Problem,
    network: KAN | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    training: Mapping[str, Any] | TrainingOptions | None = None,
    sampling: Mapping[str, Any] | SamplingOptions | None = None,
    callbacks: Sequence[Callback] = (),
) -> Solution:
    """Solve a problem and return what was found.

    `network` gives the sizes, or, if it has been built before, also the start; it is left as it is. `training` and
    `sampling` are the settings of those groups by name. Ctrl-C ends the training after the iteration under way, not the
    program: the solution so far is returned, with ``stopped_because`` beginning with "interrupted". A second one raises
    KeyboardInterrupt at once.

    Raises ProblemError for a problem that is not well written and ConfigurationError for settings that cannot be.
    """
    trainer = Trainer(
        problem,
        KAN() if network is None else network,
        seed=seed,
        device=device,
        dtype=dtype,
        training=options(TrainingOptions, "training", training),
        sampling=options(SamplingOptions, "sampling", sampling),
        callbacks=callbacks,
    )
    return trainer.run()


def resume(
    path: str | Path,
    problem: Problem,
    *,
    callbacks: Sequence[Callback] = (),
    training: Mapping[str, Any] | None = None,
) -> Solution:
    """Go on exactly where the checkpoint at `path` was made; `training` changes settings, such as the budget.

    Raises KanpdeError for a file that is no checkpoint and ConfigurationError for one of another problem.
    """
    return Trainer.restored(path, problem, callbacks=callbacks, training=training).run()
