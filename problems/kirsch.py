"""div sigma = 0: a quarter of a plate with a round hole, pulled along x (Kirsch, 1898)."""

from dataclasses import dataclass

from kanpde import Box, Condition, Dirichlet, Disk, Problem


@dataclass(frozen=True)
class Kirsch(Problem):
    poisson: float = 0.3  # Poisson's ratio, in plane stress; the shear modulus, the pull and the hole's radius are 1

    domain = Box(x=(0, 3), y=(0, 3)) - Disk((0, 0), 1, name="hole")
    fields = ("u", "v")

    def residual(self, u, v, x, y):
        ratio = (1 + self.poisson) / (1 - self.poisson)
        return {
            "balance_x": u.xx + u.yy + ratio * (u.xx + v.xy),
            "balance_y": v.xx + v.yy + ratio * (u.xy + v.yy),
        }

    def conditions(self):
        far = {f"{name}_far": Dirichlet("exact", on=["x+", "y+"], field=name) for name in ("u", "v")}
        mirrors = {"u_mirror": Dirichlet(0, on="x-", field="u"), "v_mirror": Dirichlet(0, on="y-", field="v")}
        smooth = {"smooth": Condition(lambda u, v: u.y + v.x, on=["x-", "y-"])}
        return {**far, **mirrors, **smooth, "free": Condition(self.traction, on="hole")}

    def traction(self, u, v, x, y):
        """Return the force on the hole's rim, whose normal is (x, y)."""
        share = 2 / (1 - self.poisson)
        pull_x, pull_y = share * (u.x + self.poisson * v.y), share * (v.y + self.poisson * u.x)
        shear = u.y + v.x
        return pull_x * x + shear * y, shear * x + pull_y * y

    def exact(self, x, y):
        k = (3 - self.poisson) / (1 + self.poisson)
        square = x**2 + y**2
        cosine, sine = 4 * x**3 / square - 3 * x, 3 * y - 4 * y**3 / square  # r cos 3a, r sin 3a at the angle a
        u = (k + 1) * x + 2 * ((1 + k) * x + cosine) / square - 2 * cosine / square**2
        v = (k - 3) * y + 2 * ((1 - k) * y + sine) / square - 2 * sine / square**2
        return {"u": u / 8, "v": v / 8}
