"""Print what a KAN costs beside a perceptron of the same widths: a training step, values, a PDE's loss; one thread.

A second table has the values of a network of width 5 that was fitted to exp(sin πx + y²), of what `prune` and `read`
leave of it, and of its formula. Run `python benchmarks/module_speed.py`.

Times are the least of several, in the thread's processor seconds, so that
other programs disturb them less.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from kanpde import KAN, MLP, as_sympy, fit, prune, read
from kanpde.calculus.expressions import numpy_function
from kanpde.calculus.jets import JetPlan

WIDTHS = [2, 20, 20, 1]
BATCH, MANY, COLLOCATION = 256, 8192, 4096


def least(call: Callable[[], object], repetitions: int) -> float:
    """Return the least milliseconds of a call."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(repetitions):
        start = time.thread_time()
        call()
        seconds.append(time.thread_time() - start)
    return 1e3 * min(seconds)


def perceptron() -> nn.Module:
    """Return a perceptron of the same widths with tanh."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def step_of(network: nn.Module) -> Callable[[], None]:
    """Return a step of Adam on a batch."""
    x, y = torch.rand(BATCH, 2) * 2 - 1, torch.rand(BATCH, 1)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)

    def step() -> None:
        optimiser.zero_grad()
        (network(x) - y).square().mean().backward()
        optimiser.step()

    return step


def values_of(network: nn.Module) -> Callable[[], Tensor]:
    """Return the evaluation of many points without gradients."""
    x = torch.rand(MANY, 2) * 2 - 1

    @torch.no_grad()
    def values() -> Tensor:
        return network(x)

    return values


def heat_by_jets(network: KAN) -> Callable[[], None]:
    """Return the loss of u_t − u_xx and its gradient, with the network's own derivatives."""
    x, plan = torch.rand(COLLOCATION, 2), JetPlan(2, [(0, 0), (1,)])

    def loss() -> None:
        jets = network.jets(network.prepare(x, plan), plan)
        (jets[:, plan.index[(1,)]] - jets[:, plan.index[(0, 0)]]).square().mean().backward()

    return loss


def heat_by_autograd(network: nn.Module) -> Callable[[], None]:
    """Return the same by autograd through the module."""
    x = torch.rand(COLLOCATION, 2, requires_grad=True)

    def loss() -> None:
        (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)
        (slope[:, 1] - bend[:, 0]).square().mean().backward()

    return loss


def of_a_formula() -> list[tuple[str, float]]:
    """Return milliseconds for the values of many points, of a fitted network and of what becomes of it."""
    x = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    y = np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)
    whole = fit(x, y, network=KAN(width=[5]), seed=0)
    pruned = prune(whole)
    named = read(pruned)
    formula = numpy_function(as_sympy(named), named.problem.domain.names)
    points = torch.rand(MANY, 2, dtype=torch.float64) * 2 - 1
    columns = points.numpy().T.copy()

    def values_of(network: nn.Module) -> Callable[[], object]:
        return torch.no_grad()(lambda: network(points))

    wide = MLP(width=[5]).build([-1, -1], [1, 1], 1)
    networks = {"whole": whole.network, "pruned": pruned.network, "named": named.network, "perceptron": wide}
    found = [(name, least(values_of(network), 50)) for name, network in networks.items()]
    return [*found, (f"formula {as_sympy(named, decimals=4)}", least(lambda: formula(*columns), 50))]


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    kan, mlp = KAN.from_sizes(WIDTHS), perceptron()
    fine = KAN.from_sizes(WIDTHS, low=0.0, degree=5, intervals=8)
    rows = [
        ("step of Adam, batch 256 [ms]", least(step_of(kan), 100), least(step_of(mlp), 100)),
        ("values of 8,192 points [ms]", least(values_of(kan), 30), least(values_of(mlp), 30)),
        ("u_t - u_xx and gradient, degree 5, jets [ms]", least(heat_by_jets(fine), 10), float("nan")),
        ("the same by autograd [ms]", least(heat_by_autograd(fine), 10), least(heat_by_autograd(mlp), 10)),
    ]
    print(f"widths {WIDTHS}, float32, one thread\n\n| | KAN | perceptron | ratio |\n|---|---|---|---|")
    for name, ours, theirs in rows:
        print(f"| {name} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.1f} |".replace("nan", "–"))
    print(f"\nvalues: {MANY / rows[1][1] / 1e3:.2f} million points a second; perceptron {MANY / rows[1][2] / 1e3:.2f}")
    print(f"\nvalues of {MANY} points, float64\n\n| | ms |\n|---|---|")
    for name, milliseconds in of_a_formula():
        print(f"| {name} | {milliseconds:.2f} |")


if __name__ == "__main__":
    main()
