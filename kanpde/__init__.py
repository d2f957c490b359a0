"""Solve differential equations with Kolmogorov–Arnold networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kanpde.version import __version__

if TYPE_CHECKING:
    from kanpde.geometry.box import Box
    from kanpde.network.kan import KAN
    from kanpde.problem.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
    from kanpde.problem.constraint import Constraint
    from kanpde.problem.problem import Problem
    from kanpde.problem.registry import load_problem
    from kanpde.readable import as_sympy, fix, formula, formula_to_kan, prune, read, refit, sparsify, suggest, unfix
    from kanpde.solution import Solution
    from kanpde.symbolic.proof.certification import certify
    from kanpde.symbolic.structure.atoms import register_atom
    from kanpde.training.trainer import solve

# name -> module; loaded when first asked for, so that `kanpde list` need not wait for torch.
_HOMES = {
    "Box": "geometry.box",
    "Condition": "problem.conditions",
    "Constraint": "problem.constraint",
    "Data": "problem.conditions",
    "Dirichlet": "problem.conditions",
    "Initial": "problem.conditions",
    "KAN": "network.kan",
    "Neumann": "problem.conditions",
    "Periodic": "problem.conditions",
    "Problem": "problem.problem",
    "Robin": "problem.conditions",
    "Solution": "solution",
    "as_sympy": "readable",
    "certify": "symbolic.proof.certification",
    "fix": "readable",
    "formula": "readable",
    "formula_to_kan": "readable",
    "load_problem": "problem.registry",
    "prune": "readable",
    "read": "readable",
    "refit": "readable",
    "register_atom": "symbolic.structure.atoms",
    "solve": "training.trainer",
    "sparsify": "readable",
    "suggest": "readable",
    "unfix": "readable",
}

__all__ = [
    "KAN",
    "Box",
    "Condition",
    "Constraint",
    "Data",
    "Dirichlet",
    "Initial",
    "Neumann",
    "Periodic",
    "Problem",
    "Robin",
    "Solution",
    "__version__",
    "as_sympy",
    "certify",
    "fix",
    "formula",
    "formula_to_kan",
    "load_problem",
    "prune",
    "read",
    "refit",
    "register_atom",
    "solve",
    "sparsify",
    "suggest",
    "unfix",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kanpde' has no attribute {name!r}")
    return getattr(import_module(f"kanpde.{_HOMES[name]}"), name)
