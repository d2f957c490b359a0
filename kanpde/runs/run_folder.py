"""Run a problem in a folder: write its files, resume from its checkpoint, show its results."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kanpde import files
from kanpde.calculus import processes
from kanpde.calculus.devices import one_thread
from kanpde.errors import ConfigurationError, Ending, ExitStatus, KanpdeError
from kanpde.files import contents_of, json_value, read_json, relative_path, write_json, write_text
from kanpde.problem import registry
from kanpde.problem.problem import Problem
from kanpde.runs import console
from kanpde.runs.aside import Aside
from kanpde.runs.progress import FormulaProgress, Progress
from kanpde.runs.tensorboard import TensorBoard
from kanpde.solution import Solution
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.phase import Stop
from kanpde.training.settings import Settings
from kanpde.training.trainer import Callback, Trainer

CONFIG, CHECKPOINT, METRICS = "config.yaml", "checkpoint.safetensors", "metrics.json"
HISTORY, SOLUTION, FIGURES = "history.csv", "solution.kan", "figures"
FORMULA, TEX = "formula.json", "formula.tex"


def run(folder: Path, chosen: Mapping[str, Any], settings: Settings, config: str) -> int:
    """Solve the problem with the name and parameters in ``chosen``, write ``folder`` and return the exit status.

    ``config`` is the text of config.yaml. Raises KanpdeError and writes no file if the problem is unusable.
    """
    started = time.perf_counter()
    problem = load(chosen)
    return _train(RunFolder(folder, started, config), problem, settings, lambda: Trainer(problem, settings))


def resume(folder: Path, chosen: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Continue the run in ``folder`` from its checkpoint, with changed training settings; return the exit status.

    Raises KanpdeError if the checkpoint is missing or belongs to another problem.
    """
    started = time.perf_counter()
    problem = load(chosen)
    checkpoint = Checkpoint.read(folder / CHECKPOINT, problem)
    settings = checkpoint.settings.with_training(changes)
    with contents_of(folder / CHECKPOINT):
        trainer = Trainer.restored(checkpoint, problem, settings)
    return _train(RunFolder(folder, started), problem, settings, lambda: trainer)


def load(chosen: Mapping[str, Any]) -> Problem:
    """Return the problem with this name and these parameters; warn if its exact solution does not satisfy it."""
    problem = registry.load_problem(chosen["name"], **{key: chosen[key] for key in chosen if key != "name"})
    for warning in problem.check_exact():
        console.warn(warning)
    return problem


def check_resumable(folder: Path) -> None:
    """Raise ConfigurationError if ``folder`` contains no run that can be resumed."""
    if not (folder / CONFIG).is_file():
        raise ConfigurationError(f"expected {CONFIG} in {folder}, got none; give the folder after a run's 'run:'")
    if not (folder / CHECKPOINT).is_file():
        raise ConfigurationError(
            f"expected {CHECKPOINT} in {folder}, got none: the run ended before it saved anything; run it again"
        )


def show(folder: Path, *, proved: bool = False) -> None:
    """Print a run's table and the paths of its figures; draw the figures again if there are none.

    With `proved` print the proof of the bound of its error, and its formula, if it has one, with the steps of its proof
    instead. Raises ConfigurationError if the folder contains no run.
    """
    if not (folder / METRICS).is_file():
        raise ConfigurationError(f"expected {METRICS} in {folder}, got none; give the folder after a run's 'run:'")
    metrics = read_json(folder / METRICS)
    if proved:
        with contents_of(folder / METRICS):
            console.bound(metrics)
        if (folder / FORMULA).is_file():
            proof = read_json(folder / FORMULA)
            with contents_of(folder / FORMULA):
                console.proof(proof)
        return
    with contents_of(folder / METRICS):
        console.run(metrics)
    figures = sorted((folder / FIGURES).glob("*.png"))
    for figure in figures or draw(Solution.load(folder / SOLUTION), folder):
        print(relative_path(figure))


def export(folder: Path, path: Path, options: Mapping[str, Any]) -> None:
    """Write the solution of the run in ``folder`` to ``path``; see `Solution.export` for the options.

    Raises ConfigurationError if the folder contains no solution, or for an unknown ending and wrong options.
    """
    if not (folder / SOLUTION).is_file():
        raise ConfigurationError(f"expected {SOLUTION} in {folder}, got none; give the folder after a run's 'run:'")
    Solution.load(folder / SOLUTION).export(path, **options)
    print(relative_path(path))


def draw(solution: Solution, folder: Path) -> list[Path]:
    """Draw the run's figures and return their paths."""
    # Imported here, because matplotlib is slow to import and training does not need it.
    from kanpde import plots

    names = plots.DEFAULT_NAMES if hasattr(solution.network, "edge_curves") else ("solution", "history")
    if any(callable(each) for each in solution.unknowns.values()):
        names = (*names, "unknowns")
    return plots.write_figures(solution, folder / FIGURES, names)


def draw_formula(solution: Solution, folder: Path) -> list[Path]:
    """Draw the figure of the formula and return its path."""
    from kanpde import plots

    return plots.write_figures(solution, folder / FIGURES, ("formula",))


