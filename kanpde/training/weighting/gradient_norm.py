"""Weights of blocks by the gradient norms of their losses.

Wang, Teng and Perdikaris, SIAM J. Sci. Comput. 43 (2021) A3055 (arXiv 2001.04536), in the form of algorithm 1 of Wang,
Sankaran, Wang and Perdikaris, arXiv 2308.08468. The gradients of all weighted losses have the same norm.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_norm(norms: Tensor) -> Tensor:
    """Return λ_b = Σ_k ‖∇L_k‖ / ‖∇L_b‖, (blocks,), from the norms (blocks,); 1 if a norm is zero or not finite."""
    usable = torch.isfinite(norms) & (norms > 0)
    total = norms[usable].sum()
    return torch.where(usable, total / norms, torch.ones_like(norms))
