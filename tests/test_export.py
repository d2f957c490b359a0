"""Exported solutions, loaded back, are the solution: to the last digit in tables, to round-off in programs."""

import base64
import csv
import ctypes
import json
import runpy
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import KAN, Box, Dirichlet, Initial, Problem, Solution, fit, formula_to_kan, problem_from
from kanpde.errors import ConfigurationError, ProblemError
from kanpde.export import torch_programs
from kanpde.export.grid import sampled
from kanpde.network.trial_function import Model
from kanpde.problem.lift import Ansatz
from kanpde.symbolic.formula import Formula

PLANE = Box(x=(0, 2), t=(-1, 1))


def made(domain=PLANE, fields=("u",), network=None, **settings):
    """A solution whose network has random coefficients; nothing is trained."""

    class Made(Problem):
        def residual(self, **given):
            return tuple(given[name].d(domain.names[0]) for name in fields)

    Made.domain, Made.fields = domain, fields
    periodic = settings.pop("periodic", None)
    network = network or KAN(**{"width": [(2, 1)], "degree": 3, "intervals": 4, **settings}).build(
        domain.low, domain.high, len(fields), seed=3, periodic=periodic
    )
    generator = torch.Generator().manual_seed(0)
    for layer in (network.first, *network.hidden):
        layer.coefficients.data += 0.3 * torch.randn(layer.coefficients.shape, generator=generator).to(
            layer.coefficients
        )
    return Solution(Made(), Model(network), {}, {"seed": 0, "iterations": 0, "seconds": 0.0, "stopped_because": ""})


def values(solution, **axes):
    """The only field on a grid."""
    return solution(**dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True)))


def arrays(path):
    """The arrays of a VTK file by name, as any reader of the format decodes them."""
    types = {"Float64": "<f8", "Int64": "<i8", "UInt8": "u1"}
    root = ET.parse(path).getroot()
    assert root.get("header_type") == "UInt64" and root.get("byte_order") == "LittleEndian"
    found = {}
    for node in root.iter("DataArray"):
        data = base64.b64decode(node.text)
        assert int(np.frombuffer(data[:8], "<u8")[0]) == len(data) - 8
        array = np.frombuffer(data[8:], types[node.get("type")])
        found[node.get("Name")] = array.reshape(-1, int(node.get("NumberOfComponents", 1)))
    return root, found


# Grids ---------------------------------------------------------------------------------------------------------------


def test_npz_and_netcdf_hold_axes_and_fields(tmp_path):
    from scipy.io import netcdf_file

    solution = made(fields=("u", "v"))
    x, t = np.linspace(0, 2, 7), np.array([-0.5, 1.0])
    expected = values(solution, x=x, t=t)
    for ending in ("npz", "nc"):
        solution.export(tmp_path / f"a.{ending}", shape={"x": 7}, times=t)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert np.array_equal(found["x"], x) and np.array_equal(found["t"], t)
        assert all(np.array_equal(found[name], expected[name]) for name in ("u", "v"))
    with netcdf_file(str(tmp_path / "a.nc"), mmap=False) as found:
        assert np.array_equal(found.variables["x"][:], x) and found.variables["u"].dimensions == ("x", "t")
        assert all(np.array_equal(found.variables[name][:], expected[name]) for name in ("u", "v"))


def test_unknown_constants_are_in_the_tables(tmp_path):
    problem = problem_from("u_t = k*u_xx", domain=PLANE, unknowns={"k": 0.25})
    network = KAN(width=[1], degree=3, intervals=2).build(PLANE.low, PLANE.high, 1)
    Solution(problem, Model(network, None, problem.unknowns), {}, {}).export(tmp_path / "a.npz", shape=3)
    with np.load(tmp_path / "a.npz") as found:
        assert found["k"] == 0.25


def test_csv_has_a_line_for_each_point(tmp_path):
    solution = made()
    solution.export(tmp_path / "a.csv", shape=(3, 4))
    with (tmp_path / "a.csv").open() as file:
        head, *rows = csv.reader(file)
    table = np.array(rows, dtype=float)
    assert head == ["x", "t", "u"] and table.shape == (12, 3)
    assert np.array_equal(table[:, 2], solution(x=table[:, 0], t=table[:, 1]))


