"""Solve differential equations with Kolmogorov–Arnold networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kanpde.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
    from kanpde.geometry import Box
    from kanpde.network import KAN
    from kanpde.problem import Problem
    from kanpde.readable import fix, formula, formula_to_kan, prune, read, refit, sparsify, suggest, unfix
    from kanpde.registry import load_problem
    from kanpde.solution import Solution
    from kanpde.symbolic.atoms import register_atom
    from kanpde.symbolic.certification import certify
    from kanpde.training import solve

__version__ = "0.1.0"

# name -> module; loaded when first asked for, so that `kanpde list` need not wait for torch.
_HOMES = {
    "Box": "geometry",
    "Condition": "conditions",
    "Data": "conditions",
    "Dirichlet": "conditions",
    "Initial": "conditions",
    "KAN": "network",
    "Neumann": "conditions",
    "Periodic": "conditions",
    "Problem": "problem",
    "Robin": "conditions",
    "Solution": "solution",
    "certify": "symbolic.certification",
    "fix": "readable",
    "formula": "readable",
    "formula_to_kan": "readable",
    "load_problem": "registry",
    "prune": "readable",
    "read": "readable",
    "refit": "readable",
    "register_atom": "symbolic.atoms",
    "solve": "training",
    "sparsify": "readable",
    "suggest": "readable",
    "unfix": "readable",
}

__all__ = [
    "KAN",
    "Box",
    "Condition",
    "Data",
    "Dirichlet",
    "Initial",
    "Neumann",
    "Periodic",
    "Problem",
    "Robin",
    "Solution",
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
