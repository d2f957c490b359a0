"""u_t = D u_xx on (0, 1): a rod with cold ends."""

# This file is the problem NAME; the line above is what `kanpde list` shows.
#
#   kanpde problem=NAME                        solve it
#   kanpde problem=NAME problem.diffusivity=2  with another parameter
#   kanpde problem=NAME symbolic=off training.budget_seconds=60
#
# Replace the equation, the domain and the conditions by yours, and remove the rest.

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem  # and Neumann, Robin, Periodic, Condition, Data


@dataclass(frozen=True)
class Template(Problem):
    # Parameters with their default values; each is a setting, problem.diffusivity=0.5.
    diffusivity: float = 0.1

    # One to twenty named coordinates; one named t is time.
    domain = Box(x=(0, 1), t=(0, 1))

    # A system has several fields; the residual then returns a tuple or a dict of rows.
    # fields = ("u", "v")

    # Constants to be found from data, with their starting values; the residual receives them by name.
    # An unknown function of some coordinates is Function("x", start=1.0), from kanpde.
    # unknowns = {"decay": 1.0}

    # The expression that must vanish. Arguments are matched by name: fields, coordinates, unknowns. u.x, u.xx, u.xt are
    # partial derivatives, u.d("theta", "theta") those by coordinates with long names. Other functions are torch's, as
    # in torch.sin(torch.pi * x).
    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    # Name -> condition. A value is a number, a SymPy expression, a torch function of named coordinates, or "exact". on=
    # is "x-", "x+", "x" (both), "boundary" (all faces in space) or a list of these. For a system add field="u". Every
    # condition takes weight=, and hard=True lets Dirichlet, Initial and Periodic hold by construction.
    def conditions(self):
        x = sp.Symbol("x")
        return {
            "start": Initial(sp.sin(sp.pi * x)),  # Initial(0, order=1) prescribes u_t
            "ends": Dirichlet(0, on="x"),
            # "flux": Neumann(0, on="x+"),                          du/dn = 0
            # "cooled": Robin(1, 0.5, 0, on="x+"),                  u + 0.5 du/dn = 0
            # "ring": Periodic("x"),                                u and u_x agree at both ends
            # "radiating": Condition(lambda u: u.x + u**4, on="x+"),  any residual
            # "measured": Data(points, values),                     points (n, d), values (n,)
        }

    # Optional: the solution in SymPy; errors are measured against it, and conditions may take values from it.
    def exact(self, x, t):
        return sp.exp(-self.diffusivity * sp.pi**2 * t) * sp.sin(sp.pi * x)

    # Optional, where no closed form is known: NumPy arrays in, NumPy array out, used for errors only.
    # def reference(self, x, t):
    #     return ...
