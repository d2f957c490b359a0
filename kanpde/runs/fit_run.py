"""Run a fit in a folder: read a table, train, measure on samples that were not seen, write files, print a table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import one_thread
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError, Ending, ExitStatus, cut, number, options
from kanpde.files import json_value, relative_path, write_text
from kanpde.problem.regression import Regression
from kanpde.runs import console
from kanpde.runs.progress import Progress
from kanpde.runs.run_folder import CHECKPOINT, RunFolder, last_word
from kanpde.solution import Solution
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.fitting.fit import restored_trainer
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.samples import regression
from kanpde.training.fitting.suite import FUNCTIONS, SAMPLES, TESTS, samples_of
from kanpde.training.fitting.tables import inputs_and_targets, read_columns
from kanpde.training.fitting.trainer import FitTrainer
from kanpde.training.settings import Settings, network_of

SUITE = "suite"
SUITE_SECONDS = 20.0  # of training for each function, if no budget is given


class FitFolder(RunFolder):
    """The folder of a fit."""

    def add(self, more: Mapping[str, Any]) -> None:
        """Add numbers to metrics.json."""
        self.metrics |= json_value(more)
        self._save_metrics()


def run(folder: Path, groups: Mapping[str, Any], config: str) -> int:
    """Fit the network of the settings `groups` to their data, write `folder` and return the exit status.

    `config` is the text of config.yaml. Raises KanpdeError and writes no file if the data or a setting are not valid.
    """
    settings = settings_of(groups)
    if not (number(groups["test"]) and 0 <= groups["test"] < 0.9):
        raise ConfigurationError(f"expected test to be a share between 0 and 0.9, got {groups['test']!r}")
    if groups["data"] == SUITE and not Path(SUITE).is_file():
        if groups["target"] is not None:
            raise ConfigurationError(
                f"expected no target beside data={SUITE}, which has its own, got {groups['target']!r}; leave it out"
            )
        return run_suite(folder, settings, config)
    started = time.perf_counter()
    problem, test, title = prepared(groups, settings)
    return _train(FitFolder(folder, started, config), lambda: FitTrainer(problem, settings), title, test)


def resume(folder: Path, groups: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Continue the fit in `folder` from its checkpoint, with changed training settings; return the exit status.

    `groups` are the settings with which it began. Raises ConfigurationError if the table has changed since.
    """
    started = time.perf_counter()
    trainer = restored_trainer(folder / CHECKPOINT, changes)
    problem, test, title = prepared(groups, trainer.settings)
    known = trainer.problem
    assert isinstance(known, Regression)
    if not (np.array_equal(problem.points, known.points) and np.array_equal(problem.values, known.values)):
        raise ConfigurationError(
            f"expected {groups['data']} as it was when the run began, got other samples; run kanpde fit again"
        )
    return _train(FitFolder(folder, started), lambda: trainer, title, test)


def prepared(groups: Mapping[str, Any], settings: Settings) -> tuple[Regression, tuple[Array, Array], str]:
    """Return the problem of the table that the settings name, the samples of its test, and a title."""
    path = Path(str(groups["data"]))
    columns, others = read_columns(path)
    wanted = groups["target"]
    targets = [] if wanted is None else [str(name) for name in (wanted if isinstance(wanted, list) else [wanted])]
    inputs, targets = inputs_and_targets(columns, others, targets, path)
    for name, entry in others.items():
        console.say(f"column {name!r} is left out: {cut(entry, 40)!r} is no number")
    x, y = (np.stack([columns[name] for name in names], axis=1) for names in (inputs, targets))
    seen, test = split(len(x), float(groups["test"]), settings.seed)
    title = f"{path.name}: {', '.join(targets)} from {', '.join(inputs)}, {len(x)} samples"
    return named_regression(x[seen], y[seen], inputs, targets, settings), (x[test], y[test]), title


