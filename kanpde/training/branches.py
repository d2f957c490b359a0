"""Several solutions of one problem, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kanpde.errors import ConfigurationError, ProblemError
from kanpde.marching.audit.branches import DISTINCT, another_branch, branches_off, searched
from kanpde.marching.audit.judge import MOST_UNKNOWNS
from kanpde.marching.audit.parts import NetworkFunction, parts_of_network
from kanpde.marching.piece import OnGrids, point_values
from kanpde.marching.split import split
from kanpde.marching.task import MarchTask
from kanpde.problem.guess import with_guess
from kanpde.problem.problem import Problem
from kanpde.solution import Solution
from kanpde.training.trainer import solve


def branches(problem: Problem, most: int = 2, **options: Any) -> list[Solution]:
    """Return at most `most` solutions of a nonlinear stationary problem, each found by deflating those before.

    The first one is that of ``solve(problem, **options)``. Each other one is solved for with the same options, from a
    guess: a solution of the deflated equation in a small space. That there are no more is not proved. The method is
    that of Farrell, Birkisson and Funke, SIAM J. Sci. Comput. 37 (2015) A2026.

    Raises ProblemError if the problem evolves in time, has unknowns, parts, its own guess, or more than two
    coordinates; ConfigurationError if `most` is not a positive number.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ConfigurationError(f"expected a positive number of solutions, got most={most!r}")
    task = MarchTask(split(problem), 1, None, affine=False, most=MOST_UNKNOWNS, device=torch.device("cpu"))
    if not (branches_off(task) and searched(task)):
        raise ProblemError(
            f"expected a stationary problem in one or two coordinates without unknowns, parts and guess, got "
            f"{problem.name}; state a guess for each solution and solve it with each"
        )
    found = [solve(problem, **options)]
    while len(found) < most:
        other = next((each for known in found if (each := beside(task, known, found)) is not None), None)
        if other is None:
            break
        solution = solve(with_guess(problem, point_values(other)), **options)
        if any(same(solution, known) for known in found):
            break
        found.append(solution)
    return found


def beside(task: MarchTask, known: Solution, found: list[Solution]) -> OnGrids | None:
    """Return a solution near a known one that is none of those found; None if there is none."""
    others = [NetworkFunction(each.model) for each in found if each is not known]
    part = parts_of_network(task, known.model)[0]
    branch = another_branch(task, part, known.model.constants.detach().double().cpu(), others, patient=True)
    return None if branch is None else branch.function


def same(one: Solution, other: Solution) -> bool:
    """Return True if two solutions are the same up to errors."""
    domain = one.problem.domain
    points = domain.interior(np.random.default_rng(0).random((1000, domain.dimension)))
    a, b = (point_values(NetworkFunction(each.model))(points) for each in (one, other))
    return bool(np.linalg.norm(a - b) <= DISTINCT * max(float(np.linalg.norm(a)), float(np.linalg.norm(b)), 1e-300))
