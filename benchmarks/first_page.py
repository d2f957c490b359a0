"""Run `kanpde` with its defaults and draw docs/images/first_page.png: solution, error, network and formula."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Circle, ConnectionPatch

from kanpde import Solution, read
from kanpde.plots.edge_labels import formula_label
from kanpde.plots.style import INK, MUTED, PALETTE, Figure, new_figure, style_axes

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "first_page.png"
POINTS = 201  # along each axis of a map
EDGES = (((0, 0), "x", PALETTE[0]), ((1, 1), "t", PALETTE[1]))  # of the first layer: (from node, to subnode)
SIZE = 13.0  # of the panels' titles, in points


def main() -> None:
    """Solve, draw, write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        solution = solved(Path(folder))
    figure = new_figure(12.0, 6.0, layout="none")
    draw_heading(figure)
    draw_maps(figure, solution)
    draw_network(figure, read(solution))
    draw_formula(figure, solution)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=140, pil_kwargs={"optimize": True})
    print(PICTURE.relative_to(ROOT), solution.errors())


def solved(folder: Path) -> Solution:
    """The solution that the default command leaves in a folder, with its formula."""
    command = [sys.executable, "-m", "kanpde", f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return Solution.load(folder / "solution.kan")


def draw_heading(figure: Figure) -> None:
    """The command and the problem that it solves."""
    figure.text(0.05, 0.935, "$ kanpde", fontsize=SIZE + 2, weight="bold", family="monospace", parse_math=False)
    problem = r"$u_t = D\,u_{xx}$,   $u(x, 0) = \sin\,\pi x$,   $u = 0$ at both ends"
    figure.text(0.365, 0.935, problem, fontsize=SIZE + 2, color=INK)


def draw_maps(figure: Figure, solution: Solution) -> None:
    """The solution, and its error on a logarithmic scale."""
    domain = solution.problem.domain
    x, t = (np.linspace(low, high, POINTS) for low, high in zip(domain.low, domain.high, strict=True))
    points = np.stack(np.meshgrid(x, t, indexing="ij"), axis=-1).reshape(-1, 2)
    values = solution(x=x[:, None], t=t)
    error = np.abs(values - solution.problem.exact_values(points).reshape(values.shape))
    title = f"error: relative $L^2$ {scientific(solution.errors()['relative_l2'])}"
    draw_map(figure, 0.05, "solution", values, Normalize(0, 1), "viridis")
    axes = draw_map(figure, 0.365, title, error.clip(1e-18), LogNorm(1e-17, 1e-13), "magma")
    axes.set(ylabel="", yticklabels=[])


def draw_map(figure: Figure, left: float, title: str, values: Any, norm: Normalize, palette: str) -> Axes:
    """One map over time and space, with its colour bar."""
    axes = figure.add_axes((left, 0.335, 0.225, 0.50))
    image = axes.imshow(values, origin="lower", extent=(0, 1, 0, 1), aspect="auto", norm=norm, cmap=palette)
    style_axes(axes, "$t$", "$x$")
    axes.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_title(title, fontsize=SIZE, color=INK, pad=9)
    bar = figure.colorbar(image, cax=axes.inset_axes((1.04, 0.0, 0.045, 1.0)))
    bar.ax.tick_params(labelsize=8.5, length=3, color=MUTED)
    bar.outline.set_linewidth(0.6)
    return axes


def draw_network(figure: Figure, network: Solution) -> None:
    """Two edges with their curves and their formulas, the node that multiplies them, and the field."""
    figure.text(0.835, 0.853, "network, its edges named", fontsize=SIZE, color=INK, ha="center")
    node = figure.add_axes((0.785, 0.665, 0.10, 0.17))
    node.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    node.set_axis_off()
    node.add_patch(Circle((0, -0.35), 0.42, color=PALETTE[2]))
    node.text(0, -0.37, "×", color="white", size=20, ha="center", va="center")
    arrow = {"arrowstyle": "-", "color": MUTED, "lw": 1.6}
    node.annotate("$u$", (0, 0.06), (0, 0.74), size=17, ha="center", va="center", arrowprops=arrow)
    layer = network.edge_curves()[0]
    for left, ((i, o), name, colour) in zip((0.695, 0.85), EDGES, strict=True):
        axes = figure.add_axes((left, 0.335, 0.125, 0.20))
        axes.plot(layer["inputs"][i], layer["values"][i, o], color=colour, lw=2.6)
        style_axes(axes, f"${name}$")
        axes.set(xlim=(0, 1), ylim=(-0.06, 1.12), xticks=(0, 1), yticks=(0, 1))
        axes.set_title(formula_label(*layer["atoms"][i, o], name), fontsize=SIZE, color=colour, pad=7)
        link: dict[str, Any] = {"coordsA": axes.transAxes, "coordsB": node.transData, "color": MUTED, "lw": 1.6}
        figure.add_artist(ConnectionPatch((0.5, 1.28), ((-0.36, -0.6) if i == 0 else (0.36, -0.6)), **link))


def draw_formula(figure: Figure, solution: Solution) -> None:
    """The formula, and by which steps it was proved."""
    formula = solution.formula
    assert formula is not None and formula.proved
    equations = formula.latex_lines()
    text = f"${equations[0]}$" + "".join(f",   ${line}$" for line in equations[1:])
    panel = figure.add_axes((0.05, 0.05, 0.925, 0.17))
    panel.set(xticks=(), yticks=(), facecolor="#f3f7f5")
    panel.spines[:].set_color(PALETTE[2])
    panel.text(0.02, 0.5, text, size=20, va="center", color=INK)
    panel.text(0.38, 0.72, "proved", size=SIZE, weight="bold", color=PALETTE[2], va="center")
    steps = (
        "the equation, the start and both ends hold identically (computer algebra);\n"
        "no pole, branch cut or kink in the closed domain (interval arithmetic)"
    )
    panel.text(0.38, 0.33, steps, size=10.5, va="center", color=INK)


def scientific(value: float | None) -> str:
    """1.1e-14 as 1.1 × 10^-14, set by matplotlib."""
    assert value is not None
    digits, exponent = f"{value:.1e}".split("e")
    return rf"${digits} \times 10^{{{int(exponent)}}}$"


if __name__ == "__main__":
    main()
