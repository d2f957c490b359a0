"""u_xxxx + 2 u_xxyy + u_yyyy = q in a disk, u = du/dn = 0 on the rim: a clamped plate under a uniform load."""

from dataclasses import dataclass

from kanpde import Dirichlet, Disk, Neumann, Problem


@dataclass(frozen=True)
class ClampedPlate(Problem):
    load: float = 64.0

    domain = Disk((0, 0), 1)

    def residual(self, u, x, y):
        return u.xxxx + 2 * u.xxyy + u.yyyy - self.load

    def conditions(self):
        return {"held": Dirichlet(0), "clamped": Neumann(0)}

    def exact(self, x, y):
        return self.load / 64 * (1 - x**2 - y**2) ** 2
