"""u_xx + u_yy = 0 in a square around a disk, du/dn = 0 on the disk: the potential of a flow past a cylinder."""

from dataclasses import dataclass

from kanpde import Box, Dirichlet, Disk, Neumann, Problem


@dataclass(frozen=True)
class CylinderFlow(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1)) - Disk((0, 0), 0.4, name="cylinder")

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"far": Dirichlet("exact", on=["x", "y"]), "cylinder": Neumann(0, on="cylinder")}

    def exact(self, x, y):
        return x + 0.4**2 * x / (x**2 + y**2)
