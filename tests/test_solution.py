"""What a user holds: answers at any points, derivatives, residuals, errors, figures, metrics, and one file."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch
from matplotlib.figure import Figure
from safetensors.torch import save_file

from kanpde import KAN, Solution, files, load_problem, solve
from kanpde.errors import KanpdeError, ProblemError
from kanpde.geometry.box import Box
from kanpde.network.trial_function import Model
from kanpde.problem.conditions import Data, Dirichlet, Initial
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem

X, T = sp.symbols("x t", real=True)
STRIP = Box(x=(-1, 1), t=(0, 2))


@dataclass(frozen=True)
class Parabola(Problem):
    """u_t = a u_xx with a solution that splines have exactly."""

    a: float = 0.5

    domain = STRIP

    def residual(self, u):
        return u.t - self.a * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return x**2 + 2 * self.a * t + 1


class Pair(Problem):
    domain = STRIP
    fields = ("u", "v")
    unknowns = {"rate": 0.25, "shift": 3}

    def residual(self, u, v, rate, shift, x):
        return {"first": u.t - rate * v.xx, "second": v.t + u * u.x - shift * torch.sin(x)}

    def conditions(self):
        return {"start": Initial(0, field="u"), "data": Data([[0.1, 0.2]], [0.5], field="v")}


class Held(Problem):
    domain = STRIP

    def residual(self, u):
        return u.tt - u.xx

    def conditions(self):
        return {"ends": Dirichlet(T * X**2, on="x", hard=True), "start": Initial(0, hard=True)}


def solution_of(problem, network=None, dtype=torch.float64):
    """A solution that nobody trained: a random network."""
    if network is None:
        network = KAN(width=[(2, 1)], degree=6, intervals=4)
        network.build(problem.domain.low, problem.domain.high, len(problem.fields), seed=2)
    model = Model(network.to(dtype), Ansatz.of(problem), problem.unknowns)
    record = {
        "seed": 4,
        "iterations": 2,
        "seconds": 0.5,
        "stopped_because": "converged: more steps and finer knots gain nothing",
    }
    return Solution(problem, model, {"loss": [1.0, 0.1], "error": [float("nan"), 0.5]}, record)


def planted(problem):
    """The exact solution of Parabola in a network: its sum of functions of one coordinate each, fitted with splines."""
    network = KAN(width=[1], degree=3, intervals=2).build([-1, 0], [1, 2], 1, seed=0)
    first, last = network.layers
    with torch.no_grad():
        low, high = (float(end) for end in last.basis.range())
        unit = (high - low) / 8
        for axis, function in ((0, lambda x: x**2), (1, lambda t: 2 * problem.a * t)):
            ends = STRIP.low[axis], STRIP.high[axis]
            s = torch.linspace(*ends, 50, dtype=torch.float64)
            inputs = torch.zeros(50, 2, dtype=torch.float64)
            inputs[:, axis] = s
            features = first.basis.features(inputs, 1)[axis, 0]
            first.coefficients[axis] = torch.linalg.lstsq(features, low + unit * (1 + function(s))[:, None]).solution
        # The hidden value is 2 low + unit (2 + x² + 2 a t); the last edge takes it back to x² + 2 a t + 1.
        s = torch.linspace(low, high, 50, dtype=torch.float64)[:, None]
        values = (s - 2 * low) / unit - 1
        last.coefficients[0] = torch.linalg.lstsq(last.basis.features(s, 1)[0, 0], values).solution
    return solution_of(problem, network)


@pytest.fixture(scope="module")
def solution():
    return solution_of(Parabola())


@pytest.fixture(scope="module")
def pair():
    return solution_of(Pair())


# Values --------------------------------------------------------------------------------------------------------------

SHAPES = {
    "numbers": ((), (), ()),
    "a number and a line": ((), (5,), (5,)),
    "lines": ((4,), (4,), (4,)),
    "a grid": ((5, 1), (1, 3), (5, 3)),
    "a grid by broadcasting": ((5, 1), (3,), (5, 3)),
    "higher": ((2, 1, 3), (4, 1), (2, 4, 3)),
}


def test_points_are_rows_of_any_kind(solution):
    rows = np.array([[0.1, 0.2], [0.3, 0.4]])
    assert np.array_equal(solution.evaluate(rows.tolist()), solution.evaluate(rows))
    for wrong in ([0.1, 0.2], [[0.1, 0.2, 0.3]]):
        with pytest.raises(ProblemError, match=r"expected points of shape \(n, 2\) with the columns"):
            solution.evaluate(wrong)


def values_of(shape, low, high, seed):
    return np.random.default_rng(seed).uniform(low, high, shape)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize(("left", "right", "shape"), SHAPES.values(), ids=SHAPES)
def test_coordinates_broadcast_and_come_back_as_they_came(solution, left, right, shape, kind):
    x, t = values_of(left, -1, 1, 0), values_of(right, 0, 2, 1)
    wrap, array = (torch.as_tensor, torch.Tensor) if kind == "torch" else (np.asarray, np.ndarray)
    found = solution(x=wrap(x), t=wrap(t))
    assert isinstance(found, array) and tuple(found.shape) == shape
    points = np.stack([a.ravel() for a in np.broadcast_arrays(x, t)], axis=1)
    expected = solution.network(torch.from_numpy(points))[:, 0].detach().numpy().reshape(shape)
    assert np.allclose(np.asarray(found), expected, rtol=1e-13, atol=1e-13)
    assert isinstance(solution.derivative("xt", x=wrap(x), t=wrap(t)), array)
    assert tuple(solution.residual(x=wrap(x), t=wrap(t)).shape) == shape


def test_numbers_and_lists_are_coordinates_too(solution):
    expected = solution(x=np.array([0.5, 1.0]), t=np.array(1.0))
    assert np.array_equal(solution(x=[0.5, 1], t=1), expected)
    assert np.array_equal(solution(t=np.int64(1), x=np.array([0.5, 1.0], dtype=np.float32)), expected)
    assert torch.equal(solution(x=[0.5, 1], t=torch.tensor(1)), torch.from_numpy(expected))
    assert solution(x=0.5, t=1).shape == ()


ARRAYS = {
    "backwards": lambda xs: xs[::-1],
    "every second": lambda xs: xs[::2],
    "a column": lambda xs: np.stack([xs, xs + 1], axis=1)[:, 0],
    "big-endian": lambda xs: xs.astype(">f8"),
    "extended": lambda xs: xs.astype(np.longdouble),
    "broadcast": lambda xs: np.broadcast_to(xs[1], (4, 3)),
    "Fortran's order": lambda xs: np.asfortranarray(xs[:4].reshape(2, 2)),
    "none": lambda xs: xs[:0],
    "none of three": lambda xs: np.zeros((3, 0)),
    "whole numbers": lambda xs: xs.astype(">i2"),
}


@pytest.mark.parametrize("made", ARRAYS.values(), ids=ARRAYS)
def test_any_array_of_numbers_will_do(pair, made):
    xs = made(np.linspace(-1, 1, 5))
    plain = np.array(xs.tolist(), dtype=np.float64).reshape(xs.shape)
    for ask in (pair, pair.residual, lambda **at: pair.derivative("xt", **at)):
        found, expected = ask(x=xs, t=0.5), ask(x=plain, t=0.5)
        assert all(found[name].shape == xs.shape and np.array_equal(found[name], expected[name]) for name in found)
    assert pair.evaluate(np.stack([xs.ravel(), xs.ravel()], axis=1)[::-1]).shape == (xs.size, 2)


@pytest.mark.parametrize("empty", [[], np.zeros(0), torch.zeros(0)], ids=["list", "numpy", "torch"])
@pytest.mark.parametrize("problem", [Parabola(), Held()], ids=["soft", "hard"])
def test_no_points_have_no_values(problem, empty):
    solution = solution_of(problem)
    assert solution(x=empty, t=empty).shape == solution.residual(x=empty, t=1.0).shape == (0,)


@pytest.mark.parametrize("ask", ["__call__", "residual"])
@pytest.mark.parametrize(
    ("x", "t", "said"),
    [
        (np.zeros(3), np.zeros(4), r"expected shapes that broadcast, got x \(3,\), t \(4,\)"),
        (torch.zeros(2, 3), [0.0, 1.0], r"got x \(2, 3\), t \(2,\)"),
        ("here", 0.0, "expected real numbers as coordinates, got 'here'"),
        (0.0, None, "got None"),
        (1j, 0.0, "got 1j"),
    ],
)
def test_what_are_no_points_is_said_in_one_line(solution, ask, x, t, said):
    with pytest.raises(ProblemError, match=said) as caught:
        getattr(solution, ask)(x=x, t=t)
    assert "\n" not in str(caught.value)


def test_answers_are_part_of_a_graph_only_if_points_are(solution):
    for asked in (False, True):
        points = torch.full((3,), 0.4, dtype=torch.float64, requires_grad=asked)
        assert solution(x=points, t=points).requires_grad == asked
        assert solution.derivative("x", x=points, t=points).requires_grad == asked
        assert solution.residual(x=points, t=points).requires_grad == asked


def test_derivatives_by_autograd_are_partials(solution):
    x = torch.linspace(-0.7, 0.8, 4, dtype=torch.float64).requires_grad_()
    t = torch.full((4,), 0.3, dtype=torch.float64)
    (slope,) = torch.autograd.grad(solution(x=x, t=t).sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    for found, partial in ((slope, "x"), (bend, "xx")):
        expected = solution.derivative(partial, x=x.detach(), t=t)
        torch.testing.assert_close(found.detach(), expected, rtol=1e-9, atol=1e-9)


def test_many_points_are_answered_in_pieces(solution):
    xs = np.linspace(-1, 1, 20_000)
    found = solution(x=xs, t=0.7)
    assert found.shape == xs.shape and np.allclose(found[::1999], solution(x=xs[::1999], t=0.7), rtol=1e-13)


def test_a_system_answers_by_field(pair):
    found = pair(x=np.zeros((2, 3)), t=1.0)
    assert list(found) == ["u", "v"] and all(value.shape == (2, 3) for value in found.values())
    assert list(pair.derivative("x", x=0.0, t=1.0)) == ["u", "v"]
    assert pair.derivative("x", "v", x=0.0, t=1.0) == pair.derivative("x", x=0.0, t=1.0)["v"]
    assert list(pair.residual(x=0.0, t=1.0)) == ["first", "second"]


def test_single_precision_answers_in_single_precision():
    solution = solution_of(Parabola(), dtype=torch.float32)
    assert solution(x=0.5, t=0.5).dtype == np.float32
    assert solution(x=torch.tensor(0.5), t=0.5).dtype == torch.float32
    assert np.allclose(solution(x=0.5, t=0.5), solution_of(Parabola())(x=0.5, t=0.5), rtol=1e-5)


@pytest.mark.parametrize("ask", ["__call__", "residual"])
@pytest.mark.parametrize(
    ("coordinates", "said"),
    [({"x": 0.0}, "got x"), ({}, "got none"), ({"x": 0.0, "t": 0.0, "y": 0.0}, "got x, t, y"), ({"t": 1, "z": 2}, "z")],
)
def test_coordinates_are_given_by_name_each_once(solution, ask, coordinates, said):
    with pytest.raises(ProblemError, match=f"expected the coordinates x, t by name, .*{said}"):
        getattr(solution, ask)(**coordinates)


# Derivatives and residuals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [Parabola(), Held()], ids=["soft", "hard"])
@pytest.mark.parametrize("axis", ["x", "t"])
def test_derivatives_are_the_limits_of_differences(problem, axis):
    solution = solution_of(problem)
    inside = {"x": values_of(20, -0.9, 0.9, 0), "t": values_of(20, 0.1, 1.9, 1)}
    h = 1e-3

    def at(shift):
        return solution(**{**inside, axis: inside[axis] + shift})

    slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    second = (16 * (at(h) + at(-h)) - (at(2 * h) + at(-2 * h)) - 30 * at(0.0)) / (12 * h**2)
    assert np.allclose(solution.derivative(axis, **inside), slope, rtol=1e-8, atol=1e-8)
    assert np.allclose(solution.derivative(2 * axis, **inside), second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("partial", ["x", "t", "xx", "xt", "tx", "ttx", "xxxx"])
def test_derivatives_are_autograds(pair, partial):
    points = torch.from_numpy(np.stack([values_of(10, -1, 1, 0), values_of(10, 0, 2, 1)], axis=1)).requires_grad_()
    for number, field in enumerate(("u", "v")):
        value = pair.network(points)[:, number]
        for letter in partial:
            (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
            value = gradient[:, "xt".index(letter)]
        found = pair.derivative(partial, field, x=points[:, 0], t=points[:, 1])
        assert torch.allclose(found, value.detach(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("partial", "field", "said"),
    [
        ("", None, "expected a partial of the coordinates x, t, such as 'xx', got ''"),
        ("y", None, "got 'y'"),
        ("xz", None, "got 'xz'"),
        ("x", "w", "unknown field 'w'; known: u, v"),
    ],
)
def test_what_is_no_derivative_is_said(pair, partial, field, said):
    with pytest.raises(ProblemError, match=said):
        pair.derivative(partial, field, x=0.0, t=0.0)


def test_the_residual_is_the_equation(pair):
    at = {"x": values_of(15, -1, 1, 0), "t": values_of(15, 0, 2, 1)}
    found, u = pair.residual(**at), pair(**at)["u"]
    ux, ut, vt = (pair.derivative(p, f, **at) for p, f in (("x", "u"), ("t", "u"), ("t", "v")))
    assert np.allclose(found["first"], ut - 0.25 * pair.derivative("xx", "v", **at), rtol=1e-11, atol=1e-11)
    assert np.allclose(found["second"], vt + u * ux - 3 * np.sin(at["x"]), rtol=1e-11, atol=1e-11)


def test_a_planted_solution_kills_the_residual_and_the_errors():
    solution = planted(Parabola())
    x, t = np.linspace(-1, 1, 21)[:, None], np.linspace(0, 2, 11)
    assert np.allclose(solution(x=x, t=t), x**2 + t + 1, rtol=0, atol=1e-12)
    assert np.allclose(solution.derivative("xx", x=x, t=t), 2, rtol=0, atol=1e-10)
    assert np.abs(solution.residual(x=x, t=t)).max() < 1e-10
    assert max(solution.errors().values()) < 1e-10
    assert max(solution.rms().values()) < 1e-10
    # The same network does not solve another equation: u_t - 3 u_xx is 1 - 6.
    other = Solution(Parabola(3.0), solution.model, {}, solution.record)
    assert np.allclose(other.residual(x=x, t=t), -5, rtol=0, atol=1e-9)
    assert other.metrics()["residual_rms"] == pytest.approx(5, rel=1e-9)


# Errors, metrics, figures --------------------------------------------------------------------------------------------


def test_errors_are_those_against_the_exact_solution(solution):
    x, t = np.meshgrid(np.linspace(-1, 1, 257), np.linspace(0, 2, 257), indexing="ij")
    errors = solution.errors()
    assert errors["max_error"] == pytest.approx(np.abs(solution(x=x, t=t) - x**2 - t - 1).max(), rel=1e-12)
    assert set(errors) == {"relative_l2", "max_error", "relative_h1"} and all(value > 0 for value in errors.values())


def test_without_anything_to_compare_with_there_are_no_errors(pair):
    assert pair.errors() == {"relative_l2": None, "max_error": None, "relative_h1": None}


def test_a_reference_gives_errors_but_no_slopes():
    class Referred(Held):
        def reference(self, x, t):
            return 1 + 0 * x * t

    errors = solution_of(Referred()).errors()
    assert errors["relative_l2"] > 0 and errors["max_error"] > 0 and errors["relative_h1"] is None


METRICS = {
    "problem", "relative_l2", "max_error", "relative_h1", "residual_rms", "conditions_rms", "seconds", "iterations",
    "stopped_because", "parameters", "device", "dtype", "seed", "width", "unknowns", "formula", "versions",
}  # fmt: skip


@pytest.mark.parametrize("problem", [Parabola(), Pair(), Held()], ids=["exact", "system", "hard"])
def test_metrics_say_it_all(problem):
    solution = solution_of(problem)
    metrics = solution.metrics()
    assert set(metrics) >= METRICS and json.dumps(metrics, allow_nan=False)
    assert metrics["problem"] == problem.name and metrics["stopped_because"] == solution.stopped_because
    assert set(metrics["conditions_rms"]) == set(problem.conditions()) and metrics["residual_rms"] > 0
    assert set(metrics["seconds"]) == {"training", "symbolic", "total"} and metrics["seconds"]["training"] == 0.5
    assert set(metrics["versions"]) == {"kanpde", "torch", "python"}
    parameters = torch.cat([parameter.detach().flatten() for parameter in solution.model.parameters()])
    assert metrics["parameters"] == int((parameters != 0).sum())
    assert (metrics["seed"], metrics["iterations"], metrics["width"]) == (4, 2, [[2, 1]])
    assert (metrics["dtype"], metrics["device"], metrics["unknowns"]) == ("float64", "cpu", solution.unknowns)
    for name, value in solution.errors().items():
        assert metrics[name] == value


def test_metrics_can_be_asked_for_again(solution):
    assert solution.metrics() == solution.metrics()


def test_hard_conditions_are_measured_too():
    assert max(solution_of(Held()).metrics()["conditions_rms"].values()) < 1e-15


def test_unknowns_are_numbers_by_name(pair, solution):
    assert pair.unknowns == {"rate": 0.25, "shift": 3.0} and all(type(v) is float for v in pair.unknowns.values())
    assert solution.unknowns == {}


@pytest.mark.parametrize("problem", [Parabola(), Pair()], ids=["exact", "system"])
def test_a_plot_is_a_figure(problem):
    figure = solution_of(problem).plot()
    assert isinstance(figure, Figure) and len(figure.axes) >= 3


# One file ------------------------------------------------------------------------------------------------------------


def assert_same(one, other):
    at = {"x": values_of((9, 1), -1, 1, 0), "t": values_of(7, 0, 2, 1)}
    for ask in (lambda s: s(**at), lambda s: s.derivative("xxt", **at), lambda s: s.residual(**at)):
        ours, theirs = ask(one), ask(other)
        if not isinstance(ours, dict):
            ours, theirs = {"": ours}, {"": theirs}
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert one.record == other.record and one.unknowns == other.unknowns
    assert one.history.keys() == other.history.keys()
    assert all(np.array_equal(one.history[name], other.history[name], equal_nan=True) for name in one.history)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("problem", [Parabola(2.5), Pair(), Held()], ids=["parameters", "system", "hard"])
def test_what_is_saved_is_loaded_bit_by_bit(problem, dtype, tmp_path):
    solution = solution_of(problem, dtype=dtype)
    solution.save(tmp_path / "run.kan")
    again = Solution.load(tmp_path / "run.kan", problem=problem)
    assert_same(solution, again)
    assert again.network.architecture() == solution.network.architecture()
    again.save(tmp_path / "again.kan")
    assert_same(Solution.load(str(tmp_path / "again.kan"), problem), solution)


def test_a_trained_and_refined_solution_is_found_again_by_its_name(tmp_path):
    """With the parameters of its problem, in another process as in this one."""

    class Refining:
        def on_start(self, trainer):
            self.trainer = trainer

        def on_iteration(self, record):
            if record["iteration"] == 2:
                self.trainer.phase.refine()

        def on_checkpoint(self, trainer):
            pass

        def on_end(self, trainer):
            pass

    solution = solve(
        load_problem("heat", diffusivity=0.25),
        KAN(width=[(1, 1)], degree=4, intervals=3),
        device="cpu",
        training={"stages": [{"optimiser": "gauss_newton", "iterations": 4}]},
        sampling={"interior": 100, "boundary": 20},
        callbacks=[Refining()],
    )
    assert solution.network.architecture()["intervals"] == [6, 3]
    solution.save(tmp_path / "run.kan")
    again = Solution.load(tmp_path / "run.kan")
    assert again.problem.parameters() == {"diffusivity": 0.25} and again.problem.name == "heat"
    x, t = np.linspace(0, 1, 9)[:, None], np.linspace(0, 1, 5)
    assert np.array_equal(again(x=x, t=t), solution(x=x, t=t)) and again.errors() == solution.errors()
    assert again.history.keys() == solution.history.keys() and again.history["loss"] == solution.history["loss"]


def test_a_problem_from_a_script_must_be_given(tmp_path):
    solution_of(Parabola()).save(tmp_path / "run.kan")
    with pytest.raises(ProblemError, match="expected a problem, got 'parabola'"):
        Solution.load(tmp_path / "run.kan")


class Renamed(Pair):
    unknowns = {"rate": 0.25, "slip": 3}


class Fewer(Pair):
    unknowns = {"rate": 0.25}

    def residual(self, u, v, rate):
        return {"first": u.t - rate * v.xx, "second": v.t + u * u.x}


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Renamed(), r"expected the unknowns \['rate', 'slip'\] at .*run.kan, got \['rate', 'shift'\]"),
        (Fewer(), r"expected the unknowns \['rate'\] at .*run.kan, got \['rate', 'shift'\]"),
        (Parabola(), r"expected the fields \['u'\] at .*run.kan, got \['u', 'v'\]"),
    ],
    ids=["other", "fewer", "fields"],
)
def test_a_solution_of_another_problem_is_told(pair, problem, said, tmp_path):
    pair.save(tmp_path / "run.kan")
    with pytest.raises(KanpdeError, match=said):
        Solution.load(tmp_path / "run.kan", problem)


def test_nothing_in_the_file_can_be_executed(tmp_path, solution):
    solution.save(tmp_path / "run.kan")
    content = (tmp_path / "run.kan").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    described = {
        "name": "parabola",
        "parameters": {"a": 0.5},
        "coordinates": ["x", "t"],
        "fields": ["u"],
        "unknowns": [],
    }
    assert json.loads(header["__metadata__"]["kanpde"])["problem"] == described
    assert all(set(entry) == {"dtype", "shape", "data_offsets"} for name, entry in header.items() if name[0] != "_")
    assert list(tmp_path.iterdir()) == [tmp_path / "run.kan"]


def foreign(folder):
    """Files that are no solutions, by what is wrong with them."""
    (folder / "text").write_text("x" * 100)
    (folder / "empty").write_bytes(b"")
    save_file({"weights": torch.zeros(3)}, folder / "other")
    files.write(folder / "checkpoint", {"vector": torch.zeros(3)}, {"checkpoint": {}})
    (folder / "folder").mkdir()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "got none; check the path"),
        ("folder", "got none; check the path"),
        ("text", "cannot be read"),
        ("empty", "cannot be read"),
        ("other", "got safetensors of another program"),
        ("checkpoint", "expected a solution at .*, got another file of kanpde's"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, name, said):
    foreign(tmp_path)
    with pytest.raises(KanpdeError, match=said) as caught:
        Solution.load(tmp_path / name, Parabola())
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_one_tensor_under_two_names_is_written_twice(tmp_path):
    tensor = torch.arange(6.0).view(2, 3)
    tensors = {"one": tensor, "same": tensor, "part": tensor[1:], "turned": tensor.T}
    files.write(tmp_path / "file", tensors, {})
    again, _ = files.read(tmp_path / "file")
    assert again.keys() == tensors.keys() and all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_a_half_written_file_is_told(tmp_path, solution):
    solution.save(tmp_path / "run.kan")
    content = (tmp_path / "run.kan").read_bytes()
    (tmp_path / "run.kan").write_bytes(content[: len(content) // 2])
    with pytest.raises(KanpdeError, match="cannot be read"):
        Solution.load(tmp_path / "run.kan", Parabola())