def settings_of(groups: Mapping[str, Any]) -> Settings:
    """Return the settings of a fit; raise ConfigurationError for values that are not valid."""
    return Settings(
        network=network_of(groups["network"]),
        training=options(FitOptions, "training", groups["training"]),
        sampling=SamplingOptions(),
        symbolic=options(SymbolicOptions, "symbolic", groups["symbolic"]),
        **{name: groups[name] for name in ("seed", "device", "dtype")},
    )


def split(count: int, share: float, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the samples for training and for the test, in order."""
    order = np.random.default_rng([seed, 1]).permutation(count)
    cut = min(round(share * count), count - 1)
    return np.sort(order[cut:]), np.sort(order[:cut])


def named_regression(x: Array, y: Array, inputs: list[str], targets: list[str], settings: Settings) -> Regression:
    """Return the problem of samples with names of columns."""
    assert isinstance(settings.training, FitOptions)
    return regression(x, y, validation=settings.training.validation, seed=settings.seed, names=(inputs, targets))


@one_thread()
def _train(folder: FitFolder, start: Callable[[], FitTrainer], title: str, test: tuple[Array, Array]) -> ExitStatus:
    """Train, save, look for the formula, report, and return the exit status."""
    trainer = start()
    settings, problem = trainer.settings, trainer.problem
    assert isinstance(problem, Regression)
    progress = Progress(title, settings.training.budget_seconds)
    with progress:
        solution = trainer.run([folder, progress])
    assert trainer.stop is not None, "a training that has been run has stopped"
    folder.save(solution)
    folder.add({"scores": scores_of(solution, problem, test), "fit": solution.record["fit"]})
    try:
        if settings.symbolic.enabled and trainer.stop.ending.status == ExitStatus.SOLVED:
            folder.symbolify(solution, settings)
    finally:
        folder.close()
        console.run(folder.metrics)
    where = relative_path(folder.path)
    if trainer.stop.ending is Ending.INTERRUPTED:
        console.say(f"interrupted: the best network so far is saved; continue with kanpde resume {where}")
        print(f"run: {where}", flush=True)
        return ExitStatus.INTERRUPTED
    return last_word(trainer.stop, folder.metrics, where)


def scores_of(solution: Solution, problem: Regression, test: tuple[Array, Array]) -> dict[str, Any]:
    """Return the number of samples and the errors of training, validation and test, if they have samples."""
    parts = {
        "training": (problem.points, problem.values),
        "validation": (problem.held_out_points, problem.held_out_values),
        "test": test,
    }
    return {
        name: {"samples": len(x), **solution.metrics(x, y[:, 0] if y.shape[1] == 1 else y)}
        for name, (x, y) in parts.items()
        if len(x)
    }


def run_suite(folder: Path, settings: Settings, config: str) -> int:
    """Fit the network to every function of the suite, print one table, and return the exit status."""
    training = settings.training
    if training.budget_seconds is None:
        settings = settings.with_training({"budget_seconds": SUITE_SECONDS})
    rows: dict[str, dict[str, Any]] = {}
    place = RunFolder(folder, time.perf_counter(), config)
    place.on_start(None)
    for name in FUNCTIONS:
        assert isinstance(settings.training, FitOptions)
        x, y = samples_of(name, SAMPLES, settings.seed)
        problem = regression(x, y, validation=settings.training.validation, seed=settings.seed)
        solution = FitTrainer(problem, settings).run()
        found = solution.metrics(*samples_of(name, TESTS, settings.seed + 1))
        rows[name] = {**found, "parameters": solution.model.active, "seconds": solution.record["seconds"]}
        console.say(f"{name}: rmse {found['rmse']:.2e}")
    write_text(place.path / "metrics.json", json.dumps(json_value({"suite": rows}), indent=2) + "\n")
    console.suite(rows)
    print(f"run: {relative_path(place.path)}", flush=True)
    return ExitStatus.SOLVED
