"""Fit a network to data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from kanpde import files
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError, options
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.problem.saved import SAMPLES, regression_of
from kanpde.solution import Solution
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.fitting.ensemble import Ensemble, fit_ensemble
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.samples import regression
from kanpde.training.fitting.trainer import FitTrainer
from kanpde.training.settings import Settings, whole_seed
from kanpde.training.trainer import Callback


@overload
def fit(
    x: Any,
    y: Any,
    network: KAN | MLP | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float64",
    training: Mapping[str, Any] | FitOptions | None = None,
    callbacks: Sequence[Callback] = (),
    ensemble: None = None,
) -> Solution: ...


@overload
def fit(
    x: Any,
    y: Any,
    network: KAN | MLP | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float64",
    training: Mapping[str, Any] | FitOptions | None = None,
    callbacks: Sequence[Callback] = (),
    ensemble: int,
) -> Ensemble: ...


def fit(
    x: Any,
    y: Any,
    network: KAN | MLP | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float64",
    training: Mapping[str, Any] | FitOptions | None = None,
    callbacks: Sequence[Callback] = (),
    ensemble: int | None = None,
) -> Solution | Ensemble:
    """Fit a network to samples x (n, d) and y (n,) or (n, m), and return the fitted function.

    The result answers ``model(x_new)`` and ``model.metrics(x, y)``, in the array type that it is given, and is a
    `Solution` in every other respect: ``history``, ``plot``, ``save``, ``symbolify``; `prune` and `read` take it.

    By default Gauss–Newton fits networks from narrow to wide, smooth at first, on finer knots while the error at
    held-out samples falls; ``model.record["fit"]`` says what was chosen. `network` limits the width and sets the
    splines' degree and first intervals. ``training`` has the settings of `FitOptions`: stages and batch_size for other
    methods, the weights l1, entropy and smoothness, patience, and the share `validation` of held-out samples.

    With ``ensemble=5`` the result is an `Ensemble` of five fits to resampled data: ``model(x)`` is their mean, and
    ``model.spread(x)`` their standard deviation. The samples that a member has not drawn are its held-out ones.

    Raises ProblemError if the samples are not valid and ConfigurationError if a setting is not.
    """
    chosen, seed = options(FitOptions, "training", training), whole_seed(seed)
    if ensemble is not None and chosen.validation is not None:
        raise ConfigurationError(
            "expected no training.validation beside ensemble, whose members hold out what they do not draw; omit it"
        )
    problem = regression(x, y, validation=chosen.validation if ensemble is None else 0.0, seed=seed)
    settings = Settings(
        network=KAN() if network is None else network,
        training=chosen,
        sampling=SamplingOptions(),
        symbolic=SymbolicOptions(enabled=False),
        seed=seed,
        device=device,
        dtype=dtype,
    )
    return (
        FitTrainer(problem, settings).run(callbacks)
        if ensemble is None
        else fit_ensemble(problem, settings, ensemble, callbacks)
    )


def resume_fit(
    path: str | Path, *, callbacks: Sequence[Callback] = (), training: Mapping[str, Any] | None = None
) -> Solution:
    """Continue a fit exactly from the checkpoint at `path`, with changes to the settings `training`.

    The checkpoint has the samples. A callback writes it: ``files.write(path, *trainer.state())`` in `on_checkpoint`.
    Raises KanpdeError if the file is no checkpoint of a fit.
    """
    return restored_trainer(path, training or {}).run(callbacks)


def restored_trainer(path: str | Path, changes: Mapping[str, Any]) -> FitTrainer:
    """Return the trainer of the checkpoint at `path`; raise KanpdeError if it is of another kind."""
    with files.contents_of(path):
        tensors, numbers = files.read(path)
        if "checkpoint" not in numbers or SAMPLES[0] not in tensors:
            raise ConfigurationError(f"expected a checkpoint of a fit at {path}, got another file; give a run's folder")
        problem = regression_of(tensors, numbers["problem"])
        checkpoint = Checkpoint.read(path, problem, FitOptions)
        settings = checkpoint.settings.with_training(changes)
        trainer = FitTrainer.restored(checkpoint, problem, settings)
    assert isinstance(trainer, FitTrainer)
    return trainer
