"""The benchmark: how peers see a problem, what they are compared by, and what is written."""

import json
import time
from dataclasses import asdict

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import load_problem
from kanpde.bench import autograd, benchmark, chebyshev, fourier, process, scaling, side_by_side, tables
from kanpde.bench.affine import affine
from kanpde.bench.mlp import MLP, count, layer_sizes
from kanpde.bench.peers import PEERS, Peer, load, pykan
from kanpde.bench.process import Answer
from kanpde.bench.side_by_side import BenchOptions
from kanpde.bench.task import Recorder, Task, search_seconds
from kanpde.calculus.expressions import torch_function
from kanpde.collocation import losses
from kanpde.collocation.affine import is_affine
from kanpde.collocation.comparison import Comparison
from kanpde.errors import ConfigurationError
from kanpde.network.residuals import Residuals
from kanpde.plots.bench import curves_figure, scaling_figure

SHIPPED = ["advection", "allen_cahn", "burgers", "heat", "helmholtz", "kdv", "poisson", "poisson_kan", "wave"]
LINEAR = [name for name in SHIPPED if name not in fourier.EVOLUTIONS]


def task(problem, peer="kanpde", **more):
    return Task(problem, peer, 1.0, **{"interior": 64, "boundary": 16, **more})


def exact(problem):
    """The exact solution as a torch function points -> (n, fields)."""
    functions = [torch_function(expression, problem.domain.names) for expression in problem.exact_functions()]
    return lambda points: torch.stack([f(*points.unbind(-1)) for f in functions], dim=1)


