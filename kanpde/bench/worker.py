"""Run one measurement in this process: read a task and write its result, both in JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kanpde.bench.peers import load
from kanpde.bench.scaling import Size, measure
from kanpde.bench.task import Keep, Recorder, Task
from kanpde.files import json_value, write_text
from kanpde.problem import registry


def main(words: Sequence[str]) -> int:
    """Run the task in the first file; write the second file after each measurement."""
    source, target = map(Path, words)
    given = json.loads(source.read_text(encoding="utf-8"))

    def keep(result: object) -> None:
        write_text(target, json.dumps(json_value(result), allow_nan=False))

    # The output of other programs goes to stderr, which is shown only if the process fails.
    with contextlib.redirect_stdout(sys.stderr):
        if "peer" in given:
            compare(Task(**given), keep)
        else:
            keep(measure(Size(**given)))
    return 0


def compare(task: Task, keep: Keep) -> None:
    """Run one peer on one problem."""
    problem = registry.load_problem(task.problem)
    recorder = Recorder(problem, task.budget_seconds, keep)
    load(task.peer)(problem, task, recorder)
    recorder.finish()
