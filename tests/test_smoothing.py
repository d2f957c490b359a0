"""The weights of priors by the evidence: noise is smoothed, exact data are not."""

from __future__ import annotations

import torch

from kanpde.marching.smoothing import Groups, evidence_weights

COUNT, SIZE = 200, 40


def groups(noise: float, bend: float, seed: int = 0) -> tuple[Groups, torch.Tensor, torch.Tensor]:
    """Return the rows of the fit of a curve by 40 values with second differences as prior, the basis and the curve."""
    draw = torch.Generator().manual_seed(seed)
    x, nodes = torch.linspace(0, 1, COUNT, dtype=torch.float64), torch.linspace(0, 1, SIZE, dtype=torch.float64)
    basis = (1 - (x[:, None] - nodes).abs() * (SIZE - 1)).clamp_min(0)
    curve = torch.sin(bend * nodes)
    data = basis @ curve + noise * torch.randn(COUNT, generator=draw, dtype=torch.float64)
    differences = torch.eye(SIZE, dtype=torch.float64).diff(dim=0).diff(dim=0) * (SIZE - 1) ** 2
    none = torch.zeros(0, dtype=torch.float64), torch.zeros(0, SIZE, dtype=torch.float64)
    prior = torch.zeros(SIZE - 2, dtype=torch.float64), differences
    return Groups((-data, basis), none, [prior]), basis, curve


def fitted(given: Groups, weight: float) -> torch.Tensor:
    (d, matrix), (_, prior) = given.data, given.priors[0]
    return torch.linalg.solve(matrix.T @ matrix + weight * prior.T @ prior, -matrix.T @ d)


def test_the_weight_is_near_the_best_one() -> None:
    for noise in (0.003, 0.03):
        given, _, curve = groups(noise, bend=6.0)
        errors = {w: float((fitted(given, w) - curve).norm()) for w in torch.logspace(-12, 3, 31).tolist()}
        chosen = float((fitted(given, float(evidence_weights(given)[0])) - curve).norm())
        assert chosen < 2 * min(errors.values())


def test_more_noise_is_smoothed_more() -> None:
    weights = [float(evidence_weights(groups(noise, bend=6.0)[0])[0]) for noise in (1e-3, 1e-2, 1e-1)]
    assert weights[0] < weights[1] < weights[2]


def test_measurements_that_say_nothing_leave_the_weight() -> None:
    given, basis, _ = groups(0.1, bend=6.0)
    silent = Groups((given.data[0], 0.0 * basis), given.others, given.priors)
    assert evidence_weights(silent).tolist() == [1.0]
