"""v_t = sigma^2 s^2 v_ss / 2 + r (s v_s - v): the price of a call, a quarter of a year before expiry and earlier."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class BlackScholes(Problem):
    volatility: float = 0.4
    rate: float = 0.05

    domain = Box(s=(0.5, 1.5), t=(0.25, 1))  # the price of the share in units of the strike; the time to expiry
    fields = ("v",)

    def residual(self, v, s, t):
        return v.t - self.volatility**2 * s**2 * v.ss / 2 - self.rate * (s * v.s - v)

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="s")}

    def exact(self, s, t):
        spread = self.volatility * sp.sqrt(t)
        above = (sp.log(s) + self.rate * t) / spread
        return s * normal(above + spread / 2) - sp.exp(-self.rate * t) * normal(above - spread / 2)


def normal(x):
    """Return the share of the normal distribution below x."""
    return (1 + sp.erf(x / sp.sqrt(2))) / 2
