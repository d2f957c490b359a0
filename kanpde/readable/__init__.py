"""Make networks readable: sparsify, prune, name edges, and convert networks to formulas and back."""

from kanpde.network.penalties import Regularisation, penalty_rows
from kanpde.readable.compiler import formula_to_kan
from kanpde.readable.diagnosis import Diagnosis, diagnose
from kanpde.readable.formulas import as_sympy, formula
from kanpde.readable.naming import fix, read, unfix
from kanpde.readable.pruning import prune
from kanpde.readable.refitting import refit
from kanpde.readable.sparsity import sparsify
from kanpde.readable.suggestions import Suggestion, suggest

__all__ = [
    "Diagnosis",
    "Regularisation",
    "Suggestion",
    "as_sympy",
    "diagnose",
    "fix",
    "formula",
    "formula_to_kan",
    "penalty_rows",
    "prune",
    "read",
    "refit",
    "sparsify",
    "suggest",
    "unfix",
]
