"""Adaptive weights of blocks and points: one rule in each file, and the registry of rules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kanpde.geometry.domain import Domain
from kanpde.training.weighting.block_weights import BlockWeights
from kanpde.training.weighting.causal import Causal
from kanpde.training.weighting.gradient_norm import gradient_norm
from kanpde.training.weighting.measures import gradient_norms, traces
from kanpde.training.weighting.ntk import ntk
from kanpde.training.weighting.residual_attention import ResidualAttention
from kanpde.training.weighting.rule import Rule, Unweighted

RULES: Mapping[str, Callable[[Domain], Rule]] = {
    "none": lambda domain: Unweighted(),
    "gradient_norm": lambda domain: BlockWeights(lambda residuals: gradient_norm(gradient_norms(residuals))),
    "ntk": lambda domain: BlockWeights(lambda residuals: ntk(traces(residuals, residuals.model.vector))),
    "residual_attention": lambda domain: ResidualAttention(),
    "causal": Causal,
}

__all__ = ["RULES", "Rule"]
