"""Train kanpde's own network and loss with first-order methods, to show the effect of Gauss–Newton."""

from __future__ import annotations

from kanpde.bench.peers.default import train
from kanpde.bench.task import Recorder, Task
from kanpde.problem.problem import Problem

STAGES = ({"optimiser": "adam", "iterations": 500}, {"optimiser": "lbfgs", "iterations": 10**9})


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train with Adam, then with L-BFGS, until the time is used up."""
    train(problem, task, recorder, "B-spline KAN, Adam then L-BFGS", {"stages": STAGES})
