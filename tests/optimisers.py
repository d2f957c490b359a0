"""What tests of optimisers share: the first three methods, and two more problems."""

from __future__ import annotations

import numpy as np
import torch
from classic_problems import Function

from kanpde.optim.first_order import adam
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.soap import split
from kanpde.optim.torch_lbfgs import lbfgs

METHODS = {"gauss_newton": GaussNewton, "lbfgs": lbfgs, "adam": adam}


def logarithm():
    """The full Gauss–Newton step from 5 is to 5 − 5 log 5 < 0, where there is no logarithm."""
    return Function(lambda x: torch.log(x), [5.0])


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def reaches(method, problem, enough, steps):
    """Whether the loss is no more than enough after so many steps or fewer."""
    vector = problem.start
    for _ in range(steps):
        step = method.step(problem, vector)
        vector = step.vector
        if step.loss <= enough:
            return True
    return False


class Shaped(Function):
    """A product of matrices to be a given one, its parameters in two blocks."""

    shapes = ((3, 4), (4,))

    def __init__(self):
        super().__init__(self.product, random(16, seed=3).tolist())

    def product(self, vector):
        matrix, right = split(vector, self.shapes)
        return 0.01 * torch.cat([matrix @ right - 1, 0.1 * vector])
