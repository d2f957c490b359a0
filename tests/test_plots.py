"""The figures show the numbers they claim to show, on every kind of domain, legibly and without a warning."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.text import Text

import kanpde
from kanpde import plots
from kanpde.geometry.box import Box
from kanpde.plots import history_figure, network_figure, solution_figure, write_figures
from kanpde.plots.network_layout import arrange
from kanpde.plots.network_selection import most_important
from kanpde.plots.slices import slices
from kanpde.plots.style import headline, latex_name, number

pi, sin, cos, exp = np.pi, np.sin, np.cos, np.exp
Function = Callable[..., Any]


@dataclass
class FakeProblem:
    domain: Any
    functions: tuple[Function, ...]
    fields: tuple[str, ...] = ("u",)
    name: str = "fake"
    known: bool = True
    has_equation: bool = True

    def parameters(self) -> dict[str, Any]:
        return {"rate": 4.0}

    def reference_values(self, points: np.ndarray) -> np.ndarray | None:
        if not self.known:
            return None
        return np.stack([np.broadcast_to(f(*points.T), len(points)) for f in self.functions], axis=1)


def some_history() -> dict[str, list[float]]:
    count = np.arange(40.0)
    return {
        "iteration": list(count),
        "seconds": list(0.02 + 0.1 * count),
        "stage": list((count > 30) * 1.0),
        "loss": list(10.0 ** (-0.2 * count)),
        "error": [10.0 ** (-0.1 * i) if i % 5 == 0 else np.nan for i in range(40)],
        "parameters": [100.0 if i < 15 else 200.0 for i in range(40)],
        "rms/residual": list(10.0 ** (-0.1 * count)),
        "rms/left wall": list(2 * 10.0 ** (-0.1 * count)),
    }


def some_layers(width: Sequence[Any]) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    layers, inputs = [], width[0]
    for nodes in width[1:]:
        sums, products = nodes if isinstance(nodes, tuple) else (nodes, 0)
        x = np.tile(np.linspace(-1, 1, 60), (inputs, 1))
        slope = random.normal(size=(inputs, sums + 2 * products, 2, 1))
        values = slope[:, :, 0] * x[:, None] + np.sin(3 * slope[:, :, 1] * x[:, None])
        importance = random.uniform(0.1, 1, size=slope.shape[:2])
        layers.append({"inputs": x, "values": values, "importance": importance, "sums": sums, "products": products})
        inputs = sums + products
    return layers


@dataclass
class FakeSolution:
    problem: FakeProblem
    amplitude: float = 1e-6
    components: str = "array"
    width: Sequence[Any] = (2, (4, 4), 1)
    history: dict[str, list[float]] = field(default_factory=some_history)

    def wiggle(self, coordinates: dict[str, Any]) -> Any:
        return self.amplitude * cos(3 * sum(coordinates.values()) + 0.1)

    def __call__(self, **coordinates: Any) -> Any:
        arrays = tuple(coordinates.values())
        wiggle = self.wiggle(coordinates)
        answer = {
            name: np.broadcast_to(f(*arrays), arrays[0].shape) + (i + 1) * wiggle
            for i, (name, f) in enumerate(zip(self.problem.fields, self.problem.functions, strict=True))
        }
        return answer if len(answer) > 1 else answer[self.problem.fields[0]]

    def residual(self, **coordinates: Any) -> Any:
        wiggle = self.wiggle(coordinates)
        rows = {"first": -wiggle, "second": 2 * wiggle}
        return {"array": -wiggle, "tuple": tuple(rows.values()), "dict": rows, "stack": np.stack([*rows.values()])}[
            self.components
        ]

    def edge_curves(self) -> list[dict[str, Any]]:
        return some_layers(self.width)


@dataclass(frozen=True)
class Disk:
    """A round domain with the same face as Box."""

    names = ("x", "y")
    low = np.array([-1.0, -1.0])
    high = np.array([1.0, 1.0])
    time = None

    def contains(self, points: np.ndarray) -> np.ndarray:
        return (points**2).sum(axis=1) <= 1


def solved(domain: Any, *functions: Function, **settings: Any) -> FakeSolution:
    names = settings.pop("fields", ("u", "v", "p")[: len(functions)])
    problem = FakeProblem(domain, functions, names, known=settings.pop("known", True))
    return FakeSolution(problem, **settings)


unit = (0, 1)
GALLERY = {
    "line": solved(Box(x=unit), lambda x: sin(6 * x)),
    "time": solved(Box(t=(0, 9)), sin, cos, fields=("prey", "predator_2")),
    "square": solved(Box(x=unit, y=unit), lambda x, y: sin(pi * x) * sin(pi * y)),
    "tall": solved(Box(x=unit, y=(0, 2)), lambda x, y: x * y, lambda x, y: x - y, lambda x, y: 0.0 * x),
    "strip": solved(Box(theta=(0, 10), r=unit), lambda a, r: a * r),
    "space-time": solved(Box(x=(-1, 1), t=(0, 2)), lambda x, t: sin(x) * exp(-t)),
    "disk": solved(Disk(), lambda x, y: 1 - x**2 - y**2),
    "plane-time": solved(Box(x=unit, y=unit, t=unit), lambda x, y, t: x * y * exp(-t), lambda x, y, t: x - y + t),
    "cube": solved(Box(x=(-1, 1), y=unit, z=unit), lambda x, y, z: sin(pi * x) + y * z),
    "cube-time": solved(Box(x=unit, y=unit, z=unit, t=unit), lambda x, y, z, t: x + y * z * t),
    "four": solved(Box(x=unit, y=unit, z=unit, w=unit), lambda x, y, z, w: x + y * z * w, known=False),
    "unknown line": solved(Box(x=unit), sin, known=False),
    "unknown system": solved(Box(x=unit, y=unit), lambda x, y: x + y, known=False, components="tuple"),
    "unknown system in time": solved(Box(x=unit, y=unit, t=unit), lambda x, y, t: x, known=False, components="dict"),
}


def maps_of(figure: Any) -> list[Any]:
    return [axes for axes in figure.axes if axes.images]


def image_of(axes: Any) -> np.ndarray:
    return np.ma.filled(axes.images[0].get_array(), np.nan)


def bar_labels(figure: Any) -> list[str]:
    return [axes.images[0].colorbar.ax.get_ylabel() for axes in maps_of(figure) if axes.images[0].colorbar]


# ------------------------------------------------------------------------------------------------ the solution


def test_curves_show_solution_reference_and_error() -> None:
    solution = GALLERY["line"]
    figure = solution_figure(solution)
    curves, error = figure.axes
    found, reference = curves.lines
    x = found.get_xdata()
    assert (x[0], x[-1]) == (0, 1)
    np.testing.assert_array_equal(found.get_ydata(), solution(x=x))
    np.testing.assert_array_equal(reference.get_ydata(), sin(6 * x))
    np.testing.assert_array_equal(error.lines[0].get_ydata(), np.abs(solution(x=x) - sin(6 * x)))
    assert error.get_yscale() == "log"
    assert [t.get_text() for t in curves.get_legend().get_texts()] == ["solution", "reference"]
    assert (curves.get_ylabel(), error.get_xlabel()) == ("$u$", "$x$")
    assert error.get_ylabel() == r"error $|u - u_{\mathrm{ref}}|$"
    assert figure.get_suptitle() == "fake (rate = 4)"


def test_maps_show_solution_reference_and_error() -> None:
    solution = GALLERY["square"]
    figure = solution_figure(solution)
    found, reference, error = maps_of(figure)
    side = np.linspace(0, 1, image_of(found).shape[0])
    x, y = np.meshgrid(side, side)
    np.testing.assert_array_equal(image_of(found), solution(x=x, y=y))
    np.testing.assert_allclose(image_of(reference), sin(pi * x) * sin(pi * y), atol=1e-15)
    np.testing.assert_array_equal(image_of(error), np.abs(image_of(found) - image_of(reference)))
    assert found.images[0].get_clim() == reference.images[0].get_clim()
    assert isinstance(error.images[0].norm, LogNorm)
    assert error.images[0].norm.vmax == pytest.approx(1e-6, rel=1e-3)
    assert [axes.get_title() for axes in (found, reference, error)] == ["solution", "reference", "error"]
    assert (found.get_xlabel(), found.get_ylabel()) == ("$x$", "$y$")
    assert bar_labels(figure) == ["$u$", "$u$", r"error $|u - u_{\mathrm{ref}}|$"]
    assert found.get_aspect() == 1


def test_the_pixels_stand_on_their_grid_points() -> None:
    axes = maps_of(solution_figure(GALLERY["tall"]))[0]
    left, right, bottom, top = axes.images[0].get_extent()
    rows, columns = image_of(axes).shape
    assert left + (right - left) / columns / 2 == pytest.approx(0, abs=1e-12)
    assert top - (top - bottom) / rows / 2 == pytest.approx(2)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 2))


def test_time_runs_to_the_right() -> None:
    solution = GALLERY["space-time"]
    axes = maps_of(solution_figure(solution))[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$t$", "$x$")
    points = image_of(axes).shape[0]
    t, x = np.meshgrid(np.linspace(0, 2, points), np.linspace(-1, 1, points))
    np.testing.assert_array_equal(image_of(axes), solution(x=x, t=t))


def test_values_of_both_signs_have_white_at_zero_and_others_a_sequential_map() -> None:
    signed = maps_of(solution_figure(GALLERY["space-time"]))[0].images[0]
    positive = maps_of(solution_figure(GALLERY["square"]))[0].images[0]
    assert signed.norm.vmin == -signed.norm.vmax
    assert (signed.get_cmap().name, positive.get_cmap().name) == ("RdBu_r", "viridis")


def test_a_system_has_one_row_per_field() -> None:
    figure = solution_figure(GALLERY["tall"])
    error = [rf"error $|{n} - {n}_{{\mathrm{{ref}}}}|$" for n in "uvp"]
    assert bar_labels(figure) == ["$u$", "$u$", error[0], "$v$", "$v$", error[1], "$p$", "$p$", error[2]]
    found = maps_of(figure)[::3]
    side = image_of(found[0]).shape[0]
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 2, side))
    for axes, values in zip(found, GALLERY["tall"](x=x, y=y).values(), strict=True):
        np.testing.assert_array_equal(image_of(axes), values)


def test_a_plane_in_time_is_shown_at_four_times_on_one_scale() -> None:
    solution = GALLERY["plane-time"]
    figure = solution_figure(solution)
    maps = maps_of(figure)
    assert len(maps) == 2 * 3 * 4
    assert [axes.get_title() for axes in maps[:4]] == [f"$t$ = {t}" for t in ("0", "0.333", "0.667", "1")]
    side = np.linspace(0, 1, image_of(maps[0]).shape[0])
    x, y = np.meshgrid(side, side)
    for axes, t in zip(maps[:4], np.linspace(0, 1, 4), strict=True):
        np.testing.assert_array_equal(image_of(axes), solution(x=x, y=y, t=np.full_like(x, t))["u"])
    assert len({axes.images[0].get_clim() for axes in maps[:8]}) == 1
    assert bar_labels(figure)[:2] == ["solution $u$", "reference $u$"]


def test_a_cube_is_cut_through_the_middle() -> None:
    titles = [axes.get_title() for axes in maps_of(solution_figure(GALLERY["cube"]))[:3]]
    assert titles == ["$z$ = 0.5", "$x$ = 0", "$y$ = 0.5"]
    titles = [axes.get_title() for axes in maps_of(solution_figure(GALLERY["four"]))[:4]]
    assert titles[0] == "$z$ = 0.5,  $w$ = 0.5"
    titles = [axes.get_title() for axes in maps_of(solution_figure(GALLERY["cube-time"]))[:4]]
    assert titles[-1] == "$z$ = 0.5,  $t$ = 1"


def test_a_cut_moves_off_the_middle_where_the_solution_vanishes_there() -> None:
    odd = solved(Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)), lambda x, y, z: sin(pi * x) * sin(4 * pi * y) * cos(pi * z / 2))
    maps = maps_of(solution_figure(odd))
    assert [axes.get_title() for axes in maps[:3]] == ["$z$ = 0", "$x$ = −0.2", "$y$ = −0.2"]
    assert all(np.nanmax(image_of(axes)) > 0.3 for axes in maps[:3])


def test_cuts_are_chosen_by_values_inside() -> None:
    ring = (kanpde.Disk((0, 0), 1.0) - kanpde.Disk((0, 0), 0.5)) * Box(t=(0, 1))

    def size(coordinates: dict[str, np.ndarray]) -> np.ndarray:
        radius = np.hypot(coordinates["x"], coordinates["y"])
        assert ((radius <= 1) & (radius >= 0.5)).all()
        return radius

    assert [cut.fixed for cut in slices(ring, size)] == [{2: float(t)} for t in np.linspace(0, 1, 4)]


def test_without_a_reference_the_residual_is_shown() -> None:
    solution = GALLERY["unknown line"]
    curves, residual = solution_figure(solution).axes
    assert len(curves.lines) == 1
    x = residual.lines[0].get_xdata()
    np.testing.assert_array_equal(residual.lines[0].get_ydata(), np.abs(solution.residual(x=x)))
    assert residual.get_ylabel() == "|residual|"


@pytest.mark.parametrize("components", ["tuple", "dict", "stack"])
def test_every_equation_of_a_system_has_its_residual(components: str) -> None:
    solution = solved(Box(x=unit, y=unit), lambda x, y: x + y, known=False, components=components)
    figure = solution_figure(solution)
    found, first, second = maps_of(figure)
    side = np.linspace(0, 1, image_of(found).shape[0])
    x, y = np.meshgrid(side, side)
    expected = solution.residual(x=x, y=y)
    expected = list(expected.values()) if isinstance(expected, dict) else list(expected)
    np.testing.assert_array_equal(image_of(first), np.abs(expected[0]))
    np.testing.assert_array_equal(image_of(second), np.abs(expected[1]))
    assert bar_labels(figure) == ["$u$", "|residual 1|", "|residual 2|"]


def test_nothing_is_shown_outside_the_domain() -> None:
    found, _, error = maps_of(solution_figure(GALLERY["disk"]))
    middle = image_of(found).shape[0] // 2
    for axes in (found, error):
        image = image_of(axes)
        assert np.isnan(image[0, 0])
        assert np.isfinite(image[middle]).all()
    assert found.images[0].get_clim()[0] >= -1e-5


@pytest.mark.parametrize("values", [0.0, 3.0, np.nan])
@pytest.mark.parametrize("domain", [Box(x=unit), Box(x=unit, t=unit), Box(x=unit, y=unit, t=unit)])
def test_constant_and_not_finite_solutions_are_drawn(values: float, domain: Box) -> None:
    def constant(*coordinates: Any) -> Any:
        return values + 0 * coordinates[0]

    solution_figure(solved(domain, constant, amplitude=0.0)).draw_without_rendering()
    solution_figure(solved(domain, constant, amplitude=0.0, known=False)).draw_without_rendering()


# -------------------------------------------------------------------------------------------------- the history


def test_history_shows_every_block_against_iterations_and_seconds() -> None:
    solution = GALLERY["line"]
    figure = history_figure(solution)
    left, right = figure.axes
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["loss", "residual", "left wall", "relative error"]
    assert (left.get_xlabel(), right.get_xlabel()) == ("iterations", "seconds of training")
    history = solution.history
    for axes, along in ((left, "iteration"), (right, "seconds")):
        loss, residual, wall, error = axes.lines[:4]
        assert axes.get_yscale() == "log"
        np.testing.assert_array_equal(loss.get_xdata(), history[along])
        np.testing.assert_array_equal(residual.get_ydata(), history["rms/residual"])
        np.testing.assert_array_equal(wall.get_ydata(), history["rms/left wall"])
        np.testing.assert_array_equal(error.get_xdata(), history[along][::5])
        np.testing.assert_array_equal(error.get_ydata(), history["error"][::5])


def test_history_marks_stages_and_refinements() -> None:
    left, right = history_figure(GALLERY["line"]).axes
    for axes, along in ((left, "iteration"), (right, "seconds")):
        marks = [line.get_xdata()[0] for line in axes.lines[4:]]
        assert marks == [GALLERY["line"].history[along][i] for i in (15, 31)]
        assert [t.get_text() for t in axes.texts] == ["200 parameters", "stage 1"]


@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_histories_are_drawn(length: int) -> None:
    history = {name: values[:length] for name, values in some_history().items()}
    history_figure(solved(Box(x=unit), sin, history=history)).draw_without_rendering()
    history_figure(solved(Box(x=unit), sin, history={})).draw_without_rendering()


def test_a_history_of_zeros_and_of_not_finite_numbers_is_drawn() -> None:
    history = {name: [np.nan, 0.0, np.inf] for name in some_history()} | {"iteration": [0.0, 1.0, 2.0]}
    history |= {"seconds": [0.0, 0.0, 0.0], "parameters": [1.0, 1.0, 1.0], "stage": [0.0, 0.0, 0.0]}
    history_figure(solved(Box(x=unit), sin, history=history)).draw_without_rendering()


# -------------------------------------------------------------------------------------------------- the network

WIDTHS = [(1, 1), (2, 5, 1), (2, (4, 4), 1), (2, (0, 3), 2), (2, 8, 8, 1), (4, 16, 16, 1), (3, (2, 3), (4, 1), 3)]


def squares(figure: Any) -> np.ndarray:
    """The corners of all squares, (edges, 2, 2): low and high."""
    found = [p.vertices for c in figure.axes[0].collections if isinstance(c, PolyCollection) for p in c.get_paths()]
    return np.array([[corners.min(axis=0), corners.max(axis=0)] for corners in found])


def glyphs(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_network_has_a_square_for_every_edge_and_a_glyph_for_every_node(width: Sequence[Any]) -> None:
    layers = some_layers(width)
    figure = network_figure(FakeSolution(FakeProblem(Box(x=unit, t=unit), (sin,)), width=width))
    boxes = squares(figure)
    layers, _ = most_important(layers)
    assert len(boxes) == sum(layer["importance"].size for layer in layers)
    assert glyphs(figure).count("Π") == sum(layer["products"] for layer in layers)
    assert glyphs(figure).count("Σ") == sum(layer["sums"] + 2 * layer["products"] for layer in layers)
    # No two squares overlap, and all lie within the figure.
    low, high = boxes[:, 0], boxes[:, 1]
    apart = (low[:, None] >= high[None]) | (high[:, None] <= low[None])
    assert (apart.any(axis=-1) | np.eye(len(boxes), dtype=bool)).all()
    (left, right), (bottom, top) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert (low > (left, bottom)).all()
    assert (high < (right, top)).all()


def test_network_curves_are_the_edges_own() -> None:
    layers = some_layers((2, 3))
    figure = network_figure(FakeSolution(FakeProblem(Box(x=unit, t=unit), (sin,)), width=(2, 3)))
    curves = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)][1].get_segments()
    order = np.argsort(layers[0]["importance"], axis=None)
    for curve, box, edge in zip(curves, squares(figure), order, strict=True):
        values = layers[0]["values"].reshape(6, -1)[edge]
        assert np.corrcoef(curve[:, 1], values)[0, 1] == pytest.approx(1)
        assert (curve > box[0]).all()
        assert (curve < box[1]).all()


def test_network_names_its_inputs_and_outputs() -> None:
    whole = FakeSolution(FakeProblem(Box(x=unit, theta=unit), (sin, cos), ("u", "pressure")), width=(2, 3, 2))
    assert {"$x$", r"$\theta$", "$u$", r"$\mathrm{pressure}$"} <= set(glyphs(network_figure(whole)))
    assert "fake, network [2, 3, 2]" in glyphs(network_figure(whole))

    class Alone:
        def edge_curves(self) -> list[dict[str, Any]]:
            return some_layers((2, (1, 1), 1))

    assert {r"$x_{\mathrm{1}}$", r"$x_{\mathrm{2}}$", "network [2, (1, 1), 1]"} <= set(glyphs(network_figure(Alone())))


def test_network_leaves_pruned_edges_out_and_draws_flat_ones_flat() -> None:
    class Pruned:
        def edge_curves(self) -> list[dict[str, Any]]:
            layers = some_layers((2, 3, 1))
            layers[0]["importance"][:, 0] = 0.0
            layers[0]["importance"][0, 1] = np.nan
            layers[0]["values"][1, 1] = 1.0 + 1e-15 * np.arange(60)
            return layers

    figure = network_figure(Pruned())
    assert len(squares(figure)) == 9 - 3
    curves = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)][1].get_segments()
    assert min(np.ptp(curve[:, 1]) for curve in curves) < 1e-12


def test_named_edges_show_their_formulas_or_where_there_is_no_room_their_names() -> None:
    class Named:
        def edge_curves(self) -> list[dict[str, Any]]:
            layers = some_layers((2, 2, 1))
            layers[0]["importance"][:] = 1.0
            layers[0]["atoms"] = {(0, 1): ("sech^2", (2.0, 1.0, 3.5, 1e-17)), (1, 1): ("sin", (1.0, 0.0, 1.0, 0.0))}
            layers[1]["atoms"] = {(1, 0): ("x^3", (1.0, -0.25, 2.0, 1.0)), (0, 0): ("exp", (-9.8696, 0.0, 1.0, 0.0))}
            layers[1]["importance"][:] = [[0.0], [1.0]]
            return layers

    texts = set(glyphs(network_figure(Named())))
    assert r"$\mathrm{sech}^2$" in texts
    assert any("sin" in text for text in texts)
    assert r"$2 \left(h_{\mathrm{2}} - 0.25\right)^{3} + 1$" in texts
    assert not any("9.87" in text for text in texts)


def test_the_drawing_grows_with_the_network() -> None:
    sizes = [arrange(some_layers(width)).width for width in ((2, 2, 1), (2, (4, 4), 1), (2, 8, 8, 1), (4, 16, 16, 1))]
    assert sizes == sorted(sizes)
    assert arrange(some_layers((2, 8, 8, 1))).side == arrange(some_layers((2, 2, 1))).side


# ------------------------------------------------------------------------------------------------- all of them


def texts_of(figure: Any) -> list[tuple[str, Any]]:
    """Every text that is seen, with its box in pixels."""
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ticks = {
        id(t)
        for axes in figure.findobj(lambda a: hasattr(a, "get_xticklabels"))
        for t in axes.get_xticklabels(which="both") + axes.get_yticklabels(which="both")
    }
    return [(t.get_text(), t.get_window_extent()) for t in texts if id(t) not in ticks and t.get_rotation() in (0, 90)]


DRAWN = [(solution_figure, name) for name in GALLERY] + [(history_figure, "line"), (network_figure, "time")]


@pytest.mark.parametrize(("draw", "name"), DRAWN)
def test_text_stays_inside_and_apart(draw: Callable[[Any], Any], name: str) -> None:
    figure = draw(GALLERY[name])
    page = figure.bbox.padded(1)
    texts = texts_of(figure)
    for text, box in texts:
        assert page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (one, other)


def test_figures_are_written_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "figures"
    for _ in range(2):  # a second time over the first
        paths = write_figures(GALLERY["square"], folder)
        assert paths == [folder / f"{name}.png" for name in ("solution", "history", "network")]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000 for path in paths)


def test_a_figure_that_fails_is_reported_and_the_others_are_kept(tmp_path: Path) -> None:
    class Broken(FakeSolution):
        def edge_curves(self) -> list[dict[str, Any]]:
            raise ValueError("two\nlines")

    with pytest.warns(RuntimeWarning, match=r"network\.png was not drawn: ValueError: two lines$"):
        paths = write_figures(Broken(GALLERY["line"].problem), tmp_path)
    assert [path.name for path in paths] == ["solution.png", "history.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.png", "solution.png"]


def test_a_notebook_sees_a_picture() -> None:
    assert network_figure(GALLERY["line"])._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x", "x"),
        ("theta", r"\theta"),
        ("u1", r"u_{\mathrm{1}}"),
        ("u_in_2", r"u_{\mathrm{in\_2}}"),
        ("pressure", r"\mathrm{pressure}"),
        ("_odd", r"\mathrm{\_odd}"),
    ],
)
def test_names_as_mathematics(name: str, expected: str) -> None:
    assert latex_name(name) == expected


def test_numbers_and_headline() -> None:
    assert [number(v) for v in (0.25, -3.0, -0.0, 1e-9, 1234.5)] == ["0.25", "−3", "0", "1e-09", "1.23e+03"]
    assert headline(FakeProblem(Box(x=unit), (sin,))) == "fake (rate = 4)"


def test_pyplot_and_its_global_state_are_never_imported() -> None:
    for path in Path(plots.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not any("pyplot" in name for name in (module, *names)), path
