"""pykan: its KAN, speeded up as it advises, under its own L-BFGS, as in its example of a partial differential equation.

github.com/KindXiaoming/pykan, examples/Example_6_PDE_interpretation; Liu et al., "KAN", arXiv 2404.19756, 3.4.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch

from kanpde.bench.autograd import evaluated, loss, placed, points_of
from kanpde.bench.task import Recorder, Task, search_seconds
from kanpde.calculus.expressions import symbols
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit

GRID_UPDATES = (0, 5, 10, 20, 40)  # iterations before which the grids are fitted to the samples
WIDTH, GRID, DEGREE = 10, 10, 5
FITTED = 256  # points at which its edges are compared with functions: more take longer, for the same names
INNER = 5  # L-BFGS iterations between two looks at the clock


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train with L-BFGS until the time is used up, then search for the formula with `auto_symbolic`."""
    torch.set_default_dtype(torch.float64)
    from kan import KAN
    from kan.LBFGS import LBFGS

    recorder.start()
    parts = placed(problem, task)
    sizes = [problem.domain.dimension, WIDTH, len(problem.fields)]
    network = KAN(width=sizes, grid=GRID, k=DEGREE, seed=task.seed, auto_save=False, symbolic_enabled=False)
    network.save_act = False
    optimiser = LBFGS(
        network.get_params(),
        lr=1,
        max_iter=INNER,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-32,
        tolerance_change=1e-32,
    )
    count = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    recorder.describe("B-spline KAN, L-BFGS", count, points_of(parts), pykan=version("pykan"), torch=torch.__version__)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(parts, network, problem)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    iteration = 0
    while not recorder.look(evaluated(network)):
        if iteration in GRID_UPDATES:
            network.update_grid_from_samples(parts[0].images[0].detach())
        optimiser.step(closure)
        iteration += 1
    if seconds := search_seconds(problem, task):
        name(network, parts[0].images[0].detach()[:FITTED], problem.domain.names, seconds, recorder)


def name(network: Any, points: torch.Tensor, names: tuple[str, ...], seconds: float, recorder: Recorder) -> None:
    """Run `auto_symbolic` with its defaults and record its formula; cut a search that takes too long."""
    clock = Clock(seconds)
    try:
        with time_limit(seconds):
            network.symbolic_enabled = network.save_act = True
            network(points)
            network.auto_symbolic(verbose=0)
            expressions = network.symbolic_formula(var=list(symbols(names)))[0]
    except TimeLimit:
        recorder.conclude(f"cut at {seconds:.0f} s", [], clock.passed)
    else:
        recorder.conclude("fitted", expressions, clock.passed)
