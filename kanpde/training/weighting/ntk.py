"""Weights of blocks by the traces of the neural tangent kernel.

Wang, Yu and Perdikaris, J. Comput. Phys. 449 (2022) 110768 (arXiv 2007.14527), algorithm 1: under gradient flow a block
decays at the mean rate tr K_bb / N_b, with K_bb = J_b J_bᵀ, and these weights equalise the rates.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ntk(traces: Tensor) -> Tensor:
    """Return λ_b = tr K / tr K_bb = Σ_k ‖J_k‖²_F / ‖J_b‖²_F, (blocks,); 1 if a trace is zero or not finite."""
    usable = torch.isfinite(traces) & (traces > 0)
    total = traces[usable].sum()
    return torch.where(usable, total / traces, torch.ones_like(traces))