# How peers see a problem ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_the_exact_solution_kills_the_rows_that_torch_peers_see(name):
    problem = load_problem(name)
    parts = autograd.placed(problem, task(name))
    assert {part.block.name for part in parts} == {"residual", *problem.conditions()}
    scale = max(float(part.images[0].abs().max()) for part in parts) * 2e3
    for part in parts:
        assert losses.rows(part, exact(problem), problem).abs().max() < 1e-14 * scale
    assert autograd.loss(parts, lambda points: 0.5 * exact(problem)(points), problem) > 1e-3


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_by_autograd_are_those_of_closed_forms(name):
    """Of one network, an MLP: nested automatic differentiation against Faà di Bruno's formula in the loss."""
    problem = load_problem(name)
    network = MLP(problem, 200, seed=1)
    parts = autograd.placed(problem, task(name))
    residuals = Residuals(network, [part.block for part in parts], problem.domain.names)
    for number, part in enumerate(parts):
        residuals.place(number, part.images[0].detach(), part.index)
        own = residuals.values(residuals.parts[number].chunks)
        assert torch.allclose(own, losses.rows(part, network, problem), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_rows_are_their_coefficients(name):
    problem = load_problem(name)
    network = MLP(problem, 60, seed=2)
    for part in autograd.placed(problem, task(name)):
        sides = [losses.side(network, image, problem) for image in part.images]
        rows = part.block.evaluate(tuple(sides), part.index, {})
        for row, component in zip(rows, affine(part, len(problem.fields)), strict=True):
            total = torch.as_tensor(component.offset)
            for (image, field, partial), coefficient in component.coefficients.items():
                words = [problem.domain.names[axis] for axis in partial]
                total = total + torch.as_tensor(coefficient) * sides[image].fields[field].d(*words)
            assert torch.allclose(row, total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["burgers", "helmholtz", "kdv"])
def test_jax_sees_the_loss_that_torch_sees(name):
    """The user's own equation under JAX, Burgers' and KdV's products included."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    from jax import numpy as jnp

    from kanpde.bench.traced import loss_of

    def function(library, frequency):
        return lambda points: library.sin(frequency * points[:, :1] + 0.3) * library.exp(0.7 * points[:, 1:])

    problem = load_problem(name)
    parts = autograd.placed(problem, task(name))
    own = autograd.loss(parts, function(torch, 1.3), problem)
    theirs = jax.jit(loss_of(problem, parts, lambda frequency, points: function(jnp, frequency)(points)))(1.3)
    assert float(theirs) == pytest.approx(float(own.detach()), rel=1e-10)


def test_jax_answers_to_functions_of_torch():
    jnp = pytest.importorskip("jax.numpy")
    from kanpde.bench.traced import Traced, TracedField

    values = jnp.asarray([[0.3], [0.5]])
    u = TracedField({(): values, (0, 0): 2 * values}, 0, ("theta", "t"))
    result = torch.stack([torch.sin(u), 1 - u.d("theta", "theta") * u**2])
    expected = np.stack([np.sin(values[:, 0]), 1 - 2 * values[:, 0] ** 3])
    assert isinstance(result, Traced) and np.allclose(result.array, expected, rtol=1e-6)


# The MLP --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["burgers", "kdv", "wave"])
def test_the_mlps_jacobian_is_that_of_automatic_differentiation(name):
    problem = load_problem(name)
    network = MLP(problem, 120, seed=3)
    residuals = Residuals(network, problem.blocks(hard=True), problem.domain.names)
    residuals.sample(problem.domain, task(name, interior=6, boundary=4).points_of, np.random.default_rng(0))
    linear = residuals.linearise(network.vector)
    slow = []
    for row in residuals.rows():
        slopes = torch.autograd.grad(row, network.ordered(), retain_graph=True, materialize_grads=True)
        slow.append(torch.cat([slope.reshape(-1) for slope in slopes]))
    assert torch.allclose(linear.factor, torch.stack(slow), rtol=1e-9, atol=1e-9)


def test_an_mlp_is_as_large_as_it_may_be():
    for parameters in (50, 400, 1500):
        sizes = layer_sizes(2, 1, parameters)
        assert count(sizes) <= parameters < count([2, *[sizes[1] + 1] * 3, 1])
    assert MLP(load_problem("heat"), 400, seed=0).size == count(layer_sizes(2, 1, 400))


def test_an_mlps_vector_is_what_is_assigned():
    network = MLP(load_problem("heat"), 100, seed=0)
    vector = torch.arange(network.size, dtype=torch.float64)
    network.assign(vector)
    assert torch.equal(network.vector, vector) and network.network.weights[0][0, 1] == 1


# Classical methods ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "degree", "bound"),
    [
        ("heat", 20, 1e-12),
        ("poisson", 20, 1e-12),
        ("helmholtz", 36, 1e-12),
        ("wave", 36, 1e-12),
        ("advection", 40, 1e-9),
    ],
)
def test_chebyshev_collocation_converges_as_spectral_methods_do(name, degree, bound):
    problem = load_problem(name)
    blocks = problem.blocks(hard=True)
    comparison = Comparison(problem, 33)
    errors = [
        comparison.relative_l2(lambda points, _, n=n: chebyshev.solve(problem, blocks, n)(points))
        for n in (degree // 2, degree)
    ]
    assert errors[1] < bound and errors[1] < 1e-3 * errors[0]


@pytest.mark.parametrize(
    ("name", "parameters", "coarse", "fine", "bound"),
    [
        ("burgers", {"viscosity": 0.05}, (64, 2), (128, 4), 1e-6),
        ("kdv", {}, (256, 8), (256, 16), 5e-6),
        ("allen_cahn", {}, (128, 2), (512, 2), 5e-5),
    ],
)
def test_fourier_and_exponential_differencing_converge(name, parameters, coarse, fine, bound):
    problem = load_problem(name, **parameters)
    comparison = Comparison(problem, 65)
    times = np.unique(comparison.points[:, 1])
    errors = [
        comparison.relative_l2(lambda points, _, s=size: fourier.solve(problem, times, *s)(points))
        for size in (coarse, fine)
    ]
    assert errors[1] < bound and errors[1] < 0.3 * errors[0]


def test_the_spectral_method_says_what_it_does_not_solve(monkeypatch):
    from kanpde.bench.peers import classical

    problem = load_problem("burgers")
    monkeypatch.setattr(fourier, "EVOLUTIONS", {})
    with pytest.raises(ConfigurationError, match="linear problem .* got burgers"):
        list(classical.solvers(problem, Recorder(load_problem("heat"), 1.0, lambda result: None)))


# The clock ------------------------------------------------------------------------------------------------------------


def test_a_recorder_keeps_every_error_at_once():
    problem, kept = load_problem("heat"), []
    recorder = Recorder(problem, 1e9, kept.append)
    recorder.describe("a method", 7, 9, package="1.0")
    recorder.record(0.5, lambda points: 0.9 * problem.exact_values(points))
    recorder.record(2.5, lambda points: problem.exact_values(points) * 1.001)
    assert not recorder.over
    recorder.finish()
    assert [len(outcome["trace"]) for outcome in kept] == [1, 2, 2]
    assert [outcome["finished"] for outcome in kept] == [False, False, True]
    assert kept[-1]["trace"] == [(0.5, pytest.approx(0.1)), (2.5, pytest.approx(0.001))]
    assert kept[-1]["parameters"] == 7 and kept[-1]["versions"] == {"package": "1.0"}


def test_a_look_past_the_budget_is_the_last_one():
    problem, kept = load_problem("heat"), []
    recorder = Recorder(problem, 1e-9, kept.append)
    recorder.start()
    assert recorder.look(problem.exact_values) and len(kept[-1]["trace"]) == 1
    early = Recorder(problem, 1e9, kept.append)
    early.start()
    assert not early.look(problem.exact_values) and not early.outcome.trace


# Formulas -------------------------------------------------------------------------------------------------------------


class FakePykan:
    """Stands for pykan's network: `auto_symbolic` takes its time, and leaves a formula of the given variables."""

    def __init__(self, expression, seconds=0.0):
        self._expression, self._seconds, self.symbolic_enabled, self.save_act = expression, seconds, False, False

    def __call__(self, points):
        assert self.symbolic_enabled and self.save_act

    def auto_symbolic(self, verbose):
        time.sleep(self._seconds)

    def symbolic_formula(self, var):
        return self._expression(*var), var


def named(expression, limit=30.0, seconds=0.0):
    """What is written down of a formula for the heat equation."""
    problem, kept = load_problem("heat"), []
    recorder = Recorder(problem, 1.0, kept.append)
    pykan.name(FakePykan(expression, seconds), torch.zeros(3, 2), problem.domain.names, limit, recorder)
    return kept[-1]["formula"]


def test_a_formula_is_measured_as_a_solution_is():
    found = named(lambda x, t: [1.01 * sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x)])
    assert found["status"] == "fitted" and found["seconds"] < 30
    assert found["relative_l2"] == pytest.approx(0.01, rel=1e-9) and found["expression"].startswith("1.01*exp(")
    assert named(lambda x, t: [sp.Integer(0)])["relative_l2"] == 1.0


