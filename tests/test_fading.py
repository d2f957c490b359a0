"""Evolutions whose fields fade: what is left of them counts beside their past."""

from __future__ import annotations

import math

from kanpde import Box, Initial, Problem, load_problem, solve


class Autocatalysis(Problem):
    """u' = 4 (1 − u) − u v², v' = u v² − 4 v: the slope of the first equation by v fades with v."""

    domain = Box(t=(0, 8))
    fields = ("u", "v")

    def residual(self, u, v, t):
        return {"u": u.t + u * v**2 - 4 * (1 - u), "v": v.t - u * v**2 + 4 * v}

    def conditions(self):
        return {"u_start": Initial(0.5, field="u"), "v_start": Initial(0.25, field="v")}


class Steps:
    """Count the steps of a training."""

    count = 0

    def on_start(self, task):
        pass

    def on_iteration(self, record):
        self.count += 1

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        pass


def test_a_species_that_is_used_up_is_not_undetermined() -> None:
    solution = solve(Autocatalysis(), device="cpu")
    assert solution.verdict == "solved"
    # From v ≤ 1/4 and u ≤ 1 it follows that v' ≤ −15/4 v.
    assert float(abs(solution(t=8.0)["v"])) <= 0.25 * math.exp(-30) + 1e-12


def test_a_rod_that_cools_early_takes_few_slabs() -> None:
    steps = Steps()
    solution = solve(load_problem("heat", diffusivity=36.8), device="cpu", callbacks=[steps])
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-8
    assert steps.count < 120
