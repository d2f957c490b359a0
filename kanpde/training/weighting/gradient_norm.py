"""Weights by the gradients of the blocks' losses.

Wang, Teng and Perdikaris, SIAM J. Sci. Comput. 43 (2021) A3055 (arXiv 2001.04536), in the form of algorithm 1 of Wang,
Sankaran, Wang and Perdikaris, arXiv 2308.08468: after it all weighted losses have gradients of the same length.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_norm(norms: Tensor) -> Tensor:
    """λ_b = Σ_k ‖∇L_k‖ / ‖∇L_b‖ from the norms (blocks,); 1 where a norm is zero or not finite."""
    usable = torch.isfinite(norms) & (norms > 0)
    total = norms[usable].sum()
    return torch.where(usable, total / norms, torch.ones_like(norms))
