"""Compare networks of equally many parameters on one problem or one table: a folder, a table, figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import one_thread
from kanpde.collocation.sampling import SamplingOptions, unit_points
from kanpde.errors import ConfigurationError, ExitStatus, number, options
from kanpde.files import json_value, relative_path, write_json
from kanpde.network.equal_sizes import Network, equal_network
from kanpde.network.mlp import MLP
from kanpde.network.trial_function import Model
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem
from kanpde.runs import console
from kanpde.runs.fit_run import named_regression, split
from kanpde.runs.run_folder import METRICS, RunFolder, load
from kanpde.solution import Solution
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.phase import DEGREE
from kanpde.training.fitting.tables import inputs_and_targets, read_columns
from kanpde.training.fitting.trainer import FitTrainer
from kanpde.training.network_size import built_for
from kanpde.training.phase import TrainingTask
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer

LEAST, MOST = 20, 5000  # parameters
MAP_POINTS = 4096  # at which the errors of a problem are drawn


@dataclass(frozen=True)
class Match:
    """What all networks have in common: the problem, the settings but the network, and the samples of a test."""

    task: TrainingTask
    test: tuple[Array, Array] | None = None  # None for an equation

    @property
    def problem(self) -> Problem:
        """The problem."""
        return self.task.problem

    @property
    def of_data(self) -> bool:
        """True if the networks are fitted to data."""
        return self.test is not None

    def trained(self, network: Network) -> Solution:
        """Return the solution with this network."""
        size = self.count(network)
        settings = replace(self.task.settings, network=network).with_training({"max_parameters": size})
        return (FitTrainer if self.of_data else Trainer)(self.problem, settings).run()

    def count(self, network: Network) -> int:
        """Return the number of parameters of a network for this problem."""
        ansatz = Ansatz.of(self.problem)
        return Model(built_for(self.task, network, ansatz), ansatz, self.problem.constants).size

    def error(self, solution: Solution) -> float | None:
        """Return the RMSE at the test's samples, or the relative L2 error; None if no solution is known."""
        if self.test is not None:
            x, y = self.test
            return float(solution.metrics(x, y[:, 0] if y.shape[1] == 1 else y)["rmse"])
        return solution.errors()["relative_l2"]

    def points(self) -> tuple[Array, Array] | None:
        """Return the points (n, d) of the picture and the known values (n, fields); None if none are known."""
        if self.test is not None:
            return self.test
        domain = self.problem.domain
        points = domain.interior(unit_points(MAP_POINTS, domain.dimension, "sobol", np.random.default_rng(0)))
        values = self.problem.reference_values(points)
        if values is None:
            return None
        kept = np.isfinite(values).all(axis=1)
        return points[kept], values[kept]


def run(folder: Path, groups: Mapping[str, Any], config: str) -> int:
    """Train every network of `groups`, write `folder`, print one table and return the exit status.

    Raises KanpdeError and writes no file if a setting, the problem or the table is not valid.
    """
    kinds = groups["networks"]
    if not isinstance(kinds, list) or len(kinds) < 2 or len(set(map(str, kinds))) < len(kinds):
        raise ConfigurationError(f"expected at least two different networks such as network=kan,mlp, got {kinds!r}")
    wanted = groups["parameters"]
    if not (number(wanted, whole=True) and LEAST <= wanted <= MOST):
        raise ConfigurationError(f"expected parameters to be a whole number from {LEAST} to {MOST}, got {wanted!r}")
    match, title = match_of(groups)
    networks: dict[str, Network] = {}
    for kind in map(str, kinds):
        networks[kind] = equal_network(kind, int(wanted), match.count, DEGREE if match.of_data else None)
        wanted = match.count(next(iter(networks.values())))
    place = RunFolder(folder, time.perf_counter(), config)
    place.on_start(None)
    solutions = trained(match, networks)
    rows = {kind: row_of(match, networks[kind], solution) for kind, solution in solutions.items()}
    for kind, solution in solutions.items():
        solution.save(place.path / f"{kind}.kan")
    write_json(place.path / METRICS, json_value({"title": title, "of_data": match.of_data, "networks": rows}))
    draw(match, solutions, title, place.path / "figures")
    console.comparison(title, rows, "test RMSE" if match.of_data else "relative L2 error")
    print(f"run: {relative_path(place.path)}", flush=True)
    return ExitStatus.SOLVED