@one_thread()
def _train(folder: RunFolder, problem: Problem, settings: Settings, start: Callable[[], Trainer]) -> int:
    """Train, save, search for the formula, report, and return the exit status.

    Of several processes that train together the first does all but the training.
    """
    if processes.rank() > 0:
        start().run()
        return ExitStatus.SOLVED
    title = f"{problem.name}: {registry.describe(problem.name)}"
    progress = Progress(title, settings.training.budget_seconds)
    callbacks: list[Callback] = [folder, progress]
    if settings.training.tensorboard:
        callbacks.append(TensorBoard(lambda: folder.path / "tensorboard"))
    try:
        with progress:
            trainer = start()
            solution = trainer.run(callbacks)
        assert trainer.stop is not None, "a training that has been run has stopped"
        stop = trainer.stop
        with processes.alone():  # the others do no more
            try:
                folder.save(solution)
            except OSError:
                console.run(folder.metrics)  # the numbers need no room
                raise
            try:
                if (
                    settings.symbolic.enabled
                    and stop.ending.status == ExitStatus.SOLVED
                    and solution.verdict != "failed"
                ):
                    folder.symbolify(solution, settings)
            finally:
                folder.close()
                console.run(folder.metrics)
    except OSError as error:
        if not (folder.path / CHECKPOINT).is_file():
            raise
        place = relative_path(folder.path)
        raise KanpdeError(f"{error}; make room and continue with kanpde resume {place}") from error
    except KeyboardInterrupt:
        # A second Ctrl-C, or one while files are written; the run can be resumed from its last checkpoint.
        if not (folder.path / CHECKPOINT).is_file():
            raise
        stop = Stop(Ending.INTERRUPTED)
    return last_word(stop, folder.metrics, relative_path(folder.path))


def last_word(stop: Stop, metrics: Mapping[str, Any], folder: str) -> ExitStatus:
    """Print the run's folder and, if the problem is not solved, why; return the exit status."""
    status = stop.ending.status
    if stop.ending is Ending.INTERRUPTED:
        console.say(f"{stop.ending.word}: continue with kanpde resume {folder}")
    elif stop.ending.status != ExitStatus.SOLVED:
        console.fail(f"training {stop}")
    elif metrics["verdict"] != "solved":
        status = ExitStatus.NOT_SOLVED
        console.say(f"not solved: the verdict is {metrics['verdict']!r}, for the reasons in the table")
    print(f"run: {folder}", flush=True)
    return status


class RunFolder:
    """A training callback that makes the run's folder when training starts and writes the checkpoints."""

    def __init__(self, path: Path, started: float, config: str | None = None) -> None:
        """``started`` is a time.perf_counter(); ``config`` is the text of config.yaml, None if the file exists."""
        self.path, self._config = path, config
        self.metrics: dict[str, Any] = {}
        self._figures: Aside | None = None
        self._full = False  # True if the last checkpoint could not be written
        self._started = started - (0.0 if config is not None else _seconds(path / METRICS))

    def on_start(self, trainer: Any) -> None:
        """Choose a folder that no other run uses, by creating its config.yaml exclusively."""
        if self._config is None:
            return
        for folder in (self.path, *(self.path.with_name(f"{self.path.name}_{k}") for k in range(2, 10_000))):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with (folder / CONFIG).open("x", encoding="utf-8") as file:
                    file.write(self._config)
            except FileExistsError:
                continue
            self.path = folder
            return

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Write nothing, because the checkpoint contains the history."""

    def on_checkpoint(self, trainer: Any) -> None:
        """Write the state from which the training can be resumed; a full disk costs a warning, and not the training."""
        try:
            files.write(self.path / CHECKPOINT, *trainer.state())
        except OSError as error:
            if not self._full:
                console.warn(f"no checkpoint is written: {error}; the training goes on")
            self._full = True
        else:
            self._full = False

    def on_end(self, trainer: Any) -> None:
        """Write the last checkpoint, also after an interruption."""
        self.on_checkpoint(trainer)

    def save(self, solution: Solution) -> None:
        """Measure the solution's errors; write the solution, the history and the metrics; begin to draw the figures."""
        # Measured first, because the table is printed even if the disk is full.
        self.metrics = json_value(solution.metrics())
        self.metrics["seconds"]["total"] = time.perf_counter() - self._started
        solution.save(self.path / SOLUTION)
        write_text(self.path / HISTORY, _csv(solution.history))
        self._save_metrics()
        self._figures = Aside(partial(draw, solution, self.path))

    def symbolify(self, solution: Solution, settings: Settings) -> None:
        """Search for the formula of a saved solution; write the formula and update the other files."""
        budget = settings.symbolic.budget_seconds
        with FormulaProgress(budget) as progress:
            formula = solution.symbolify(
                budget_seconds=budget, functions=settings.symbolic.functions, seed=settings.seed, progress=progress
            )
        solution.save(self.path / SOLUTION)
        write_json(self.path / FORMULA, formula.to_json())
        write_text(self.path / TEX, formula.latex() + "\n")
        self.metrics["formula"] = json_value(formula.summary())
        self.metrics["seconds"]["symbolic"] = formula.seconds
        self._save_metrics()
        if formula.expressions:
            draw_formula(solution, self.path)

    def close(self) -> None:
        """Wait for the figures, and write the run's total seconds."""
        try:
            if self._figures is not None:
                self._figures.join()
        finally:
            self._save_metrics()

    def _save_metrics(self) -> None:
        self.metrics["seconds"]["total"] = time.perf_counter() - self._started
        write_json(self.path / METRICS, self.metrics)


def _csv(history: Mapping[str, Sequence[Any]]) -> str:
    """Return a header and one line per iteration in CSV; unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows([json_value(item) for item in row] for row in zip(*history.values(), strict=True))
    return text.getvalue()


def _seconds(metrics: Path) -> float:
    """Return the total seconds of a resumed run so far; 0 for a new run."""
    if not metrics.is_file():
        return 0.0
    with contents_of(metrics):
        return float(read_json(metrics)["seconds"]["total"])
