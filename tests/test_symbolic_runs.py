"""The formula as a user of the command line meets it: files, table, figure, proof; and Ctrl-C on the way."""

import json

import matplotlib.text
import pytest
import sympy as sp
from equations import ROD

from kanpde import Solution, load_problem
from kanpde.plots import formula_figure, write_figures
from kanpde.symbolic import symbolification
from kanpde.symbolic.formula import Formula

SMALL = [
    "problem=rod",
    "network.width=[[0,2]]",
    "network.degree=5",
    "network.intervals=[5,2]",
    "training.stages=[{optimiser: gauss_newton, iterations: 15}]",
    "sampling.interior=300",
    "sampling.boundary=64",
    "device=cpu",
]


def the_mode(*arguments):
    x, t, rate = sp.symbols("x t rate")
    yield sp.exp(-rate * t) * sp.sin(sp.pi * x / 2), {rate: 0.7}


def interrupted(*arguments):
    raise KeyboardInterrupt
    yield


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "rod.py").write_text(ROD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(symbolification, "candidates", the_mode)
    return tmp_path


def test_a_run_ends_with_a_formula(here, command, monkeypatch):
    monkeypatch.setattr(symbolification, "candidates", interrupted)
    status, out, err = command(*SMALL)
    folder = here / out.splitlines()[-1].removeprefix("run: ")
    # Ctrl-C during the search costs the formula alone.
    assert status == 130 and "relative L2 error" in out and err.endswith(f"kanpde resume {folder.relative_to(here)}\n")
    assert json.loads((folder / "metrics.json").read_text())["formula"] is None
    assert (folder / "solution.kan").is_file() and not (folder / "formula.json").exists()
    status, out, _ = command("show", str(folder), "--proof")
    assert status == 0 and "error bound: none, because" in out and out.count("\n") == 1

    monkeypatch.setattr(symbolification, "candidates", the_mode)
    status, out, err = command("resume", str(folder))
    assert status == 0 and "formula, proved" in out and "looking for a formula" in err
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["formula"]["expression"] == "exp(-3*pi**2*t/40)*sin(pi*x/2)"
    assert metrics["formula"]["status"] == "proved" and metrics["formula"]["proved"] is True
    assert metrics["formula"]["relative_l2"] < 1e-15
    assert 0 < metrics["seconds"]["symbolic"] < metrics["seconds"]["total"]
    assert (folder / "formula.tex").read_text().startswith(r"u = e^{- \frac{\pi^{2} D t}{4}}")
    assert (folder / "figures" / "formula.png").is_file()
    formula = Formula.from_json(json.loads((folder / "formula.json").read_text()))
    assert Solution.load(folder / "solution.kan").formula == formula and formula.proved

    status, out, _ = command("show", "--proof", str(folder))
    assert status == 0 and out.startswith("error bound: none, because")
    assert "u = exp(-pi**2*diffusivity*t/4)*sin(pi*x/2) with diffusivity = 0.3\nstatus: proved" in out
    assert "residual: vanishes by" in out and "ends on x+: vanishes by" in out
    status, out, _ = command("show", str(folder))
    assert "formula.png" in out and "formula, proved" in out


class Drawn:
    """A solution with a formula, as the figure needs it."""

    def __init__(self, expression):
        self.problem = load_problem("heat")
        x, t = sp.symbols("x t", real=True)
        self.formula = Formula(("x", "t"), {"u": expression(x, t)}, {"u": expression(x, t)}, {}, "proved")

    def __call__(self, **coordinates):
        return self.formula(**coordinates) + 1e-3


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (lambda x, t: sp.exp(-t) * sp.sin(sp.pi * x), r"\sin{"),
        (lambda x, t: sp.Piecewise((x, x < t), (t, True)), "Piecewise("),
        (lambda x, t: sum(sp.sin(n * x) * sp.exp(-(n**2) * t) for n in range(1, 30)), "sin(3*x)"),
    ],
)
def test_the_figure_has_the_formula_on_it(expression, said, tmp_path):
    figure = formula_figure(Drawn(expression))
    texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert any(said in text and "(proved)" in text for text in texts)
    assert {"solution", "formula", "error"} <= set(texts)
    assert write_figures(Drawn(expression), tmp_path, ("formula",)) == [tmp_path / "formula.png"]
