"""Singular functions of holes with amounts that depend on time, beside a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import SingularFunction, functions_from_json, functions_to_json, jets_of
from kanpde.calculus.splines import clamped_knots, polynomial_pieces

NAMES = ("singular.times", "singular.polynomials")  # of its tensors in a file


@dataclass(frozen=True, eq=False)
class EvolvingPart:
    """u = Σ_k c_k(t) s_k(x, y) + N, where every c_k is a polynomial between two of the `times` (N + 1,).

    The `polynomials` (N, degree + 1, K, fields) are those of (t - middle) / length of each interval, the lowest power
    first. The first and the last go on outside.
    """

    functions: tuple[SingularFunction, ...]
    times: Array
    polynomials: Array
    periodic: tuple[bool, ...] = (False, False, False)

    @classmethod
    def of_splines(
        cls, functions: Sequence[SingularFunction], breakpoints: Array, degree: int, coefficients: Array
    ) -> EvolvingPart:
        """Return the part whose amounts are splines of a degree with `coefficients` (size, K, fields)."""
        pieces = polynomial_pieces(clamped_knots(breakpoints, degree), degree)[0]  # (N, power, function)
        which = np.arange(len(pieces))[:, None] + np.arange(degree + 1)
        return cls(tuple(functions), breakpoints, np.einsum("npj,njkf->npkf", pieces, coefficients[which]))

    def followed_by(self, later: EvolvingPart) -> EvolvingPart:
        """Return this part up to its last time, and then another one."""
        times = np.concatenate([self.times, later.times[1:]])
        polynomials = np.concatenate([self.polynomials, later.polynomials])
        return EvolvingPart(self.functions, times, polynomials, self.periodic)

    def jets(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Return the jets of the singular functions' sum and of 1 at points (n, 3): (n, S, fields) each."""
        time = points.shape[1] - 1
        in_space = [tuple(axis for axis in partial if axis != time) for partial in plan.partials]
        own = JetPlan(time, set(in_space))
        around = jets_of(self.functions, points[:, :time], own)
        orders = [partial.count(time) for partial in plan.partials]
        amounts = {order: self.amounts(points[:, time], order) for order in set(orders)}
        pairs = zip(in_space, orders, strict=True)
        rows = [torch.einsum("nk,nkf->nf", around[:, own.index[p]], amounts[order]) for p, order in pairs]
        lift = torch.stack(rows, dim=1)
        factor = torch.zeros_like(lift)
        factor[:, plan.index[()]] = 1.0
        return lift, factor

    def amounts(self, t: Tensor, order: int) -> Tensor:
        """Return the derivatives of an order of all amounts at times (n,), (n, K, fields)."""
        times, polynomials = torch.as_tensor(self.times).to(t), torch.as_tensor(self.polynomials).to(t)
        interval = torch.searchsorted(times[1:-1].contiguous(), t.detach().contiguous())
        length = times[interval + 1] - times[interval]
        place = ((t - times[interval]) / length - 0.5)[:, None, None]
        found = torch.zeros_like(polynomials[:1, 0])
        for power in reversed(range(order, polynomials.shape[1])):
            found = found * place + np.prod(np.arange(power - order + 1, power + 1)) * polynomials[interval, power]
        return found.expand(len(t), -1, -1) / length[:, None, None] ** order

    def tensors(self) -> dict[str, Tensor]:
        """Return the numbers that a file of a solution holds; the functions are JSON."""
        return dict(zip(NAMES, map(torch.from_numpy, (self.times, self.polynomials)), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the functions as JSON."""
        return {"functions": functions_to_json(self.functions)}

    @staticmethod
    def is_in(tensors: Mapping[str, Tensor]) -> bool:
        """Return True if the tensors of a file hold such a part."""
        return NAMES[0] in tensors

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> EvolvingPart:
        """Return the part with the functions of `to_json` and the numbers of `tensors`."""
        times, polynomials = (tensors[name].cpu().numpy() for name in NAMES)
        return cls(functions_from_json(saved["functions"]), times, polynomials)