def test_a_search_that_takes_too_long_is_cut():
    found = named(lambda x, t: [x], limit=0.2, seconds=20.0)
    assert found["status"] == "cut at 0 s" and 0.2 <= found["seconds"] < 10
    assert found["expression"] is None and found["relative_l2"] is None


def test_kanpdes_formula_is_written_down_with_its_status():
    answer = process.run_process(asdict(task("heat", symbolic_seconds=600.0)), 900)  # it ends by itself
    assert answer.error == "" and answer.result is not None
    found = answer.result["formula"]
    assert found["status"] == "proved" and found["relative_l2"] < 1e-14


def test_formulas_are_looked_for_where_there_is_one_and_it_is_asked_for():
    assert search_seconds(load_problem("heat"), task("heat", symbolic_seconds=7.0)) == 7.0
    assert search_seconds(load_problem("heat"), task("heat")) is None
    assert search_seconds(load_problem("allen_cahn"), task("allen_cahn", symbolic_seconds=7.0)) is None


def test_a_cell_holds_a_formula_in_few_letters():
    assert tables.shorten("0.123456789*sin(3.14159265358979*x) + 2*x**2") == "0.1235*sin(3.142*x) + 2*x**2"
    long = tables.shorten(" + ".join(f"sin({n}*x)" for n in range(99)))
    assert len(long) == tables.MAX_CHARACTERS and long.endswith(" …")


# Side by side ---------------------------------------------------------------------------------------------------------

