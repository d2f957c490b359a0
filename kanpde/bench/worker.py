"""What the process of one measurement does: a task in, a result out, both JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kanpde.bench.peers import load
from kanpde.bench.scaling import Size, measure
from kanpde.bench.task import Keep, Recorder, Task
from kanpde.problem import registry
from kanpde.runs.run_folder import finite, write


def main(words: Sequence[str]) -> int:
    """Carry out the task in the first file and keep the second one up to date with what has been measured."""
    source, target = map(Path, words)
    given = json.loads(source.read_text(encoding="utf-8"))

    def keep(result: object) -> None:
        write(target, json.dumps(finite(result), allow_nan=False))

    # What others print goes to stderr, which is shown only where the process fails.
    with contextlib.redirect_stdout(sys.stderr):
        if "peer" in given:
            compare(Task(**given), keep)
        else:
            keep(measure(Size(**given)))
    return 0


def compare(task: Task, keep: Keep) -> None:
    """One peer on one problem."""
    problem = registry.load_problem(task.problem)
    recorder = Recorder(problem, task.budget_seconds, keep)
    load(task.peer)(problem, task, recorder)
    recorder.finish()
