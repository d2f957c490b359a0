"""Several processes share the rows of a training, and take the steps of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kanpde.calculus import processes

ROOT = Path(__file__).resolve().parents[1]
ALONE = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
# Trains by several methods and prints the losses, and a point's value, as the first process has them.
TRAIN = """
import json, torch
torch.set_num_threads(1)
from kanpde import KAN, load_problem, solve
from kanpde.calculus import processes
found = {}
for method, training in json.loads(CASES):
    stages = {"stages": [{"optimiser": method, "iterations": 3}], "warm_start": "none", "max_parameters": 0}
    solution = solve(
        load_problem("poisson"), KAN(width=[3], degree=4, intervals=3), device="cpu", training=stages | training,
        sampling={"interior": 200, "boundary": 40},
    )
    found[json.dumps([method, training])] = [*solution.history["loss"], float(solution(x=0.3, y=0.4))]
if processes.rank() == 0:
    print(json.dumps(found))
"""
CASES = [
    ["gauss_newton", {}],
    ["krylov_gauss_newton", {}],
    ["adam", {"smoothness": 1e-6, "l1": 1e-3}],
    ["gauss_newton", {"smoothness": 1e-6, "weighting": "ntk", "resample_every": 1}],
]
RUN = ["problem=poisson", "device=cpu", "symbolic=off", "network.width=[3]", "network.degree=4", "network.intervals=3"]
RUN += ["training.warm_start=none", "training.stages=[{optimiser: gauss_newton, iterations: 6}]", "hydra.run.dir=out"]
RUN += ["sampling.interior=200", "training.checkpoint_seconds=0"]
# The same command, in a process that dies in its third iteration.
DIES = """
import os, sys
from kanpde.calculus import processes
from kanpde import cli
same, calls = processes.same, []
def dying(values):
    calls.append(values)
    if len(calls) == 3:
        os._exit(1)
    return same(values)
processes.same = dying
sys.exit(cli.main())
"""


def started(rank, words, folder, port):
    """One of two processes."""
    environment = ALONE | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(*pairs, folder):
    """The exit statuses, the outputs and the errors of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [started(rank, words, folder, port) for rank, words in enumerate(pairs)]
    outputs = [process.communicate(timeout=300) for process in running]
    return [(process.returncode, *output) for process, output in zip(running, outputs, strict=True)]


def test_one_process_needs_no_other():
    values = torch.ones(3)
    assert (processes.rank(), processes.count()) == (0, 1)
    assert processes.total(values) is values and processes.stacked(values) is values
    assert processes.same([1.0]) == [1.0] and processes.anywhere(True) and not processes.anywhere(False)


def test_two_processes_take_the_steps_of_one(tmp_path):
    script = f"CASES = {json.dumps(json.dumps(CASES))}\n{TRAIN}"
    (status, out, errors), (other, nothing, _) = ended(["-c", script], ["-c", script], folder=tmp_path)
    assert (status, other, nothing) == (0, 0, ""), errors
    shared = json.loads(out.splitlines()[-1])
    single = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=ALONE)
    for case, expected in json.loads(single.stdout.splitlines()[-1]).items():
        # Sums over all points are rounded in another order. Adam adds such errors up; a step of Gauss–Newton multiplies
        # them by its condition, and a Krylov basis that has all dimensions is round-off in the last ones.
        tolerance = 1e-12 if "adam" in case else 1e-7 if "krylov" in case else 1e-9
        assert shared[case] == pytest.approx(expected, rel=tolerance), case


def test_a_lost_process_ends_the_run_and_one_process_resumes_it(tmp_path):
    (status, out, errors), (other, nothing, _) = ended(["-m", "kanpde", *RUN], ["-c", DIES, *RUN], folder=tmp_path)
    assert (status, other, nothing) == (2, 1, "")
    assert errors.splitlines()[-1].startswith("error: expected the sums of 2 processes") and "Traceback" not in errors
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.yaml", "checkpoint.safetensors"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    words = [sys.executable, "-m", "kanpde", "resume", "out"]
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=ALONE)
    assert again.stdout.splitlines()[-1] == "run: out", again.stderr
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["iterations"] == 6


def test_the_first_of_several_processes_answers_other_commands(tmp_path):
    first, second = ended(["-m", "kanpde", "new", "plate"], ["-m", "kanpde", "new", "plate"], folder=tmp_path)
    assert first[0] == second[0] == 0 and "plate.py" in first[1] and second[1] == second[2] == ""


def test_one_file_knows_torch_distributed():
    users = [file.name for file in (ROOT / "kanpde").rglob("*.py") if "torch.distributed" in file.read_text("utf-8")]
    assert users == ["processes.py"]