@one_thread()
def trained(match: Match, networks: Mapping[str, Network]) -> dict[str, Solution]:
    """Return the solutions of all networks, one after the other."""
    found = {}
    for kind, network in networks.items():
        console.say(f"{kind}: {match.count(network)} parameters")
        found[kind] = match.trained(network)
    return found


def match_of(groups: Mapping[str, Any]) -> tuple[Match, str]:
    """Return what the networks have in common, and its title; raise KanpdeError if it is not valid."""
    chosen, data = groups.get("problem"), groups["data"]
    if (chosen is None) == (data is None):
        got = "neither" if data is None else "both"
        raise ConfigurationError(f"expected either problem=NAME or data=FILE.csv target=NAME, got {got}")
    shared: dict[str, Any] = {name: groups[name] for name in ("seed", "device", "dtype")}
    shared |= {"network": MLP(), "sampling": SamplingOptions(), "symbolic": SymbolicOptions(enabled=False)}
    if data is None:
        assert chosen is not None
        training = options(TrainingOptions, "training", {"warm_start": "none", **groups["training"]})
        problem = load(chosen)
        return Match(TrainingTask.of(problem, Settings(training=training, **shared))), problem.name
    path = Path(str(data))
    wanted = groups["target"]
    targets = [] if wanted is None else [str(name) for name in (wanted if isinstance(wanted, list) else [wanted])]
    columns, others = read_columns(path)
    inputs, targets = inputs_and_targets(columns, others, targets, path)
    if not (number(groups["test"]) and 0 < groups["test"] < 0.9):
        raise ConfigurationError(f"expected test to be a share above 0 and below 0.9, got {groups['test']!r}")
    settings = Settings(training=options(FitOptions, "training", groups["training"]), **shared)
    x, y = (np.stack([columns[name] for name in names], axis=1) for names in (inputs, targets))
    seen, test = split(len(x), float(groups["test"]), settings.seed)
    found = named_regression(x[seen], y[seen], inputs, targets, settings)
    return Match(TrainingTask.of(found, settings), (x[test], y[test])), f"{path.name}: {', '.join(targets)}"


def row_of(match: Match, network: Network, solution: Solution) -> dict[str, Any]:
    """Return a network's row of the table."""
    return {
        "sizes": _sizes(network),
        "parameters": match.count(network),
        "seconds": solution.record["seconds"],
        "iterations": solution.record["iterations"],
        "error": match.error(solution),
        "stopped_because": solution.stopped_because,
    }


def draw(match: Match, solutions: Mapping[str, Solution], title: str, folder: Path) -> None:
    """Draw the errors over the time, and, where the solution is known, the errors over the domain."""
    from kanpde.plots import write_figure
    from kanpde.plots.comparison import Competitor, course_figure, errors_figure

    known = match.points()
    points, values = (np.empty((0, 1)), np.empty((0, 1))) if known is None else known
    competitors = [
        Competitor(kind, one.history, np.linalg.norm(one.evaluate(points) - values, axis=1))
        for kind, one in solutions.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    column = "validation" if match.of_data else "error"
    write_figure(course_figure(competitors, column, title), folder / "course.png")
    if len(points):
        names = match.problem.domain.names
        write_figure(errors_figure(competitors, points, names, title), folder / "errors.png")


def _sizes(network: Network) -> str:
    """Return a network's sizes in words."""
    if isinstance(network, MLP):
        waves = "" if network.frequencies is None else f", {network.frequencies} frequencies"
        return f"{list(network.width)}, {network.activation}{waves}"
    return f"{[nodes for nodes, _ in network.width or ()]}, {network.intervals} intervals"