RESULT = {
    "trace": [[0.5, 1e-2], [1.0, 5e-4], [4.0, 1e-7]],
    "parameters": 321,
    "points": 640,
    "method": "a method",
    "versions": {"package": "1.0"},
    "formula": {"expression": "exp(-t)*sin(pi*x)", "status": "proved", "relative_l2": 0.0, "seconds": 1.25},
    "finished": True,
}
CUT = {"expression": None, "status": "cut at 60 s", "relative_l2": None, "seconds": 60.0}
SLOWER = {**RESULT, "trace": [[1.0, 1e-1], [20.0, 9e-4]], "parameters": 77, "formula": CUT}


class Measure:
    """Stands for the processes: quick answers, and a record of what was asked."""

    def __init__(self, failing=(), interrupted_at=None):
        self.asked, self._failing, self._interrupted_at = [], failing, interrupted_at

    def __call__(self, given, limit):
        if len(self.asked) == self._interrupted_at:
            raise KeyboardInterrupt
        self.asked.append(given)
        if "peer" not in given:
            return Answer({"points": 9, "parameters": 5, "dimension": 2, "seconds": 0.1, "gib": 0.2, **given})
        if given["peer"] in self._failing:
            return Answer(None, "ValueError: no")
        return Answer(dict(RESULT if given["peer"] == "kanpde" else SLOWER))


def options(**more):
    return BenchOptions(**{"problems": ["heat", "poisson"], "peers": ["classical", "kanpde", "mlp"], **more})


def test_peers_are_measured_in_turn_and_the_mlp_is_as_large_as_kanpdes_network():
    measure = Measure()
    rows = list(side_by_side.compare(options(budget_seconds=3, seed=4), print, measure))
    assert [(row["problem"], row["peer"]) for row in rows] == [
        (problem, peer) for problem in ("heat", "poisson") for peer in ("kanpde", "mlp", "classical")
    ]
    assert [given["parameters"] for given in measure.asked] == 2 * [1500, 321, 321]
    assert all(given["budget_seconds"] == 3 and given["seed"] == 4 for given in measure.asked)
    assert all(given["symbolic_seconds"] == 60 for given in measure.asked)


def test_a_missing_peer_and_a_failing_one_are_a_line_each(monkeypatch):
    absent = {**PEERS, "mlp": Peer("an MLP", "nowhere", ("no_such_package_here",))}
    monkeypatch.setattr(side_by_side, "PEERS", absent)
    said = []
    rows = list(side_by_side.compare(options(), said.append, Measure(failing=("classical",))))
    assert [row["peer"] for row in rows] == ["kanpde", "kanpde"]
    assert said[0].startswith("mlp is skipped: expected the packages no_such_package_here, got none; pip install")
    assert said[1:] == [f"spectral method on {name}: ValueError: no" for name in ("heat", "poisson")]


def test_tables_json_and_figures_are_written(tmp_path, capsys):
    settings = {"problems": ["heat"], "peers": ["kanpde", "mlp", "classical"], "budget_seconds": 2}
    assert benchmark.run(tmp_path / "bench", settings, Measure()) == 0
    assert capsys.readouterr().out.startswith("bench: ")
    written = {file.name for file in (tmp_path / "bench").iterdir()}
    assert written == {"bench.json", "bench.md", "heat.png", "scaling.png"}
    known = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert [row["peer"] for row in known["rows"]] == ["kanpde", "mlp", "classical"]
    assert known["rows"][0]["trace"] == RESULT["trace"] and known["settings"]["budget_seconds"] == 2
    assert len(known["scaling"]) == sum(map(len, scaling.SWEEPS.values()))
    assert known["machine"]["cores"] and known["machine"]["versions"]["torch"] == torch.__version__
    text = (tmp_path / "bench" / "bench.md").read_text()
    assert "| kanpde | 1 | 4 | 4 | 1.0e-07 | 4.0 | 321 | 640 |" in text
    # Twenty times as long to 1e-3 as kanpde, and never at the others; no such comparison with the spectral method.
    assert "| kanpde's MLP, Gauss–Newton | 20 (×20) | – | – | 9.0e-04 | 20.0 | 77 |" in text
    assert "| spectral method | 20 | – | – |" in text
    assert "| heat | kanpde | `exp(-t)*sin(pi*x)` | proved | 0.0e+00 | 1.25 |" in text
    assert "| heat | kanpde's MLP, Gauss–Newton | – | cut at 60 s | – | 60 |" in text
    assert "`kanpde bench bench.problems=[heat] bench.peers=[kanpde,mlp,classical] bench.budget_seconds=2" in text


