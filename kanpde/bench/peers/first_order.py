"""kanpde's own network and loss under first-order optimisation: what Gauss–Newton is worth."""

from __future__ import annotations

from kanpde.bench.peers.default import train
from kanpde.bench.task import Recorder, Task
from kanpde.problem.problem import Problem

STAGES = ({"optimiser": "adam", "iterations": 500}, {"optimiser": "lbfgs", "iterations": 10**9})


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Adam, then L-BFGS, until the time is over."""
    train(problem, task, recorder, "B-spline KAN, Adam then L-BFGS", {"stages": STAGES})
