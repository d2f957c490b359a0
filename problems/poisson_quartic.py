"""-(u_xx + u_yy) = 4 - 2 x^2 - 2 y^2: Poisson's equation on a square, solved by a polynomial."""

from dataclasses import dataclass

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class PoissonQuartic(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return -(u.xx + u.yy) - (4 - 2 * x**2 - 2 * y**2)

    def conditions(self):
        return {"boundary": Dirichlet(0)}

    def exact(self, x, y):
        return (1 - x**2) * (1 - y**2)
