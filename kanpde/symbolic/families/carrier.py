"""Pairs of fields that are an envelope times a carrier: u + i v = B e^{i(k x - w t + phase)} with a real B.

k and -w are the slopes of the angle of u + i v, (u v_x - v u_x) / (u² + v²), if these are the same everywhere. A
soliton of the nonlinear Schrödinger equation is of this kind, B = sech(x - t).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.proposal import Proposal, constant
from kanpde.symbolic.families.similarity import profile_proposals, reductions, threshold
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.sampled import Sampled

# A frequency relative to one over the length of the axis below which it is zero.
STILL = 1e-6


def carried(field: Sampled, partner: Sampled, bases: Sequence[Basis]) -> Iterator[Proposal]:
    """Yield proposals B cos(k x - w t + phase) for a field that is the real part beside its partner."""
    square = field.values**2 + partner.values**2
    if field.dimension < 2 or not field.norm() > 0 or not partner.norm() > 0:
        return
    weight = field.weight * square
    slopes = []
    for u1, v1, nodes in zip(field.first, partner.first, field.nodes, strict=True):
        # u v_x - v u_x is the slope times the square, so this is the mean slope and its deviation.
        product = field.values * v1 - partner.values * u1
        mean = float(np.sum(field.weight * product) / np.sum(weight))
        left = np.sqrt(np.sum(field.weight * (product - mean * square) ** 2))
        size = np.sqrt(np.sum(field.weight * square**2)) * max(abs(mean), 1 / np.ptp(nodes))
        if left > threshold(field) * size:
            return
        slopes.append(mean if abs(mean) * np.ptp(nodes) > STILL else 0.0)
    if not any(slopes):
        return
    angle = np.zeros_like(field.values)
    for k, s in zip(slopes, field.coordinates, strict=True):
        angle = angle + k * s
    turned = (field.values + 1j * partner.values) * np.exp(-1j * angle)
    phase = float(np.angle(np.sum(field.weight * turned**2)) / 2)
    envelope = _envelope(field, partner, slopes, angle + phase)
    for reduction in reductions(envelope):
        for proposal in profile_proposals(envelope, bases, reduction):
            yield _with_carrier(proposal, field.names, slopes, phase)


def _envelope(field: Sampled, partner: Sampled, slopes: Sequence[float], angle: Array) -> Sampled:
    """Return B = u cos a + v sin a with its derivatives."""
    c, s = np.cos(angle), np.sin(angle)
    value = field.values * c + partner.values * s
    across = partner.values * c - field.values * s
    first, second = [], []
    for k, u1, v1, u2, v2 in zip(slopes, field.first, partner.first, field.second, partner.second, strict=True):
        first.append(u1 * c + v1 * s + k * across)
        second.append(u2 * c + v2 * s + 2 * k * (v1 * c - u1 * s) - k**2 * value)
    return replace(field, values=value, first=tuple(first), second=tuple(second))


def _with_carrier(proposal: Proposal, names: Sequence[str], slopes: Sequence[float], phase: float) -> Proposal:
    constants = dict(proposal.constants)
    angle = sp.S.Zero
    for value, factor in [*zip(slopes, symbols(names), strict=True), (phase, sp.S.One)]:
        if value:
            symbol = constant(len(constants))
            constants[symbol] = value
            angle += symbol * factor
    expression = proposal.expression * sp.cos(angle)
    return replace(proposal, family="an envelope times a carrier", expression=expression, constants=constants)