def test_ctrl_c_leaves_what_was_measured(tmp_path, capsys):
    settings = {"problems": ["heat", "poisson"], "peers": ["kanpde", "mlp"]}
    assert benchmark.run(tmp_path, settings, Measure(interrupted_at=3)) == 130
    known = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["problem"], row["peer"]) for row in known["rows"]] == [
        ("heat", "kanpde"),
        ("heat", "mlp"),
        ("poisson", "kanpde"),
    ]
    assert "interrupted" in capsys.readouterr().err


def test_when_nothing_was_measured_it_says_so(tmp_path, capsys):
    failing = Measure(failing=("mlp",))
    assert benchmark.run(tmp_path / "x", {"problems": ["heat"], "peers": ["mlp"], "scaling": False}, failing) == 1
    assert "nothing was measured" in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_the_first_seconds_at_a_target_count():
    trace = [[0.1, 0.5], [0.2, 1e-3], [0.3, 2e-3], [0.4, None]]
    assert tables.seconds_to(trace, 1e-3) == 0.2 and tables.seconds_to(trace, 1e-4) is None


BAD = {
    ("bench.problems=[burger]",): "unknown problem 'burger'; did you mean 'burgers'",
    ("bench.peers=[pykn]",): "unknown peer 'pykn'; did you mean 'pykan'",
    ("bench.problems=heat",): "bench.problems to be a list such as",
    ("bench.budget_seconds=0",): "bench.budget_seconds",
    ("bench.symbolic_seconds=-1",): "bench.symbolic_seconds",
    ("bench.seed=-1",): "bench.seed",
    ("bench.interior=word",): "bench.interior",
    ("bench.scaling=maybe",): "bench.scaling",
    ("bench.budget=3",): "did you mean 'budget_seconds'",
    ("bench.problems=[riddle]",): "exact or reference",
    ("problem=heat",): "problem",
}
RIDDLE = """
from dataclasses import dataclass
from kanpde import Box, Dirichlet, Problem

@dataclass(frozen=True)
class Riddle(Problem):
    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx - x

    def conditions(self):
        return {"ends": Dirichlet(0)}
"""


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_said_in_one_line(command, tmp_path, monkeypatch, words):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "riddle.py").write_text(RIDDLE)
    monkeypatch.chdir(tmp_path)
    status, out, err = command("bench", *words)
    assert status == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert BAD[words] in err
    assert not (tmp_path / "results").exists()


def test_the_command_line_has_the_defaults_of_python(command):
    status, out, _ = command("bench", "--cfg", "job")
    assert status == 0
    from omegaconf import OmegaConf

    shown = OmegaConf.to_container(OmegaConf.create(out))["bench"]
    own = {key: list(v) if isinstance(v, tuple) else v for key, v in side_by_side.settings_of(BenchOptions()).items()}
    assert shown == own
    assert "kanpde bench" in command("bench", "--help")[1]


# Figures --------------------------------------------------------------------------------------------------------------


def test_a_peer_keeps_its_look_whoever_else_is_there():
    titles = {"one": "the first", "two": "the second", "three": "the third"}
    trace = [[0.0, 1.0], [0.5, 1e-2], [2.0, None], [3.0, 1e-5]]
    figure = curves_figure("heat", {"two": trace}, titles, (1e-3,))
    (axes,) = figure.axes
    line = axes.get_lines()[0]
    assert line.get_xydata().tolist() == [[0.5, 1e-2], [3.0, 1e-5]]
    assert (
        line.get_color()
        == curves_figure("heat", dict.fromkeys(titles, trace), titles, ()).axes[0].get_lines()[1].get_color()
    )
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("log", "log", "seconds")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["the second"]


