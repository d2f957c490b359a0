"""jaxKAN: its Chebyshev KAN, compiled by JAX, under Adam, then L-BFGS (both Optax's).

Rigas et al., "jaxKAN", J. Open Source Softw. 10 (2025) 7830; the start is its Glorot-like one (arXiv 2510.23501).
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Any

import numpy as np

from kanpde.bench.autograd import placed, points_of
from kanpde.bench.task import Recorder, Task
from kanpde.calculus.arrays import Array
from kanpde.problem.problem import Problem

ADAM = 0.2  # the share of time before L-BFGS takes over
LEARNING_RATE = 1e-3
DEGREE = 5
MEMORY = 50  # pairs of L-BFGS


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train with Adam for a fifth of the time and with L-BFGS for the rest; the clock starts after compilation."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from jaxkan.models.KAN import KAN

    jax.config.update("jax_enable_x64", True)
    from kanpde.bench.traced import loss_of

    parts = placed(problem, task)
    dimension, fields = problem.domain.dimension, len(problem.fields)
    width = widest(dimension, fields, task.parameters)
    settings = {"D": DEGREE, "flavor": "exact", "init_scheme": {"type": "glorot"}}
    network = KAN([dimension, width, width, fields], "chebyshev", settings, seed=task.seed)
    graph, parameters, rest = nnx.split(network, nnx.Param, ...)
    parameters = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), parameters)
    low, span = jnp.asarray(problem.domain.low), jnp.asarray(problem.domain.high - problem.domain.low)

    def function(parameters: Any, points: Any) -> Any:
        return nnx.merge(graph, parameters, rest)(2 * (points - low) / span - 1)

    loss = loss_of(problem, parts, function)
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    versions = {"jaxkan": version("jaxkan"), "jax": jax.__version__}
    recorder.describe("Chebyshev KAN, Adam then L-BFGS", count, points_of(parts), **versions)
    answer = jax.jit(function)
    adam, lbfgs = optax.adam(LEARNING_RATE), optax.lbfgs(memory_size=MEMORY)
    steps = [compiled(adam, loss, parameters, remembers=False), compiled(lbfgs, loss, parameters, remembers=True)]
    recorder.start()
    for method, step, share in zip((adam, lbfgs), steps, (ADAM, 1.0), strict=True):
        state = method.init(parameters)
        while recorder.seconds < share * task.budget_seconds:
            parameters, state = jax.block_until_ready(step(parameters, state))
            recorder.look(functools.partial(evaluated, answer, parameters))


def compiled(method: Any, loss: Any, parameters: Any, *, remembers: bool) -> Any:
    """Compile one step of an Optax method."""
    import jax

    step = step_of(method, loss, remembers=remembers)
    return jax.jit(step).lower(parameters, method.init(parameters)).compile()


def evaluated(answer: Any, parameters: Any, points: Array) -> Array:
    """Return the values (n, fields) at points (n, d)."""
    return np.asarray(answer(parameters, points))


def step_of(method: Any, loss: Any, *, remembers: bool) -> Any:
    """Make one step of an Optax method; a line search keeps its last loss and gradient for the next step."""
    import jax
    import optax

    value_and_gradient = optax.value_and_grad_from_state(loss) if remembers else jax.value_and_grad(loss)

    def step(parameters: Any, state: Any) -> tuple[Any, Any]:
        known = {"state": state} if remembers else {}
        value, gradient = value_and_gradient(parameters, **known)
        search = {"value": value, "grad": gradient, "value_fn": loss} if remembers else {}
        updates, state = method.update(gradient, state, parameters, **search)
        return optax.apply_updates(parameters, updates), state

    return step


def widest(inputs: int, outputs: int, parameters: int) -> int:
    """Return the largest width of two hidden layers with at most this number of parameters."""
    width = 1
    while (DEGREE + 1) * (width + 1) * (inputs + width + 1 + outputs) + 2 * (width + 1) + outputs <= parameters:
        width += 1
    return width
