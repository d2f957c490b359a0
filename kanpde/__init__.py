"""Solve differential equations with Kolmogorov–Arnold networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kanpde.files import __version__

if TYPE_CHECKING:
    from kanpde.calculus.registration import register_atom
    from kanpde.collocation.losses import losses
    from kanpde.geometry.body import Body
    from kanpde.geometry.box import Box
    from kanpde.geometry.implicit import Implicit
    from kanpde.geometry.polygon import Polygon
    from kanpde.geometry.round import Annulus, Ball, Disk, Ellipse, Shell
    from kanpde.network.kan import KAN
    from kanpde.network.mlp import MLP
    from kanpde.network.penalties import penalty
    from kanpde.problem.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
    from kanpde.problem.constraint import Constraint
    from kanpde.problem.flow import inflow, no_slip, outflow, slip
    from kanpde.problem.from_text import problem_from
    from kanpde.problem.integral import Integral
    from kanpde.problem.interface import Interface
    from kanpde.problem.point import Point
    from kanpde.problem.problem import Problem
    from kanpde.problem.registry import load_problem
    from kanpde.problem.unknown_function import Function
    from kanpde.readable import as_sympy, fix, formula, formula_to_kan, prune, read, refit, sparsify, suggest, unfix
    from kanpde.solution import Solution
    from kanpde.symbolic.proof.certification import certify
    from kanpde.training.branches import branches
    from kanpde.training.fitting.ensemble import Ensemble
    from kanpde.training.fitting.estimators import KANClassifier, KANRegressor
    from kanpde.training.fitting.fit import fit
    from kanpde.training.trainer import solve

# Public name -> its module, imported on first use, so that `kanpde list` does not import torch.
_MODULES = {
    "Annulus": "geometry.round",
    "Ball": "geometry.round",
    "Body": "geometry.body",
    "Box": "geometry.box",
    "Condition": "problem.conditions",
    "Constraint": "problem.constraint",
    "Data": "problem.conditions",
    "Dirichlet": "problem.conditions",
    "Disk": "geometry.round",
    "Ellipse": "geometry.round",
    "Ensemble": "training.fitting.ensemble",
    "Function": "problem.unknown_function",
    "Implicit": "geometry.implicit",
    "KANClassifier": "training.fitting.estimators",
    "KANRegressor": "training.fitting.estimators",
    "Initial": "problem.conditions",
    "Integral": "problem.integral",
    "Interface": "problem.interface",
    "KAN": "network.kan",
    "MLP": "network.mlp",
    "Neumann": "problem.conditions",
    "Periodic": "problem.conditions",
    "Point": "problem.point",
    "Polygon": "geometry.polygon",
    "Problem": "problem.problem",
    "Robin": "problem.conditions",
    "Shell": "geometry.round",
    "Solution": "solution",
    "as_sympy": "readable",
    "branches": "training.branches",
    "certify": "symbolic.proof.certification",
    "diagnose": "readable",
    "fit": "training.fitting.fit",
    "fix": "readable",
    "formula": "readable",
    "formula_to_kan": "readable",
    "inflow": "problem.flow",
    "load_problem": "problem.registry",
    "losses": "collocation.losses",
    "no_slip": "problem.flow",
    "outflow": "problem.flow",
    "penalty": "network.penalties",
    "problem_from": "problem.from_text",
    "prune": "readable",
    "read": "readable",
    "refit": "readable",
    "register_atom": "calculus.registration",
    "slip": "problem.flow",
    "solve": "training.trainer",
    "sparsify": "readable",
    "suggest": "readable",
    "unfix": "readable",
}

__all__ = [
    "KAN",
    "MLP",
    "Box",
    "Condition",
    "Constraint",
    "Data",
    "Dirichlet",
    "Function",
    "Implicit",
    "Initial",
    "Integral",
    "Interface",
    "KANClassifier",
    "KANRegressor",
    "Neumann",
    "Periodic",
    "Point",
    "Problem",
    "Robin",
    "Solution",
    "as_sympy",
    "branches",
    "certify",
    "diagnose",
    "fit",
    "fix",
    "formula",
    "formula_to_kan",
    "inflow",
    "load_problem",
    "losses",
    "no_slip",
    "outflow",
    "penalty",
    "problem_from",
    "prune",
    "read",
    "refit",
    "register_atom",
    "slip",
    "solve",
    "sparsify",
    "suggest",
    "unfix",
    "Annulus",
    "Ball",
    "Body",
    "Disk",
    "Ellipse",
    "Ensemble",
    "Shell",
    "Polygon",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kanpde' has no attribute {name!r}")
    return getattr(import_module(f"kanpde.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