def test_costs_are_drawn_against_what_varies():
    def row(varied, **more):
        return {"varied": varied, "points": 100, "parameters": 50, "dimension": 2, "seconds": 1.0, "gib": None, **more}

    rows = [row("points"), row("points", points=1000, seconds=8.0), row("dimension", dimension=4, gib=0.5)]
    axes = scaling_figure(rows).axes
    assert len(axes) == 4 and all(each.get_xscale() == each.get_yscale() == "log" for each in axes)
    assert axes[0].get_lines()[0].get_xydata().tolist() == [[100, 1.0], [1000, 8.0]]
    assert axes[2].get_xlabel() == "points\n50 parameters, 2 dimensions" and axes[3].get_lines()[0].get_ydata() == [0.5]


# Processes ------------------------------------------------------------------------------------------------------------


def test_a_peer_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    """Files where one stands take no package's place, and nothing but the result is left."""
    (tmp_path / "numpy.py").write_text("raise RuntimeError('taken for the real one')")
    monkeypatch.chdir(tmp_path)
    given = {"problem": "heat", "peer": "classical", "budget_seconds": 60.0}
    answer = process.run_process(given, 300)
    assert answer.error == "" and answer.result["finished"]
    assert min(error for _, error in answer.result["trace"]) < 1e-9
    assert [file.name for file in tmp_path.iterdir()] == ["numpy.py"]


def test_a_process_that_fails_or_takes_too_long_is_a_line():
    failed = process.run_process({"problem": "nonesuch", "peer": "classical", "budget_seconds": 1.0}, 300)
    assert failed.result is None and "got 'nonesuch'; " in failed.error
    late = process.run_process({"problem": "heat", "peer": "kanpde", "budget_seconds": 60.0}, 0.2)
    assert late.error == "ended after 0 seconds"


@pytest.mark.parametrize("peer", ["kanpde", "mlp", "first_order"])
def test_our_own_networks_learn_something_of_the_heat_equation(peer):
    problem, kept = load_problem("heat"), []
    load(peer)(
        problem, Task("heat", peer, 1.0, interior=128, boundary=32, parameters=300), Recorder(problem, 1.0, kept.append)
    )
    assert_learned(kept[-1])


@pytest.mark.parametrize("peer", ["pykan", "deepxde", "jaxkan"])
def test_others_learn_something_of_the_heat_equation(peer):
    if PEERS[peer].missing:
        pytest.skip(f"{peer} is not installed")
    given = {"problem": "heat", "peer": peer, "budget_seconds": 1.0, "interior": 128, "boundary": 32, "parameters": 300}
    answer = process.run_process(given, 300)
    assert answer.error == "" and answer.result["finished"]
    assert_learned(answer.result)


def assert_learned(result):
    (_, first), (_, last) = result["trace"][0], result["trace"][-1]
    assert np.isfinite(last) and last <= 2 * first
    assert result["parameters"] > 20 and result["points"] > 100 and result["versions"]


# What a step costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 6])
def test_a_step_is_measured_at_about_the_size_that_was_asked(dimension):
    row = scaling.measure(scaling.Size(points=200, parameters=150, dimension=dimension))
    assert row["parameters"] == pytest.approx(150, rel=0.3)
    assert row["points"] == pytest.approx(200, rel=0.1)
    assert row["seconds"] > 0 and row["dimension"] == dimension


def test_the_equation_that_steps_are_measured_on_is_linear_and_asks_for_second_derivatives():
    problem = scaling.Torsion(3)
    residual, boundary = problem.blocks()
    assert residual.partials[0] == {(0, 0), (1, 1), (2, 2)} and is_affine(residual, problem)
    assert len(boundary.faces) == 6


def test_a_size_that_takes_too_long_is_a_line():
    said = []
    assert list(scaling.sweep(said.append, lambda given, limit: Answer(None, "ended after 9 seconds"))) == []
    assert said[0] == "a step with points = 1000: ended after 9 seconds"
