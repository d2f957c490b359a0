"""``kanpde bench``: all measurements in turn, and their files as soon as there is something to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanpde.bench import scaling, tables
from kanpde.bench.machine import machine
from kanpde.bench.peers import PEERS
from kanpde.bench.process import Measure, carry_out
from kanpde.bench.side_by_side import BenchOptions, compare, settings_of
from kanpde.errors import ConfigurationError, ExitStatus
from kanpde.options import options
from kanpde.problem import registry
from kanpde.runs import console
from kanpde.runs.run_folder import shown


def run(folder: Path, settings: Mapping[str, Any], measure: Measure = carry_out) -> int:
    """Measure what the settings ask for into the folder; returns the exit status.

    Ctrl-C ends the measurement under way; what was measured before is written. Raises KanpdeError for settings or
    problems that are not usable, before anything is measured.
    """
    chosen = options(BenchOptions, "bench", settings)
    for name in chosen.problems:
        check_comparable(name)
    book = Book(folder, settings_of(chosen))
    status = ExitStatus.SOLVED
    try:
        for row in compare(chosen, console.say, measure):
            book.add(book.rows, row)
            console.say(reached(row))
        for row in scaling.sweep(console.say, measure) if chosen.scaling else ():
            book.add(book.costs, row)
    except KeyboardInterrupt:
        console.say("interrupted: what was measured before is written")
        status = ExitStatus.INTERRUPTED
    if not book.rows and not book.costs:
        console.fail("nothing was measured; see the lines above")
        return status or ExitStatus.FAILED
    tables.draw(folder, book.rows, book.costs)
    print(f"bench: {shown(folder)}", flush=True)
    return status


def reached(row: Mapping[str, Any]) -> str:
    """A row as a line of progress."""
    seconds, error = row["trace"][-1]
    end = "no finite error" if error is None else f"{error:.1e}"
    return f"{row['problem']}, {PEERS[row['peer']].title}: {end} after {seconds:.3g} seconds"


def check_comparable(name: str) -> None:
    """Raise ConfigurationError for a problem that no error can be measured of, or that asks for constants as well."""
    problem = registry.load_problem(name)
    if problem.unknowns:
        raise ConfigurationError(f"expected problems without unknowns for bench, got {name}; leave it out")
    if getattr(problem, "exact", None) is None and getattr(problem, "reference", None) is None:
        raise ConfigurationError(
            f"expected problems with a method exact or reference for bench, got {name} with neither; write one"
        )
    for warning in problem.check_exact():
        console.warn(warning)


class Book:
    """What has been measured: curves of peers, and what a step costs; written down after every entry."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder, self._settings, self._machine = folder, settings, machine()
        self.rows: list[dict[str, Any]] = []
        self.costs: list[dict[str, Any]] = []

    def add(self, page: list[dict[str, Any]], row: dict[str, Any]) -> None:
        """Enter a row on one of the two pages."""
        page.append(row)
        tables.save(self._folder, self._settings, self._machine, self.rows, self.costs)
