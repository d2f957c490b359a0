"""stiffness u_xxxx = load: the Euler-Bernoulli beam, clamped at one end and free at the other."""

from dataclasses import dataclass

from kanpde import Box, Condition, Dirichlet, Neumann, Problem


@dataclass(frozen=True)
class Cantilever(Problem):
    stiffness: float = 2.0
    load: float = 1.0

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return self.stiffness * u.xxxx - self.load

    def conditions(self):
        clamped = {"held": Dirichlet(0, on="x-"), "clamped": Neumann(0, on="x-")}
        free = {"moment": Condition(lambda u: u.xx, on="x+"), "shear": Condition(lambda u: u.xxx, on="x+")}
        return {**clamped, **free}

    def exact(self, x):
        return self.load / (24 * self.stiffness) * x**2 * (6 - 4 * x + x**2)
