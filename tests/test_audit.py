"""The audit: no wrong answer is called solved, every right one is, and the estimates lie near the true errors."""

from __future__ import annotations

import re

import pytest
from unsolved_problems import NOT_SOLVED, SOLVED

from kanpde import solve

QUICK = {"budget_seconds": 1.5}


@pytest.mark.parametrize("name", NOT_SOLVED)
def test_what_is_not_solved_is_not_called_solved(name: str) -> None:
    problem, pattern = NOT_SOLVED[name]
    solution = solve(problem, device="cpu", training=QUICK)
    audit, true = solution.audit(), solution.errors()["relative_l2"]
    if audit.verdict == "solved":  # an unstable problem may be solved after all, by luck with the rounding errors
        assert true is not None and true < 1e-3 and true / 10 < audit.error_estimate < 10 * true
        return
    if solution.stopped_because.startswith("budget"):  # on a busy machine it ends before that can be seen
        pattern += "|estimated relative error|of the time has been solved"
    assert audit.verdict in ("doubtful", "failed")
    assert re.search(pattern, "; ".join(audit.reasons)), audit.reasons


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_solved_is_called_solved(name: str) -> None:
    solution = solve(SOLVED[name], device="cpu")
    assert solution.verdict == "solved" and solution.reasons == ()
    true = solution.errors()["relative_l2"]
    if true is not None and true > 1e-13:
        assert true / 10 < solution.error_estimate < 10 * true
