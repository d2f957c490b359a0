"""Adam and L-BFGS where the loss is not finite."""

from __future__ import annotations

import math

import pytest
import torch
from classic_problems import CLASSICS, F64, minimise
from optimisers import METHODS, logarithm

from kanpde.optim.rates import RATE_REDUCTION


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_methods_of_first_order_say_that_a_loss_is_not_finite(kind):
    step = METHODS[kind]().step(logarithm(), torch.tensor([-1.0], dtype=F64))
    assert not math.isfinite(step.loss)


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_methods_of_first_order_retreat_to_a_new_beginning_with_a_smaller_rate(kind):
    problem, rate = CLASSICS["rosenbrock"], 0.1
    method = METHODS[kind](rate)
    vector = minimise(method, problem, 4)[-1].vector
    method.retreat()
    fresh = METHODS[kind](RATE_REDUCTION * rate)
    assert str(method.state()) == str(fresh.state())
    for ours, theirs in zip(minimise(method, problem, 3, vector), minimise(fresh, problem, 3, vector), strict=True):
        assert torch.equal(ours.vector, theirs.vector)
