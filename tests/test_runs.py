"""A run's folder: what is written, when, and never half; and the progress that is shown meanwhile."""

import errno
import io
import json
import math
import time
from copy import deepcopy
from typing import ClassVar

import pytest
from rich.console import Console

from kanpde.errors import ConfigurationError, Ending
from kanpde.files import json_value, read_json, write_text
from kanpde.runs import console, progress, run_folder
from kanpde.runs.tensorboard import TensorBoard
from kanpde.training.phase import Stop
from kanpde.training.settings import Settings

METRICS = {
    "problem": "rod",
    "relative_l2": 1.5e-7,
    "max_error": math.inf,
    "relative_h1": None,
    "residual_rms": 1e-9,
    "conditions_rms": {"start": 1e-9, "ends": math.nan},
    "seconds": {"training": 2.0, "symbolic": None},
    "iterations": 12,
    "stopped_because": "converged",
    "verdict": "solved",
    "reasons": [],
    "error_estimate": 1.4e-7,
    "error_estimate_max": 2e-7,
    "error_bound": None,
    "parameters": 400,
    "device": "cpu",
    "dtype": "float64",
    "seed": 0,
    "width": [2, [2, 2], 1],
    "unknowns": {"viscosity": 0.25},
    "formula": None,
    "versions": {},
}


class Trained:
    """What a run's folder needs of a solution."""

    history = {"iteration": [0, 1], "loss": [1.0, 0.5], "error": [math.nan, 0.1]}
    stopped_because = "converged"
    network = None
    unknowns = {}

    def save(self, path):
        path.touch()

    def metrics(self):
        return deepcopy(METRICS)

    def symbolify(self, **options):
        return Found()


class Found:
    """What a run's folder needs of a formula."""

    expressions: ClassVar[dict] = {}
    seconds = 1.5

    def summary(self):
        return {"status": "proved"}

    def to_json(self):
        return {}

    def latex(self):
        return "u = 0"


SETTINGS = Settings.read(
    {"network": {}, "training": {}, "sampling": {}, "symbolic": {}, "seed": 0, "device": "cpu", "dtype": "float64"}
)


class Trainer:
    memory = "memory: at most 1.0 GiB"

    def state(self):
        return {}, {"iteration": 3}


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("kanpde.plots.write_figures", lambda solution, folder, names=(): [])


def test_nothing_is_there_before_training_starts(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "results" / "run", 0.0, "seed: 0\n")
    assert not list(tmp_path.iterdir())
    folder.on_start(Trainer())
    assert (tmp_path / "results" / "run" / "config.yaml").read_text() == "seed: 0\n"


def test_two_runs_never_share_a_folder(tmp_path):
    first, second, third = (run_folder.RunFolder(tmp_path / "run", 0.0, f"seed: {seed}\n") for seed in range(3))
    for folder in (first, second, third):
        folder.on_start(Trainer())
    assert [folder.path.name for folder in (first, second, third)] == ["run", "run_2", "run_3"]
    assert (first.path / "config.yaml").read_text() == "seed: 0\n"


def test_a_run_leaves_its_files(tmp_path, no_figures):
    folder = run_folder.RunFolder(tmp_path / "run", time.perf_counter() - 5, "seed: 0\n")
    folder.on_start(Trainer())
    folder.on_checkpoint(Trainer())
    folder.save(Trained())
    metrics = folder.metrics
    assert {file.name for file in folder.path.iterdir()} == {
        "config.yaml", "checkpoint.safetensors", "solution.kan", "history.csv", "metrics.json"
    }  # fmt: skip
    assert read_json(folder.path / "metrics.json") == metrics
    assert metrics["max_error"] is None and metrics["conditions_rms"] == {"start": 1e-9, "ends": None}
    assert metrics["seconds"]["total"] >= 5
    assert (folder.path / "history.csv").read_text() == "iteration,loss,error\n0,1.0,\n1,0.5,0.1\n"


def test_a_resumed_run_keeps_its_folder_and_its_seconds(tmp_path, no_figures):
    first = run_folder.RunFolder(tmp_path / "run", time.perf_counter() - 5, "seed: 0\n")
    first.on_start(Trainer())
    first.save(Trained())
    again = run_folder.RunFolder(tmp_path / "run", time.perf_counter() - 7)
    again.on_start(Trainer())
    again.save(Trained())
    assert again.path == first.path
    assert again.metrics["seconds"]["total"] >= 12


def test_metrics_are_written_though_figures_fail(tmp_path, monkeypatch):
    def failing(solution, folder, names):
        raise RuntimeError("no figure today")

    monkeypatch.setattr("kanpde.plots.write_figures", failing)
    folder = run_folder.RunFolder(tmp_path / "run", time.perf_counter(), "seed: 0\n")
    folder.on_start(Trainer())
    with pytest.raises(RuntimeError, match="no figure"):
        folder.save(Trained())
        folder.close()
    assert json.loads((folder.path / "metrics.json").read_text())["relative_l2"] == METRICS["relative_l2"]