def test_a_rectilinear_grid_has_vtks_order(tmp_path):
    solution = made(fields=("u", "v"))
    solution.export(tmp_path / "a.vtr", shape=(3, 4))
    root, found = arrays(tmp_path / "a.vtr")
    x, t = found["x"].ravel(), found["t"].ravel()
    assert root.find(".//Piece").get("Extent") == "0 2 0 3 0 0" and found["_"].tolist() == [[0.0]]
    assert np.array_equal(found["v"].ravel(), solution(x=x[None, :], t=t[:, None])["v"].ravel())
    solution.export(tmp_path / "now.vtr", shape=3, times=0.5)
    _, found = arrays(tmp_path / "now.vtr")
    assert np.array_equal(found["u"].ravel(), solution(x=x, t=0.5)["u"])


@pytest.mark.parametrize(("names", "kind", "cells"), [("x", 3, 3), ("xt", 9, 9), ("xyz", 12, 27)])
def test_an_unstructured_grid_has_the_boxs_measure(tmp_path, names, kind, cells):
    domain = Box(**{name: (0, 2 + i) for i, name in enumerate(names)})
    solution = made(domain)
    solution.export(tmp_path / "a.vtu", shape=4)
    _, found = arrays(tmp_path / "a.vtu")
    points, corners = found["points"], found["connectivity"].reshape(cells, -1)
    assert set(found["types"].ravel()) == {kind} and found["offsets"].ravel().tolist()[-1] == corners.size
    assert np.array_equal(found["u"].ravel(), solution.evaluate(points[:, : len(names)])[:, 0])
    sizes = points[corners].max(axis=1) - points[corners].min(axis=1)
    assert np.isclose(sizes[:, : len(names)].prod(axis=1).sum(), domain.measure)
    if kind == 9:  # the corners go round the cell
        a, b = points[corners[:, 0]] - points[corners[:, 2]], points[corners[:, 1]] - points[corners[:, 3]]
        assert np.isclose(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2, domain.measure)


def test_other_programs_read_the_unstructured_grid(tmp_path):
    meshio = pytest.importorskip("meshio")
    solution = made()
    solution.export(tmp_path / "a.vtu", shape=5)
    mesh = meshio.read(tmp_path / "a.vtu")
    assert np.array_equal(mesh.point_data["u"], solution.evaluate(mesh.points[:, :2])[:, 0])


def test_a_series_is_a_file_for_each_time(tmp_path):
    solution = made(Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1)), width=[2])
    with pytest.raises(ConfigurationError, match=r"at most three coordinates for \.vtr, got x, y, z, t; give times"):
        solution.export(tmp_path / "a.vtr", shape=3)
    solution.export(tmp_path / "a.pvd", shape=3, times=[0.25, 1.0])
    sets = ET.parse(tmp_path / "a.pvd").getroot().findall(".//DataSet")
    assert [float(one.get("timestep")) for one in sets] == [0.25, 1.0]
    _, found = arrays(tmp_path / sets[1].get("file"))
    axis = np.linspace(0, 1, 3)
    assert np.array_equal(found["u"].reshape(3, 3, 3), values(solution, x=axis, y=axis, z=axis, t=[1.0])[..., 0].T)


def test_points_outside_the_domain_are_left_out(tmp_path):
    class Half(Box):
        """The part of a box where x is at most 1."""

        __slots__ = ()

        def contains(self, points):
            return points[:, 0] <= 1

    solution = made(Half(x=(0, 2), t=(0, 1)))
    grid = sampled(solution, 5)
    assert np.isnan(grid.fields["u"][3:]).all() and np.isfinite(grid.fields["u"][:3]).all()
    solution.export(tmp_path / "a.csv", shape=5)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 16
    solution.export(tmp_path / "a.vtu", shape=5)
    assert arrays(tmp_path / "a.vtu")[1]["points"].shape == (15, 3)


# Programs ------------------------------------------------------------------------------------------------------------

