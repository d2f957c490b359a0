"""A measurement in a process of its own, so that its crash or its greed costs nothing else."""

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
    """What was measured, None for nothing, and what went wrong, empty for nothing."""

    result: dict[str, Any] | None
    complaint: str = ""


Measure = Callable[[Mapping[str, Any], float], Answer]
Say = Callable[[str], None]


def carry_out(task: Mapping[str, Any], limit: float) -> Answer:
    """Hand the task to ``python -m kanpde.bench``; end that after `limit` seconds. Ctrl-C ends it too.

    Task and result are JSON in a folder that is removed afterwards; a result counts however its process ended.
    """
    with tempfile.TemporaryDirectory() as place:
        source, target, log = (Path(place) / name for name in ("task.json", "result.json", "log"))
        source.write_text(json.dumps(task), encoding="utf-8")
        words = [sys.executable, "-m", "kanpde.bench", str(source), str(target)]
        with log.open("wb") as said:
            # A session of its own: Ctrl-C is for this process, which then ends that one.
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
            try:
                status = child.wait(limit)
                complaint = last_line(log) if status else ""
            except subprocess.TimeoutExpired:
                complaint = f"ended after {limit:.0f} seconds"
            finally:
                child.kill()
                child.wait()
        result = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else None
    return Answer(result, complaint)


def last_line(log: Path) -> str:
    """The last line of what a process said, where Python names the error."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it ended without a word"
