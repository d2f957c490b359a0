"""device=auto: the GPU where a step was measured to be faster on it, once on every machine, else the processor."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kanpde import files
from kanpde.calculus import processes
from kanpde.calculus.devices import torch_device
from kanpde.errors import KanpdeError
from kanpde.files import read_json, write_json
from kanpde.geometry.box import Box
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.problem.problem import Problem

LARGE_DIMENSION = 3  # coordinates from which the unknowns of a march are thousands
LARGE_WIDTH = 16  # nodes in hidden layers from which a network's steps are large
# Nodes and points of the steps that are measured.
STEPS: Mapping[str, tuple[int, int]] = {"small": (3, 300), "large": (16, 4000)}
REPETITIONS = 3  # of a step after one that is not counted; the fastest counts

Faster = dict[str, bool]


class Membrane(Problem):
    """u_xx + u_yy = 1 on a square, the equation of the steps that are measured."""

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u: Any, x: Any, y: Any) -> Any:
        """Return u_xx + u_yy − 1."""
        return u.xx + u.yy - 1

    def conditions(self) -> dict[str, Any]:
        """Return none, because no solution is wanted."""
        return {}


def device_for(name: str, problem: Problem, network: KAN | MLP) -> torch.device:
    """Return the device of a training named "auto", "cpu", "cuda" or "cuda:1".

    For "auto" on a machine with a GPU it is the GPU if a step of about this size is faster there; each of several
    processes has its own one. Raises ConfigurationError like `torch_device`.
    """
    if processes.count() > 1 and name in ("auto", "cuda") and torch.cuda.is_available():
        return torch_device(f"cuda:{processes.local_rank() % torch.cuda.device_count()}")
    if name != "auto" or not torch.cuda.is_available():
        return torch_device(name)
    return torch_device("cuda" if faster_on_gpu()[size_of(problem, network)] else "cpu")


def size_of(problem: Problem, network: KAN | MLP) -> str:
    """Return whether the steps of a training are "small" or "large"."""
    nodes = sum(int(np.sum(width)) for width in network.width or ())
    return "large" if problem.domain.dimension >= LARGE_DIMENSION or nodes >= LARGE_WIDTH else "small"


@cache
def faster_on_gpu() -> Faster:
    """Return by the size of a step whether the GPU is faster; measured once, and kept in the user's cache folder."""
    path, machine = cache_folder() / "device.json", machine_key()
    known = kept(path, machine)
    if known is None:
        known = measured(seconds_of_step)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"machine": machine, "faster": known})
        except OSError:
            pass  # measured again by the next run
    return known


def kept(path: Path, machine: str) -> Faster | None:
    """Return what was measured on this machine; None if the file is missing, damaged, or of another machine."""
    try:
        found = read_json(path)
    except (KanpdeError, OSError):
        return None
    faster = found.get("faster")
    if found.get("machine") != machine or not isinstance(faster, dict):
        return None
    if set(faster) != set(STEPS) or not all(isinstance(value, bool) for value in faster.values()):
        return None
    return faster


def measured(seconds: Callable[[str, int, int], float]) -> Faster:
    """Return for every size whether a step takes fewer seconds on the GPU; False if it fails there."""
    faster = {}
    for size, (nodes, points) in STEPS.items():
        try:
            faster[size] = seconds("cuda", nodes, points) < seconds("cpu", nodes, points)
        except RuntimeError:  # no memory left, or a driver that does not fit
            faster[size] = False
    return faster


def seconds_of_step(device: str, nodes: int, points: int) -> float:
    """Return the seconds of a Gauss–Newton step of a network with one hidden layer."""
    problem, where = Membrane(), torch_device(device)
    network = KAN(width=[nodes], degree=5, intervals=8).build(problem.domain.low, problem.domain.high, 1, seed=0)
    model = Model(network, None, {}).to(device=where, dtype=torch.float64)
    rows = Residuals(model, problem.blocks(), problem.domain.names)
    rows.sample(problem.domain, lambda block: points, np.random.default_rng(0))
    method, vector, least = GaussNewton(), model.vector, float("inf")
    for number in range(REPETITIONS + 1):
        started = time.perf_counter()
        step = method.step(rows, vector)  # its loss has been read, so the device has finished
        least = min(least, time.perf_counter() - started) if number else least
        vector = step.vector
    return least


def machine_key() -> str:
    """Return what a measurement depends on: the card, the cores, and the versions."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no card"
    return f"{card}, {os.cpu_count()} cores, torch {torch.__version__}, kanpde {files.__version__}"


def cache_folder() -> Path:
    """Return the user's cache folder of kanpde, by the custom of the system."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "kanpde"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "kanpde"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "kanpde"
