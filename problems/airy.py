"""u_xx = x u: Airy's equation; the light near a rainbow."""

from dataclasses import dataclass

from scipy.special import airy

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Airy(Problem):
    domain = Box(x=(-15, 5))

    def residual(self, u, x):
        return u.xx - x * u

    def conditions(self):
        left, right = (float(airy(end)[0]) for end in (-15, 5))
        return {"left": Dirichlet(left, on="x-"), "right": Dirichlet(right, on="x+")}

    def reference(self, x):
        return airy(x)[0]
