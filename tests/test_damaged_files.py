"""Files that somebody changed, and problems that misbehave: one line each, and nothing is run or accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from kanpde import Box, Dirichlet, Problem, Solution, files, load_problem, solve
from kanpde.errors import KanpdeError, ProblemError
from kanpde.problem.registry import load_problem as load
from kanpde.runs import run_folder
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.trainer import Callback, Trainer


class Keeper:
    """A callback that writes the last checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_start(self, trainer: Trainer) -> None: ...

    def on_iteration(self, record: object) -> None: ...

    def on_checkpoint(self, trainer: Trainer) -> None: ...

    def on_end(self, trainer: Trainer) -> None:
        files.write(self.path, *trainer.state())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a solution and of a checkpoint."""
    folder = tmp_path_factory.mktemp("saved")
    solution = solve(load_problem("poisson_quartic"), device="cpu", callbacks=[Keeper(folder / "checkpoint")])
    solution.save(folder / "solution")
    return {name: (folder / name).read_bytes() for name in ("solution", "checkpoint")}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with the user in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mutated(data: bytes, seed: int) -> bytes:
    """The data with a bit flipped, bytes removed, or bytes replaced."""
    random = np.random.default_rng(seed)
    kind, place = seed % 4, int(random.integers(len(data)))
    if kind < 2:
        return data[:place] + bytes([data[place] ^ (1 << int(random.integers(8)))]) + data[place + 1 :]
    if kind == 2:
        return data[:place]
    return data[:place] + random.bytes(8) + data[place + 8 :]


@pytest.mark.parametrize("kind", ["solution", "checkpoint"])
def test_a_change_anywhere_is_found(kind: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    problem = load("poisson_quartic")
    path = tmp_path / "file"
    path.write_bytes(saved[kind])
    read = {"solution": lambda: Solution.load(path), "checkpoint": lambda: Checkpoint.read(path, problem)}[kind]
    read()
    for seed in range(400):
        changed = mutated(saved[kind], seed)
        if changed == saved[kind]:
            continue
        path.write_bytes(changed)
        with pytest.raises(KanpdeError) as caught:
            read()
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "null", "{", "[]", "7", '{"problem": 3}', '{"verdict": "solved"}', "\x00", "{}"])
@pytest.mark.parametrize("proved", [False, True])
def test_the_texts_of_a_run_are_read_with_care(text: str, proved: bool, tmp_path: Path) -> None:
    for name in ("metrics.json", "formula.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(KanpdeError, match=r"expected .* got"):
        run_folder.show(tmp_path, proved=proved)


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "a: [", "problem: 3", "problem: {diffusivity: 1}", "&a [*a]", "!!python/x"]
)
def test_a_damaged_configuration_is_one_line(text, saved, command, here) -> None:  # type: ignore[no-untyped-def]
    (here / "run").mkdir()
    (here / "run" / "checkpoint.safetensors").write_bytes(saved["checkpoint"])
    (here / "run" / "config.yaml").write_text(text)
    status, out, err = command("resume", "run")
    assert status == 2 and out == "" and err.count("\n") == 1 and "config.yaml" in err


class Quits(Problem):
    """An equation that ends the program when it is evaluated."""

    domain = Box(x=(0, 1))

    def residual(self, u):  # type: ignore[no-untyped-def]
        sys.exit(0)


class Detached(Problem):
    """An equation whose rows torch cannot differentiate."""

    domain = Box(x=(0, 1))

    def residual(self, u):  # type: ignore[no-untyped-def]
        return (u.xx - 1).detach()

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"ends": Dirichlet(0)}


@pytest.mark.parametrize(("problem", "said"), [(Quits(), "SystemExit"), (Detached(), "leave out detach")])
def test_what_a_residual_must_not_do_is_said(problem: Problem, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        solve(problem, device="cpu")


def test_no_function_is_called_that_a_setting_names(command, here: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("_target_=builtins.open", "file=HACKED", "mode=w")
    status, _, err = command("problem=poisson_quartic", *(f"+hydra.callbacks.a.{word}" for word in words))
    assert status == 2 and "hydra.callbacks" in err and not (here / "HACKED").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_batch_system_may_stop_a_run(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kanpde", "problem=burgers", f"hydra.run.dir={tmp_path / 'run'}", "symbolic=off"]
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    words = ["training.checkpoint_seconds=0.1", "device=cpu"]
    with subprocess.Popen(
        [*command, *words], cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as process:  # fmt: skip
        while not checkpoint.is_file() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        assert process.wait() == 130
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["stopped_because"].startswith("interrupted")


class Slow(Problem):
    """An equation whose evaluation takes long while it is trained, and only then."""

    domain = Box(x=(0, 1))
    pause = 0.0

    def residual(self, u):  # type: ignore[no-untyped-def]
        time.sleep(self.pause)
        return u.xx + torch.sin(u) - 1

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"ends": Dirichlet(0)}


class Pauses(Callback):
    """Pauses in every evaluation of `Slow` from the first iteration to the last."""

    def on_start(self, trainer: Trainer, /) -> None:
        Slow.pause = 0.3

    def on_end(self, trainer: Trainer, /) -> None:
        Slow.pause = 0.0


def test_a_budget_ends_an_iteration_that_takes_much_longer() -> None:
    solution = solve(Slow(), device="cpu", training={"budget_seconds": 0.1}, callbacks=[Pauses()])
    assert solution.stopped_because.startswith("budget") and solution.record["iterations"] == 0
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("checkpoints", [0, 2])
def test_a_run_that_is_killed_goes_on_or_says_that_nothing_was_saved(checkpoints: int, command, here: Path) -> None:  # type: ignore[no-untyped-def]
    words = ["problem=burgers", "hydra.run.dir=run", "symbolic=off", "device=cpu"]
    every = "training.checkpoint_seconds=0.05" if checkpoints else "training.checkpoint_seconds=1000"
    checkpoint, seen = here / "run" / "checkpoint.safetensors", set[int]()
    with subprocess.Popen(
        [sys.executable, "-m", "kanpde", *words, every], cwd=here, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as process:  # fmt: skip
        while process.poll() is None and (len(seen) < checkpoints or not (here / "run" / "config.yaml").is_file()):
            if checkpoint.is_file():
                seen.add(checkpoint.stat().st_mtime_ns)
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not (here / "run" / "metrics.json").exists()
    status, out, err = command("resume", "run", "training.budget_seconds=0.01")
    if checkpoints:
        assert status in (0, 4) and out.endswith("run: run\n")
    else:
        assert status == 2 and "before it saved anything" in err and err.count("\n") == 1


def test_texts_that_were_changed_anywhere_are_refused(tmp_path: Path) -> None:
    values = {"problem": "rod", "relative_l2": 1.5e-7, "seconds": {"total": 3.25}, "reasons": ["a", "b"], "none": None}
    path = tmp_path / "metrics.json"
    files.write_json(path, values)
    assert files.read_json(path) == values
    original = path.read_bytes()
    for seed in range(400):
        path.write_bytes(mutated(original, seed))
        try:
            # Spaces have no meaning, and a checksum of another name is another value.
            assert values.items() <= files.read_json(path).items()
        except KanpdeError as error:
            assert str(path) in str(error) and "\n" not in str(error)
