"""Run a measurement in a process of its own, so that a crash or a shortage of memory ends it alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The result of a measurement, None without one, and the error in one line, empty without one."""

    result: dict[str, Any] | None
    error: str = ""


Measure = Callable[[Mapping[str, Any], float], Answer]
Say = Callable[[str], None]


def run_process(task: Mapping[str, Any], limit: float) -> Answer:
    """Run the task by ``python -m kanpde.bench``; kill the process after `limit` seconds or on Ctrl-C.

    Task and result are JSON files in a temporary folder. A result counts even if the process then failed.
    """
    with tempfile.TemporaryDirectory() as place:
        source, target, log = (Path(place) / name for name in ("task.json", "result.json", "log"))
        source.write_text(json.dumps(task), encoding="utf-8")
        words = [sys.executable, "-m", "kanpde.bench", str(source), str(target)]
        with log.open("wb") as output:
            # The child has a session of its own, so that Ctrl-C reaches this process alone, which then kills the child.
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            child = subprocess.Popen(words, **streams, start_new_session=True)
            try:
                status = child.wait(limit)
                error = last_line(log) if status else ""
            except subprocess.TimeoutExpired:
                error = f"ended after {limit:.0f} seconds"
            finally:
                child.kill()
                child.wait()
        result = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else None
    return Answer(result, error)


def last_line(log: Path) -> str:
    """Return the last line of a process's output, in which Python names the error."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "the process ended without output"
