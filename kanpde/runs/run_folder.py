"""A run and its folder: what is written there, when, and how a run goes on from it."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kanpde import files
from kanpde.device import one_thread
from kanpde.errors import ConfigurationError, Ending, ExitStatus
from kanpde.problem import registry
from kanpde.problem.problem import Problem
from kanpde.runs import console
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
    """Solve the problem that is ``chosen`` by its name and parameters into ``folder``; returns the exit status.

    ``config`` is the text of config.yaml. Raises KanpdeError, and leaves no file, if the problem is not usable.
    """
    started = time.perf_counter()
    problem = load(chosen)
    return _carry_out(RunFolder(folder, started, config), problem, settings, lambda: Trainer(problem, settings))


def resume(folder: Path, chosen: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Go on in ``folder`` from its checkpoint, with ``changes`` to the training's settings; returns the exit status."""
    started = time.perf_counter()
    problem = load(chosen)
    checkpoint = Checkpoint.read(folder / CHECKPOINT, problem)
    settings = checkpoint.settings.with_training(changes)
    start = partial(Trainer.restored, checkpoint, problem, settings)
    return _carry_out(RunFolder(folder, started), problem, settings, start)


def load(chosen: Mapping[str, Any]) -> Problem:
    """Return the problem of a name and parameters; warn if its exact solution does not satisfy it."""
    problem = registry.load_problem(chosen["name"], **{key: chosen[key] for key in chosen if key != "name"})
    for warning in problem.check_exact():
        console.warn(warning)
    return problem


def check_resumable(folder: Path) -> None:
    """Raise ConfigurationError where ``folder`` holds no run to go on with."""
    for name in (CONFIG, CHECKPOINT):
        if not (folder / name).is_file():
            raise ConfigurationError(f"expected {name} in {folder}, got none; give the folder after a run's 'run:'")


def show(folder: Path, *, proof: bool = False) -> None:
    """Print a run's table and where its figures are; figures that are gone are drawn again.

    With `proof` the formula and the steps of its proof are printed instead.
    """
    if not (folder / METRICS).is_file():
        raise ConfigurationError(f"expected {METRICS} in {folder}, got none; give the folder after a run's 'run:'")
    if proof:
        if not (folder / FORMULA).is_file():
            raise ConfigurationError(f"expected {FORMULA} in {folder}, got none; run with symbolic=on")
        console.proof(json.loads((folder / FORMULA).read_text(encoding="utf-8")))
        return
    console.run(json.loads((folder / METRICS).read_text(encoding="utf-8")))
    figures = sorted((folder / FIGURES).glob("*.png"))
    for figure in figures or draw(Solution.load(folder / SOLUTION), folder):
        print(shown(figure))


def draw(solution: Solution, folder: Path) -> list[Path]:
    """Draw the run's figures; returns their files."""
    # Imported here: matplotlib takes its time, and training can start before it is there.
    from kanpde import plots

    return plots.write_figures(solution, folder / FIGURES)


def draw_formula(solution: Solution, folder: Path) -> list[Path]:
    """Draw the figure of the formula; returns its file."""
    from kanpde import plots

    return plots.write_figures(solution, folder / FIGURES, ("formula",))


@one_thread()
def _carry_out(folder: RunFolder, problem: Problem, settings: Settings, start: Callable[[], Trainer]) -> int:
    """Train, save, look for the formula and report; returns the exit status."""
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
        folder.save(solution)
        try:
            if settings.symbolic.enabled and stop.ending.status == ExitStatus.SOLVED:
                folder.symbolify(solution, settings)
        finally:
            console.run(folder.metrics)
    except KeyboardInterrupt:
        # A second Ctrl-C, or one while files are written: the last checkpoint is what there is to go on from.
        if not (folder.path / CHECKPOINT).is_file():
            raise
        stop = Stop(Ending.INTERRUPTED)
    return last_word(stop, shown(folder.path))


def last_word(stop: Stop, folder: str) -> ExitStatus:
    """Print where the run is and, if it is not solved, what to do; returns the exit status."""
    if stop.ending is Ending.INTERRUPTED:
        console.say(f"{stop.ending.word}: go on with kanpde resume {folder}")
    elif stop.ending.status != ExitStatus.SOLVED:
        console.fail(f"training {stop}")
    print(f"run: {folder}", flush=True)
    return stop.ending.status


class RunFolder:
    """A training callback that makes the run's folder as training starts and keeps the checkpoint in it."""

    def __init__(self, path: Path, started: float, config: str | None = None) -> None:
        """``started`` is a time.perf_counter(), ``config`` the text of config.yaml; None in a folder that has one."""
        self.path, self._config = path, config
        self.metrics: dict[str, Any] = {}
        self._started = started - (0.0 if config is not None else _seconds(path / METRICS))

    def on_start(self, trainer: Any) -> None:
        """A new run takes a folder that no other run has: its config.yaml can be made only once."""
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
        """Nothing to write: the training keeps the history, and a checkpoint holds it."""

    def on_checkpoint(self, trainer: Any) -> None:
        """Write all that is needed to go on from here."""
        files.write(self.path / CHECKPOINT, *trainer.state())

    def on_end(self, trainer: Any) -> None:
        """The last checkpoint, of an interrupted training too."""
        self.on_checkpoint(trainer)

    def save(self, solution: Solution) -> None:
        """Measure the solution, and write what a run leaves behind."""
        solution.save(self.path / SOLUTION)
        write(self.path / HISTORY, _csv(solution.history))
        self.metrics = finite(solution.metrics())
        self._draw_and_save_metrics(partial(draw, solution, self.path))

    def symbolify(self, solution: Solution, settings: Settings) -> None:
        """Look for the formula of a solution that has been saved, and write what is found beside the rest."""
        budget = settings.symbolic.budget_seconds
        with FormulaProgress(budget) as progress:
            formula = solution.symbolify(
                budget_seconds=budget, functions=settings.symbolic.functions, seed=settings.seed, progress=progress
            )
        solution.save(self.path / SOLUTION)
        write(self.path / FORMULA, json.dumps(finite(formula.to_json()), indent=2, allow_nan=False) + "\n")
        write(self.path / TEX, formula.latex() + "\n")
        self.metrics["formula"] = finite(formula.summary())
        self.metrics["seconds"]["symbolic"] = formula.seconds
        figures = partial(draw_formula, solution, self.path) if formula.expressions else list
        self._draw_and_save_metrics(figures)

    def _draw_and_save_metrics(self, figures: Callable[[], object]) -> None:
        """Draw figures, and write the metrics whatever happens there: the seconds of a run hold those of drawing."""
        try:
            figures()
        finally:
            self.metrics["seconds"]["total"] = time.perf_counter() - self._started
            write(self.path / METRICS, json.dumps(self.metrics, indent=2, allow_nan=False) + "\n")


def shown(path: Path) -> str:
    """The path as a user would write it: from the working folder where it lies inside."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def write(path: Path, text: str) -> None:
    """Write text atomically."""
    files.write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def finite(value: Any) -> Any:
    """The same with None for every number that is not finite, for JSON has no word for them."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(history: Mapping[str, Sequence[Any]]) -> str:
    """One line per iteration under the names of the columns; what was not known is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows([finite(item) for item in row] for row in zip(*history.values(), strict=True))
    return text.getvalue()


def _seconds(metrics: Path) -> float:
    """The total seconds of a run so far, as an earlier session left them."""
    return float(json.loads(metrics.read_text(encoding="utf-8"))["seconds"]["total"]) if metrics.is_file() else 0.0