def test_a_solution_is_measured_once_and_its_metrics_are_written_twice(tmp_path, no_figures, monkeypatch):
    """After training, and after the formula, which changes its own entries alone."""
    calls = []
    monkeypatch.setattr(Trained, "metrics", lambda self: calls.append("metrics") or deepcopy(METRICS))
    for name in ("write_text", "write_json"):
        monkeypatch.setattr(run_folder, name, lambda path, content: calls.append(path.name))
    folder = run_folder.RunFolder(tmp_path / "run", time.perf_counter(), "seed: 0\n")
    folder.on_start(Trainer())
    folder.save(Trained())
    before = deepcopy(folder.metrics)
    folder.symbolify(Trained(), SETTINGS)
    assert calls.count("metrics") == 1 and calls.count("metrics.json") == 2
    assert folder.metrics["formula"] == {"status": "proved"} and folder.metrics["seconds"]["symbolic"] == 1.5
    assert {**folder.metrics, "formula": None, "seconds": None} == {**before, "formula": None, "seconds": None}


def test_a_full_disk_costs_no_training_and_no_numbers(tmp_path, no_figures, monkeypatch, capsys):
    def fails(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = run_folder.RunFolder(tmp_path / "run", time.perf_counter(), "seed: 0\n")
    folder.on_start(Trainer())
    folder.on_checkpoint(Trainer())
    before = (folder.path / "checkpoint.safetensors").read_bytes()
    monkeypatch.setattr("pathlib.Path.write_bytes", fails)
    monkeypatch.setattr("pathlib.Path.write_text", lambda path, text, encoding: fails(path, text))
    folder.on_checkpoint(Trainer())
    folder.on_checkpoint(Trainer())
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1 and "checkpoint.safetensors" in warnings[0] and "No space left" in warnings[0]
    with pytest.raises(OSError, match=r"No space left.*history\.csv"):
        folder.save(Trained())
    assert folder.metrics["relative_l2"] == METRICS["relative_l2"] and folder.metrics["seconds"]["total"] >= 0
    assert (folder.path / "checkpoint.safetensors").read_bytes() == before
    assert not list(folder.path.glob(".*.part"))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "metrics.json"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_show_prints_the_table_and_the_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(
        tmp_path / "metrics.json",
        json.dumps(json_value({**METRICS, "seconds": {"training": 2, "total": 3}})),
    )
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "solution.png").touch()
    run_folder.show(tmp_path)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("rod", "1.50e-07", "condition start", "viscosity", "figures/solution.png"))


@pytest.mark.parametrize("action", [run_folder.show, run_folder.check_resumable])
def test_a_folder_without_a_run_is_refused(tmp_path, action):
    with pytest.raises(ConfigurationError, match="expected .* got none"):
        action(tmp_path)


@pytest.mark.parametrize(
    ("ending", "verdict", "status", "said"),
    [
        (Ending.CONVERGED, "solved", 0, ""),
        (Ending.BUDGET, "solved", 0, ""),
        (Ending.CONVERGED, "doubtful", 4, "not solved: the verdict is 'doubtful', for the reasons in the table"),
        (Ending.BUDGET, "failed", 4, "not solved: the verdict is 'failed', for the reasons in the table"),
        (
            Ending.DIVERGED,
            "failed",
            3,
            "error: training diverged: the residual is not finite, however small the step; check ",
        ),
        (Ending.INTERRUPTED, "doubtful", 130, "interrupted: continue with kanpde resume results/rod/1\n"),
    ],
)
def test_the_exit_status_says_how_a_run_ended(ending, verdict, status, said, capsys):
    assert run_folder.last_word(Stop(ending, 5.0), {"verdict": verdict}, "results/rod/1") == status
    captured = capsys.readouterr()
    assert captured.out == "run: results/rod/1\n"
    assert captured.err.startswith(said) and bool(captured.err) == bool(said)


def record(stage, iteration, **more):
    return {"stage": stage, "iteration": iteration, "loss": 0.5, "error": math.nan, "seconds": 61.0, **more}


def test_without_a_terminal_progress_is_a_few_plain_lines():
    text = io.StringIO()
    with progress.Progress("rod", 90.0, Console(file=text, width=200)) as shown:
        shown.on_start(Trainer())
        for k in range(100):
            shown.on_iteration(record(f"gauss_newton {1 + k // 50}", k, error=1e-3))
    lines = text.getvalue().splitlines()
    assert lines[:2] == ["rod", "memory: at most 1.0 GiB"] and len(lines) == 5
    assert (
        lines[2] == "gauss_newton 1  iteration 0  loss 5.00e-01  error 1.00e-03  1:01, at most 0:29 left"
        or "0:28" in lines[2]
    )
    assert "iteration 99" in lines[4]


def test_in_a_terminal_progress_is_one_live_line():
    text = io.StringIO()
    with progress.Progress("rod", None, Console(file=text, force_terminal=True, width=80)) as shown:
        shown.on_start(Trainer())
        shown.on_iteration(record("adam 1", 7))
    assert "iteration 7" in text.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (75, "1:15"), (3723, "1:02:03")])
def test_clock(seconds, text):
    assert progress.clock(seconds) == text


def test_messages_are_one_line_on_stderr(capsys):
    console.warn("a\n  b")
    console.fail("c")
    assert capsys.readouterr() == ("", "warning: a b\nerror: c\n")


def test_tensorboard_sees_every_number(tmp_path):
    callback = TensorBoard(lambda: tmp_path / "tensorboard")
    callback.on_start(Trainer())
    callback.on_iteration(record("adam 1", 7))
    callback.on_checkpoint(Trainer())
    callback.on_end(Trainer())
    events = next((tmp_path / "tensorboard").iterdir()).read_bytes()
    assert b"loss" in events and b"seconds" in events and b"error" not in events
