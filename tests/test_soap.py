"""SOAP is Adam in rotated coordinates, after the published algorithm."""

from __future__ import annotations

import torch
from classic_problems import CLASSICS, F64, minimise
from optimisers import Shaped, random

from kanpde.optim.soap import DECAY, EPSILON, ROTATE_EVERY, SOAP, rotate, split


def test_soap_of_a_vector_is_adam_with_its_own_constants():
    problem = CLASSICS["rosenbrock"]
    parameter = torch.nn.Parameter(problem.start.clone())
    reference = torch.optim.Adam([parameter], lr=0.01, betas=(DECAY, DECAY), eps=EPSILON)
    for step in minimise(SOAP(0.01), problem, 25):
        parameter.grad = problem.gradient(parameter.detach())[1]
        reference.step()
        assert torch.allclose(step.vector, parameter.detach(), rtol=1e-12, atol=1e-12)


def test_soap_of_a_matrix_follows_the_published_algorithm():
    """Algorithm 3 of the paper written out for one matrix and one vector, until after the bases have turned.

    In its own eigenbasis the first gradient is diagonal, and what else there is of it is round-off over `EPSILON`.
    """
    problem, rate = Shaped(), 0.02
    vector = problem.start
    left = right = bases = None
    first, squares = torch.zeros(3, 4, dtype=F64), torch.zeros(3, 4, dtype=F64)
    first_vector, squares_vector = torch.zeros(4, dtype=F64), torch.zeros(4, dtype=F64)
    for count, step in enumerate(minimise(SOAP(rate), problem, ROTATE_EVERY + 3), start=1):
        matrix, tail = split(problem.gradient(vector)[1], problem.shapes)
        if bases is None:
            left, right = (1 - DECAY) * matrix @ matrix.T, (1 - DECAY) * matrix.T @ matrix
            bases = [torch.linalg.eigh(factor).eigenvectors.flip(1) for factor in (left, right)]
        left, right = (DECAY * f + (1 - DECAY) * n for f, n in ((left, matrix @ matrix.T), (right, matrix.T @ matrix)))
        first = DECAY * first + (1 - DECAY) * matrix
        squares = DECAY * squares + (1 - DECAY) * (bases[0].T @ matrix @ bases[1]) ** 2
        first_vector = DECAY * first_vector + (1 - DECAY) * tail
        squares_vector = DECAY * squares_vector + (1 - DECAY) * tail**2
        bias = 1 - DECAY**count
        inner = bases[0].T @ first @ bases[1] / bias / ((squares / bias).sqrt() + EPSILON)
        flat = first_vector / bias / ((squares_vector / bias).sqrt() + EPSILON)
        vector = vector - rate * torch.cat([(bases[0] @ inner @ bases[1].T).reshape(-1), flat])
        if count % ROTATE_EVERY == 0:
            bases = [torch.linalg.qr(factor @ q).Q for factor, q in zip((left, right), bases, strict=True)]
        assert torch.allclose(step.vector, vector, rtol=1e-9, atol=1e-9)


def test_rotations_of_a_tensor_are_undone_by_their_transposes():
    tensor = random(3, 4, 5)
    bases = {axis: torch.linalg.qr(random(n, n, seed=axis)).Q for axis, n in enumerate(tensor.shape) if axis != 1}
    there = rotate(tensor, bases)
    assert torch.allclose(there, torch.einsum("ai,abc,cj->ibj", bases[0], tensor, bases[2]))
    assert torch.allclose(rotate(there, {axis: basis.T for axis, basis in bases.items()}), tensor)
