"""A run and its folder: what is written there, when, and how a run goes on from it."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kanpde import files
from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.options import SymbolicOptions, options
from kanpde.problem import registry
from kanpde.problem.problem import Problem
from kanpde.runs import console
from kanpde.runs.progress import FormulaProgress, Progress
from kanpde.runs.tensorboard import TensorBoard
from kanpde.solution import Solution
from kanpde.training import trainer
from kanpde.training.trainer import Callback

CONFIG, CHECKPOINT, METRICS = "config.yaml", "checkpoint.safetensors", "metrics.json"
HISTORY, SOLUTION, FIGURES = "history.csv", "solution.kan", "figures"
FORMULA, TEX = "formula.json", "formula.tex"
SOLVED, DIVERGED, INTERRUPTED = 0, 3, 130
# How stopped_because begins where a run did not end well.
ENDINGS = {"diverged": DIVERGED, "interrupted": INTERRUPTED}


def run(folder: Path, settings: Mapping[str, Any], config: str) -> int:
    """Solve the problem of ``settings`` into ``folder``, whose config.yaml is the text ``config``.

    Returns the exit status. Raises KanpdeError, and leaves no file, where the settings or the problem are not usable.
    """
    more = {key: settings[key] for key in ("seed", "device", "dtype", "training", "sampling")}

    def start(problem: Problem, callbacks: list[Callback]) -> Solution:
        return trainer.solve(problem, network(settings["network"]), callbacks=callbacks, **more)

    return _carry_out(RunFolder(folder, config), settings, settings["training"], start)


def resume(folder: Path, settings: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Go on in ``folder`` from its checkpoint, with ``changes`` to the training's settings; returns the exit status."""

    def start(problem: Problem, callbacks: list[Callback]) -> Solution:
        return trainer.resume(folder / CHECKPOINT, problem, callbacks=callbacks, training=changes or None)

    return _carry_out(RunFolder(folder), settings, {**settings["training"], **changes}, start)


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


def network(settings: Mapping[str, Any]) -> KAN:
    """The network of ``settings``; ConfigurationError for a name or a type that KAN does not take."""
    try:
        return KAN(**settings)
    except TypeError as error:
        raise ConfigurationError(f"expected the settings of a network, got {dict(settings)}: {error}") from error


def _carry_out(
    folder: RunFolder,
    settings: Mapping[str, Any],
    training_settings: Mapping[str, Any],
    start: Callable[[Problem, list[Callback]], Solution],
) -> int:
    """Load the problem, train, save and report; returns the exit status."""
    started = time.perf_counter()
    symbolic = symbolic_options(settings)
    name = settings["problem"]["name"]
    problem = registry.load_problem(name, **{key: value for key, value in settings["problem"].items() if key != "name"})
    for warning in problem.check_exact():
        console.warn(warning)
    progress = Progress(f"{name}: {registry.describe(name)}", training_settings.get("budget_seconds"))
    callbacks: list[Callback] = [folder, progress]
    if training_settings.get("tensorboard"):
        callbacks.append(TensorBoard(lambda: folder.path / "tensorboard"))
    try:
        with progress:
            solution = start(problem, callbacks)
        metrics = folder.save(solution, started)
        try:
            if symbolic and not solution.stopped_because.startswith(tuple(ENDINGS)):
                metrics = folder.symbolify(solution, symbolic, started)
        finally:
            console.run(metrics)
    except KeyboardInterrupt:
        # A second Ctrl-C, or one while files are written: the last checkpoint is what there is to go on from.
        if not (folder.path / CHECKPOINT).is_file():
            raise
        return last_word("interrupted", shown(folder.path))
    return last_word(solution.stopped_because, shown(folder.path))


def symbolic_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `Solution.symbolify` in a run's settings; none where it is off."""
    group = asdict(options(SymbolicOptions, "symbolic", settings.get("symbolic", {"enabled": False})))
    enabled = group.pop("enabled")
    return {**group, "seed": settings["seed"]} if enabled else {}


def last_word(reason: str, folder: str) -> int:
    """Say where the run is and, where it is not done, what to do; returns the exit status."""
    status = next((code for word, code in ENDINGS.items() if reason.startswith(word)), SOLVED)
    if status == INTERRUPTED:
        console.say(f"interrupted: go on with kanpde resume {folder}")
    if status == DIVERGED:
        console.fail(f"training {reason}")
    print(f"run: {folder}", flush=True)
    return status


class RunFolder:
    """A training callback that makes the run's folder as training starts and keeps the checkpoint in it."""

    def __init__(self, path: Path, config: str | None = None) -> None:
        """``config`` is the text of config.yaml for a new run, None to go on in a folder that has one."""
        self.path, self._config = path, config
        self._seconds_before = 0.0 if config is not None else _seconds(path / METRICS)

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

    def save(self, solution: Solution, started: float) -> dict[str, Any]:
        """Write what a run leaves behind and return its metrics; ``started`` is a time.perf_counter()."""
        solution.save(self.path / SOLUTION)
        write(self.path / HISTORY, _csv(solution.history))
        metrics = {key: finite(value) for key, value in solution.metrics().items()}
        self._save_metrics(metrics, started)
        draw(solution, self.path)
        # Once more, for drawing takes its time too; but nothing that goes wrong there may cost the numbers.
        self._save_metrics(metrics, started)
        return metrics

    def symbolify(self, solution: Solution, options: Mapping[str, Any], started: float) -> dict[str, Any]:
        """Look for the formula and write what is found beside the rest; returns the metrics with it."""
        with FormulaProgress(options.get("budget_seconds")) as progress:
            formula = solution.symbolify(**options, progress=progress)
        solution.save(self.path / SOLUTION)
        write(self.path / FORMULA, json.dumps(finite(formula.to_json()), indent=2, allow_nan=False) + "\n")
        write(self.path / TEX, formula.latex() + "\n")
        metrics = {key: finite(value) for key, value in solution.metrics().items()}
        self._save_metrics(metrics, started)
        if formula.expressions:
            draw_formula(solution, self.path)
            self._save_metrics(metrics, started)
        return metrics

    def _save_metrics(self, metrics: dict[str, Any], started: float) -> None:
        metrics["seconds"]["total"] = self._seconds_before + time.perf_counter() - started
        write(self.path / METRICS, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


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
