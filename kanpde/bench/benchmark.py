"""Run ``kanpde bench``: make all measurements in turn and write the files after each of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanpde.bench import scaling, tables
from kanpde.bench.machine import machine
from kanpde.bench.peers import PEERS
from kanpde.bench.process import Measure, run_process
from kanpde.bench.side_by_side import BenchOptions, compare, settings_of
from kanpde.errors import ConfigurationError, ExitStatus, fail, options, say, warn
from kanpde.files import relative_path
from kanpde.problem import registry


def run(folder: Path, settings: Mapping[str, Any], measure: Measure = run_process) -> int:
    """Make the measurements that the settings ask for, write them into the folder and return the exit status.

    Ctrl-C ends the current measurement; earlier ones are kept. Raises KanpdeError for unusable settings or problems,
    before the first measurement.
    """
    chosen = options(BenchOptions, "bench", settings)
    for name in chosen.problems:
        check_comparable(name)
    results = Results(folder, settings_of(chosen))
    status = ExitStatus.SOLVED
    try:
        for row in compare(chosen, say, measure):
            results.add(results.rows, row)
            say(progress_line(row))
        for row in scaling.sweep(say, measure) if chosen.scaling else ():
            results.add(results.costs, row)
    except KeyboardInterrupt:
        say("interrupted: the finished measurements are written")
        status = ExitStatus.INTERRUPTED
    if not results.rows and not results.costs:
        fail("nothing was measured; see the lines above")
        return status or ExitStatus.FAILED
    tables.draw(folder, results.rows, results.costs)
    print(f"bench: {relative_path(folder)}", flush=True)
    return status


def progress_line(row: Mapping[str, Any]) -> str:
    """Return a line of progress about a finished row."""
    seconds, error = row["trace"][-1]
    end = "no finite error" if error is None else f"{error:.1e}"
    return f"{row['problem']}, {PEERS[row['peer']].title}: {end} after {seconds:.3g} seconds"


def check_comparable(name: str) -> None:
    """Raise ConfigurationError if the problem has unknowns, or neither an exact nor a reference solution."""
    problem = registry.load_problem(name)
    if problem.unknowns:
        raise ConfigurationError(f"expected problems without unknowns for bench, got {name}; leave it out")
    if getattr(problem, "exact", None) is None and getattr(problem, "reference", None) is None:
        raise ConfigurationError(
            f"expected problems with a method exact or reference for bench, got {name} with neither; write one"
        )
    for warning in problem.check_exact():
        warn(warning)


class Results:
    """The results so far: `rows` are the curves of peers, `costs` the costs of a step; each new one is written."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder, self._settings, self._machine = folder, settings, machine()
        self.rows: list[dict[str, Any]] = []
        self.costs: list[dict[str, Any]] = []

    def add(self, entries: list[dict[str, Any]], row: dict[str, Any]) -> None:
        """Append a row to `rows` or `costs` and write all results."""
        entries.append(row)
        tables.save(self._folder, self._settings, self._machine, self.rows, self.costs)
