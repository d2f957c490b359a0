"""-(u_xx + u_yy) = f in a disk: the deflection of a round membrane."""

from dataclasses import dataclass

from kanpde import Dirichlet, Disk, Problem


@dataclass(frozen=True)
class PoissonDisk(Problem):
    load: float = 1.0

    domain = Disk((0, 0), 1)

    def residual(self, u, x, y):
        return -(u.xx + u.yy) - self.load

    def conditions(self):
        return {"rim": Dirichlet(0)}

    def exact(self, x, y):
        return self.load * (1 - x**2 - y**2) / 4
