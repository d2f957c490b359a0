"""States of optimisers hold all that the next steps depend on."""

from __future__ import annotations

import json

import pytest
import torch
from classic_problems import CLASSICS, minimise
from optimisers import METHODS

method_of = pytest.mark.parametrize("kind", METHODS)


def copied(method, kind):
    """Another method of the kind with the state of this one, which has been through JSON."""
    tensors, numbers = method.state()
    other = METHODS[kind]()
    other.restore({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(numbers)))
    return other


@method_of
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_state_is_all_that_the_next_steps_depend_on(kind, steps):
    problem, method = CLASSICS["powell"], METHODS[kind]()
    vector = problem.start
    if steps:
        vector = minimise(method, problem, steps)[-1].vector
    other = copied(method, kind)
    for ours, theirs in zip(minimise(method, problem, 4, vector), minimise(other, problem, 4, vector), strict=True):
        assert torch.equal(ours.vector, theirs.vector) and ours.loss == theirs.loss


@method_of
def test_a_state_taken_up_can_be_given_back_at_once(kind):
    """By a method that is new, and by one that has steps of its own behind it."""
    problem, method, used = CLASSICS["powell"], METHODS[kind](), METHODS[kind]()
    minimise(method, problem, 5)
    minimise(used, problem, 2)
    tensors, numbers = method.state()
    used.restore(tensors, numbers)
    assert str(used.state()) == str(copied(method, kind).state()) == str((tensors, numbers))


@method_of
def test_a_state_stays_as_it_was_when_the_method_goes_on(kind):
    problem, method = CLASSICS["powell"], METHODS[kind]()
    vector = minimise(method, problem, 3)[-1].vector
    tensors, numbers = method.state()
    before = {name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(numbers)
    minimise(method, problem, 3, vector)
    assert json.dumps(numbers) == before[1]
    assert set(tensors) == set(before[0]) and all(torch.equal(tensors[name], before[0][name]) for name in tensors)


@pytest.mark.parametrize("kind", ["lbfgs", "adam"])
def test_a_state_remembers_the_learning_rate(kind):
    problem = CLASSICS["rosenbrock"]
    method = METHODS[kind](0.37)
    vector = minimise(method, problem, 2)[-1].vector
    other = copied(method, kind)
    for each in (method, other):
        each.retreat()
    ours, theirs = method.step(problem, vector), other.step(problem, vector)
    assert torch.equal(ours.vector, theirs.vector)
