"""DeepXDE with PyTorch: a tanh MLP in its own Model on its own PDE data, Adam, then L-BFGS.

Lu, Meng, Mao and Karniadakis, SIAM Review 63 (2021) 208; the optimisers in turn as its examples have them.
"""

from __future__ import annotations

import functools
import os
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kanpde.bench.autograd import placed, points_of, weight_of
from kanpde.bench.mlp import count, layer_sizes
from kanpde.bench.task import Recorder, Task
from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.problem.block import Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

ADAM = 0.2  # the share of time before L-BFGS takes over
LEARNING_RATE = 1e-3
INNER = 20  # L-BFGS iterations between two looks at the clock


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train with Adam for a fifth of the time and with L-BFGS for the rest."""
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(task.seed)
    recorder.start()
    parts = placed(problem, task)
    domain = problem.domain
    geometry = dde.geometry.Hypercube(domain.low.tolist(), domain.high.tolist())
    data = dde.data.PDE(
        geometry,
        functools.partial(equation, dde, problem, parts[0]),
        [Rows(dde, problem, part, number) for part in parts[1:] for number in range(len(part.block.components))],
        anchors=parts[0].images[0].numpy(),
    )
    sizes = layer_sizes(domain.dimension, len(problem.fields), task.parameters)
    network = dde.nn.FNN(sizes, "tanh", "Glorot normal")
    model = dde.Model(data, network)
    method = "tanh MLP, Adam then L-BFGS"
    recorder.describe(method, count(sizes), points_of(parts), deepxde=dde.__version__, torch=torch.__version__)
    weights = [weight_of(part.block) for part in parts for _ in part.block.components]
    model.compile("adam", lr=LEARNING_RATE, loss_weights=weights)
    model.train(
        iterations=10**9, display_every=10**9, verbose=0, callbacks=[watch(dde, recorder, ADAM * task.budget_seconds)]
    )
    dde.optimizers.set_LBFGS_options(gtol=0, maxiter=10**9)
    dde.optimizers.config.LBFGS_options.update(iter_per_step=INNER, fun_per_step=INNER * 5 // 4)
    model.compile("L-BFGS", loss_weights=weights)
    model.train(verbose=0, callbacks=[watch(dde, recorder, task.budget_seconds)])


def watch(dde: Any, recorder: Recorder, until: float) -> Any:
    """Return a callback for DeepXDE that measures the error and ends the training after `until` seconds."""

    class Watch(dde.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self) -> None:
            if recorder.look(self.model.predict) or recorder.seconds >= until:
                self.model.stop_training = True

    return Watch()


def equation(dde: Any, problem: Problem, part: Placed, inputs: Tensor, outputs: Tensor) -> list[Tensor]:
    """Return the equation's rows at all points, one tensor (n, 1) for each component."""
    rows = part.block.evaluate((side(dde, problem, inputs, outputs, slice(None)),), None, {})
    return [row[:, None] for row in rows]


def side(dde: Any, problem: Problem, inputs: Tensor, outputs: Tensor, where: slice) -> Side:
    """Return the fields at some of the points, with DeepXDE's own derivatives."""

    def field(number: int, name: str) -> Field:
        def whole(partial: MultiIndex) -> Any:
            below = whole(partial[:-1]) if partial else outputs[:, number : number + 1]
            if len(partial) == 1:
                return dde.grad.jacobian(outputs, inputs, i=number, j=partial[0])
            return dde.grad.jacobian(below, inputs, i=0, j=partial[-1]) if partial else below

        return Field(name, problem.domain.names, lambda partial: cast(Tensor, whole(partial)[where, 0]))

    return Side(inputs[where], tuple(field(number, name) for number, name in enumerate(problem.fields)))


class Rows:
    """One component of a condition, with the interface of DeepXDE's boundary conditions."""

    def __init__(self, dde: Any, problem: Problem, part: Placed, component: int) -> None:
        self._dde, self._problem, self._part, self._component = dde, problem, part, component

    def collocation_points(self, points: Array) -> Array:
        """Return the condition's own points, one set for each image."""
        return np.concatenate([image.numpy() for image in self._part.images])

    def error(self, points: Array, inputs: Tensor, outputs: Tensor, first: int, last: int) -> Tensor:
        """Return the rows (n, 1) from the outputs at all points, of which [first, last) are this condition's."""
        part, size = self._part, self._part.count
        slices = [slice(start, start + size) for start in range(first, last, size)]
        sides = [side(self._dde, self._problem, inputs, outputs, where) for where in slices]
        return part.evaluate(sides, {})[self._component][:, None]