POINTS = np.random.default_rng(0).uniform([-0.2, -1.1], [2.2, 1.1], (50, 2))  # some beyond the ends of the splines
NETWORKS = {
    "splines": {},
    "bases": {"base": "silu", "width": [3, (1, 2)], "intervals": [5, 1, 3]},
    "tanh": {"base": "tanh", "degree": 1},
    "circle": {"periodic": (True, False), "degree": 4},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_code_is_the_network(tmp_path, name):
    solution = made(fields=("u", "v"), **NETWORKS[name])
    solution.export(tmp_path / "a.py")
    assert "import kanpde" not in (tmp_path / "a.py").read_text()
    found = runpy.run_path(str(tmp_path / "a.py"))["evaluate"](x=POINTS[:, 0], t=POINTS[:, 1])
    expected = solution.evaluate(POINTS)
    assert np.allclose(
        np.stack([found["u"], found["v"]], axis=1), expected, rtol=0, atol=1e-12 * np.abs(expected).max()
    )


def test_names_are_no_code(tmp_path):
    solution = made()
    solution.problem._name = '"""\nraise SystemExit(1) */'
    for file in ("a.py", "a.c"):
        solution.export(tmp_path / file)
        assert "raise SystemExit" not in (tmp_path / file).read_text()
    runpy.run_path(str(tmp_path / "a.py"))


def test_numpy_code_has_atoms_and_broadcasts(tmp_path):
    x, t = sp.symbols("x t", real=True)
    network = formula_to_kan(sp.exp(-t) * sp.sin(3 * x) + sp.erf(x) + sp.sech(t), PLANE)
    solution = made(network=network)
    solution.export(tmp_path / "a.py")
    evaluate = runpy.run_path(str(tmp_path / "a.py"))["evaluate"]
    axis = np.linspace(-1, 1, 4)
    assert np.allclose(evaluate(axis[:, None] + 1, axis), solution(x=axis[:, None] + 1, t=axis), rtol=0, atol=1e-13)
    assert evaluate(1, 0).shape == ()


def compiled(path, count):
    """The function in a file of C, on points (n, d): (n, count)."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no compiler of C")
    library = path.with_suffix(".so")
    words = [compiler, "-std=c99", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, path, "-lm"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    function = ctypes.CDLL(str(library)).evaluate
    numbers = ctypes.POINTER(ctypes.c_double)

    def call(points):
        found = np.empty((len(points), count))
        for point, fields in zip(np.ascontiguousarray(points), found, strict=True):
            function(point.ctypes.data_as(numbers), fields.ctypes.data_as(numbers))
        return found

    return call


@pytest.mark.parametrize("name", [*NETWORKS, "atoms"])
def test_c_code_is_the_network(tmp_path, name):
    solution = made(fields=("u", "v"), **NETWORKS.get(name, {}))
    if name == "atoms":
        x, t = sp.symbols("x t", real=True)
        parts = [sp.exp(-t) * sp.sin(3 * x) + sp.erf(x) + sp.sech(t), sp.sqrt(x + 3) + x**2 / (x + 5)]
        solution = made(fields=("u", "v"), network=formula_to_kan(parts, PLANE))
    solution.export(tmp_path / "a.c")
    found, expected = compiled(tmp_path / "a.c", 2)(POINTS), solution.evaluate(POINTS)
    assert np.allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_the_formula_is_written_as_latex(tmp_path):
    solution = made()
    with pytest.raises(ConfigurationError, match="expected a formula for .tex, got none"):
        solution.export(tmp_path / "a.tex")
    x = sp.Symbol("x", real=True)
    solution.formula = Formula(("x", "t"), {"u": sp.sin(x)}, {"u": sp.sin(x)}, {}, "none")
    solution.export(tmp_path / "a.tex")
    assert (tmp_path / "a.tex").read_text() == solution.formula.latex() + "\n"


@pytest.mark.parametrize("name", [*NETWORKS, "hard", "atoms"])
def test_the_plain_model_is_the_model(name):
    solution = hard() if name == "hard" else made(**NETWORKS.get(name, {}))
    if name == "atoms":
        x, t = sp.symbols("x t", real=True)
        solution = made(network=formula_to_kan(sp.exp(-t) * sp.sin(x) + sp.sqrt(x + 3), PLANE))
    found = torch_programs.PlainModel(solution.model)(torch.from_numpy(POINTS)).detach().numpy()
    expected = solution.evaluate(POINTS)
    assert np.allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def hard():
    """A solution with hard conditions."""
    problem = problem_from("u_t = u_xx", domain=PLANE, conditions={
        "start": Initial("x*(2 - x)", hard=True), "ends": Dirichlet(0, on="x", hard=True)})  # fmt: skip
    network = KAN(width=[1], degree=3, intervals=2).build(PLANE.low, PLANE.high, 1)
    return Solution(problem, Model(network, Ansatz.of(problem)), {}, {})


@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # torch 2.11 reads its own file so
def test_a_torch_program_is_the_solution(tmp_path):
    solution = hard()
    solution.export(tmp_path / "a.pt2")
    names = {torch_programs.NAMES: ""}
    program = torch.export.load(tmp_path / "a.pt2", extra_files=names).module()
    assert json.loads(names[torch_programs.NAMES]) == {"coordinates": ["x", "t"], "fields": ["u"]}
    for count in (1, 50):
        found = program(torch.from_numpy(POINTS[:count])).detach().numpy()
        assert np.allclose(found, solution.evaluate(POINTS[:count]), rtol=0, atol=1e-13)


def test_an_onnx_graph_is_the_solution(tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    solution = made(fields=("u", "v"), base="silu")
    solution.export(tmp_path / "a.onnx")
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"))
    assert session.get_modelmeta().custom_metadata_map == {"coordinates": "x, t", "fields": "u, v"}
    for count in (1, 50):
        (found,) = session.run(["values"], {"points": POINTS[:count]})
        assert np.allclose(found, solution.evaluate(POINTS[:count]), rtol=1e-6, atol=1e-6)


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_programs, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"^expected onnx and onnxscript for \.onnx; pip install [^\n]*$"):
        made().export(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("a.xyz", {}, "unknown ending '.xyz'"), ("a", {}, "unknown ending ''"), ("no/a.npz", {}, "expected a folder"),
        ("a.npz", {"shape": 1}, "above 1"), ("a.npz", {"shape": (3,)}, "one for each of x, t"),
        ("a.npz", {"shape": "9"}, "above 1"), ("a.npz", {"shape": {"y": 3}}, "'y'"),
        ("a.npz", {"shape": 10**6}, "smaller"),
        ("a.npz", {"times": 2.0}, "increasing times from -1 to 1"), ("a.npz", {"times": [0.5, 0.1]}, "increasing"),
        ("a.npz", {"times": "now"}, "increasing"), ("a.npz", {"times": []}, "increasing"),
        ("a.py", {"shape": 3}, "no shape and no times for .py"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, file, options, said):
    with pytest.raises((ConfigurationError, ProblemError)) as caught:
        made().export(tmp_path / file, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_said(tmp_path):
    still = made(Box(x=(0, 1), y=(0, 1)))
    for file, options, said in (("a.pvd", {}, "a coordinate t"), ("a.vtr", {"times": 1.0}, "no times for")):
        with pytest.raises(ConfigurationError, match=said):
            still.export(tmp_path / file, **options)
    for file in ("a.py", "a.c"):
        with pytest.raises(ConfigurationError, match="soft conditions"):
            hard().export(tmp_path / file)
    with pytest.raises(ConfigurationError, match="t alone"):
        made(Box(t=(0, 1))).export(tmp_path / "a.pvd")


@pytest.mark.parametrize("ending", ["py", "c"])
def test_a_fit_is_exported_with_its_scaling(tmp_path, ending):
    x = np.random.default_rng(0).random((120, 2))
    model = fit(x, 300 + 50 * np.sin(x[:, 0]) * x[:, 1], network=KAN(width=[1], degree=3, intervals=3), seed=0)
    model.export(tmp_path / f"fitted.{ending}")
    text = (tmp_path / f"fitted.{ending}").read_text()
    if ending == "py":
        evaluate = runpy.run_path(str(tmp_path / "fitted.py"))["evaluate"]
        assert np.abs(evaluate(*x.T) - model(x)).max() < 1e-10
    else:
        assert repr(float(model.model.ansatz.mean[0])) in text
