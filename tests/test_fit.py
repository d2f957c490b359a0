"""Networks on data: accuracy, smoothness against noise, stages, files, and bad input."""

import warnings

import numpy as np
import pytest
import torch

from kanpde import KAN, MLP, Solution, as_sympy, fit, prune, read
from kanpde.errors import ConfigurationError, ProblemError
from kanpde.network.regridding import follow_values, kept_breakpoints
from kanpde.training.fitting.ladder import rungs, widened


def plane(count, seed=0, half=1.0):
    return np.random.default_rng(seed).uniform(-half, half, (count, 2))


def composed(x):
    return np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)


def bump(x):
    return np.sin(x[:, 0]) * np.exp(-(x[:, 1] ** 2))


@pytest.fixture(scope="module")
def model():
    """exp(sin πx + y²) from 1,000 samples."""
    x = plane(1000)
    return fit(x, composed(x), network=KAN(width=[5]), seed=0)


def test_a_composition_is_found_to_six_digits_at_new_points(model):
    x = plane(2000, seed=1)
    assert model.metrics(x, composed(x))["rmse"] < 1e-6, "some points are beyond all samples"
    assert model.network.architecture()["width"] == [[5, 0]], "the network has the width that was asked for"
    assert model.verdict == "solved" and model.record["fit"]["chosen_by"] == "held-out points"


def test_points_come_back_in_the_type_in_which_they_are_given(model):
    x = plane(7)
    found = model(x)
    assert isinstance(found, np.ndarray) and found.shape == (7,)
    as_tensor = model(torch.as_tensor(x))
    assert isinstance(as_tensor, torch.Tensor) and np.array_equal(as_tensor.numpy(), found)
    assert np.array_equal(model(x1=x[:, 0], x2=x[:, 1]), found)
    with pytest.raises(ProblemError, match=r"shape \(n, 2\)"):
        model(x[:, :1])


def test_metrics_are_those_of_their_definitions(model):
    x = plane(50, seed=3)
    y = composed(x) + np.linspace(-0.1, 0.3, 50)
    miss, found = model(x) - y, model.metrics(x, y)
    assert found["mse"] == pytest.approx(np.mean(miss**2)) and found["mae"] == pytest.approx(np.mean(np.abs(miss)))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(miss**2)))
    assert found["r2"] == pytest.approx(1 - np.sum(miss**2) / np.sum((y - y.mean()) ** 2))
    with pytest.raises(ProblemError, match="one for each point"):
        model.metrics(x, y[:10])


def test_a_saved_model_is_the_same_function_with_its_data(model, tmp_path):
    x = plane(40, seed=4)
    model.save(tmp_path / "fit.kan")
    loaded = Solution.load(tmp_path / "fit.kan")
    assert np.array_equal(loaded(x), model(x)) and loaded.record == model.record
    assert np.array_equal(loaded.problem.held_out_values, model.problem.held_out_values)


def test_pruning_and_reading_give_the_formula(model):
    small = prune(model)
    assert small.network.architecture()["width"] == [[1, 0]]
    x = np.array([[0.3, -0.4], [0.9, 0.1]])
    expression = as_sympy(read(small))
    symbols = sorted(expression.free_symbols, key=str)
    assert [symbol.name for symbol in symbols] == ["x1", "x2"]
    values = [float(expression.evalf(subs=dict(zip(symbols, p, strict=True)))) for p in x]
    assert np.allclose(values, composed(x), rtol=1e-4)


def test_the_formula_of_data_is_numeric(model):
    formula = model.symbolify(budget_seconds=600)  # the search ends by itself in a few seconds
    x = plane(100, seed=5)
    assert formula.status == "numeric" and not formula.proved
    assert np.abs(formula.evaluate(x)[:, 0] - composed(x)).max() < 1e-12 and formula.relative_l2 < 1e-12


def test_noise_is_not_fitted():
    x = plane(400, half=2.0)
    y = bump(x) + np.random.default_rng(9).normal(0, 0.1, len(x))
    model = fit(x, y, network=KAN(width=[5], degree=3, intervals=8), seed=0)
    test = plane(1000, seed=8, half=2.0)
    assert model.metrics(test, bump(test))["rmse"] < 0.07, "less than the noise"
    seen = model.metrics(model.problem.points, model.problem.values[:, 0])
    assert 0.08 < seen["rmse"] < 0.12, "the noise itself"
    rough = fit(x, y, network=KAN(width=[5], degree=3, intervals=8), seed=0, training={"smoothness": 0})
    assert rough.metrics(test, bump(test))["rmse"] > model.metrics(test, bump(test))["rmse"]


def test_few_samples_are_all_used_and_judged_by_cross_validation():
    x = np.linspace(0, 1, 40)
    noise = np.random.default_rng(2).normal(0, 0.05, 40)
    model = fit(x, np.sin(6 * x) + noise)
    assert len(model.problem.points) == 40 and model.record["fit"]["chosen_by"] == "generalised cross-validation"
    line = np.linspace(0, 1, 200)
    assert np.sqrt(np.mean((model(line) - np.sin(6 * line)) ** 2)) < 0.04


def test_several_outputs_are_fields():
    x = plane(300)
    y = np.stack([bump(x), 3 + 100 * x[:, 0] * x[:, 1]], axis=1)
    model = fit(x, y, network=KAN(width=[3]), seed=0)
    assert model(x).shape == (300, 2) and model.problem.fields == ("y1", "y2")
    assert model.metrics(x, y)["r2"] > 0.999


def test_more_coordinates_than_a_box_may_have():
    x = np.random.default_rng(0).uniform(size=(400, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    model = fit(x[:300], y[:300], seed=0)
    assert model.problem.domain.names[-1] == "x10" and model.metrics(x[300:], y[300:])["r2"] > 0.99


def test_a_seed_decides_everything():
    x = plane(150, half=2.0)
    one, two = (fit(x, bump(x), network=KAN(width=[1]), seed=3) for _ in range(2))
    assert np.array_equal(one(x), two(x)) and one.history["loss"] == two.history["loss"]


BATCHES = {
    "stages": [{"optimiser": "adam", "iterations": 60, "learning_rate": 2e-2}],
    "batch_size": 64,
    "l1": 1e-4,
    "entropy": 1e-4,
    "smoothness": 0,
    "patience": 50,
    "validation": 0.25,
}


@pytest.mark.parametrize(("network", "l1"), [(KAN(width=[5], degree=3, intervals=5), 1e-4), (MLP(width=[16]), 0.0)])
def test_mini_batches(network, l1):
    x = plane(400, half=2.0)
    model = fit(x, bump(x), network=network, seed=0, training=BATCHES | {"l1": l1, "entropy": l1})
    assert len(model.problem.held_out_points) == 100
    assert model.metrics(x, bump(x))["r2"] > 0.9
    assert len(model.history["loss"]) <= 60 and model.history["validation"][-1] == min(model.history["validation"])


def test_training_stops_early_and_keeps_the_best_network():
    x = plane(60, half=2.0)
    y = np.random.default_rng(1).normal(size=60)  # nothing to learn
    stages = [{"optimiser": "adam", "iterations": 2000, "learning_rate": 3e-2}]
    model = fit(
        x, y, KAN(width=[8], degree=3, intervals=8), training={"stages": stages, "patience": 5, "validation": 0.5}
    )
    assert model.stopped_because.startswith("patience") and len(model.history["loss"]) < 1000
    points, values = model.problem.unseen
    best = model.metrics(points, values[:, 0])["rmse"] / model.problem.standard[1][0]
    assert best == pytest.approx(min(model.history["validation"]), rel=1e-9)


def test_stages_follow_one_another():
    x = plane(300, half=2.0)
    stages = [{"optimiser": "adam", "iterations": 20, "learning_rate": 1e-2}, {"optimiser": "gauss_newton"}]
    model = fit(x, bump(x), KAN(width=[3], degree=5, intervals=5), training={"stages": stages})
    assert {1, 2} == set(model.history["stage"]) and model.metrics(x, bump(x))["rmse"] < 1e-2


def test_a_perceptron_is_fitted_and_saved(tmp_path):
    x = plane(300, half=2.0)
    model = fit(x, bump(x), network=MLP(width=[8, 8]), seed=0)
    assert model.metrics(x, bump(x))["rmse"] < 2e-2
    model.save(tmp_path / "mlp.kan")
    assert np.array_equal(Solution.load(tmp_path / "mlp.kan")(x), model(x))
    with pytest.raises(ConfigurationError, match="built network"):
        prune(model)


def test_values_in_any_units_give_the_same_fit():
    x = plane(150, half=2.0)
    model = fit(1e3 * x + 7, 1e-5 * composed(x / 2) + 2, KAN(width=[1]), seed=0)
    assert np.allclose((model(1e3 * x + 7) - 2) * 1e5, composed(x / 2), atol=1e-4)


def test_constant_values_and_constant_inputs():
    x = np.stack([np.linspace(0, 1, 30), np.full(30, 4.0)], axis=1)
    model = fit(x, np.full(30, 2.5))
    assert np.allclose(model(x), 2.5) and model.metrics(x, np.full(30, 2.5))["mse"] < 1e-20


def test_columns_of_a_table_name_coordinates_and_field():
    class Table:
        columns = ("length (mm)", "t", "d")

        def __array__(self, dtype=None, copy=None):
            return np.random.default_rng(0).uniform(size=(40, 3))

    x = Table()
    model = fit(x, np.asarray(x).sum(axis=1), KAN(width=[1]))
    assert model.problem.domain.names == ("length__mm_", "t", "x_d")


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((3, 2)), np.ones(4), "shape"),
        (np.array([[1.0], [np.nan]]), np.ones(2), "finite"),
        ([["a"], ["b"]], np.ones(2), "real numbers"),
        (np.ones((0, 2)), np.ones(0), "shape.*one row for each sample"),
        (np.ones((3, 2)), None, "y as an array of real numbers, got None"),
        (np.ones((3, 2)) * 1j, np.ones(3), "real numbers, got .*j"),
    ],
)
def test_bad_samples_are_refused_in_one_line(x, y, words):
    with pytest.raises(ProblemError, match=words) as caught:
        fit(x, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "training",
    [
        {"validation": 1.0},
        {"batch_size": 0},
        {"l1": -1},
        {"patience": 0},
        {"smoothness": "high"},
        {"epochs": 5},
        {"tensorboard": True},
    ],
)
def test_bad_settings_are_refused(training):
    with pytest.raises(ConfigurationError, match="training"):
        fit(np.ones((5, 1)), np.ones(5), training=training)


def test_batches_need_a_method_of_gradients():
    stages = [{"optimiser": "lbfgs", "iterations": 3}]
    with pytest.raises(ConfigurationError, match="batch_size"):
        fit(plane(50), np.ones(50), KAN(width=[2]), training={"stages": stages, "batch_size": 10})


def test_batches_alone_are_for_adam():
    x = plane(300)
    model = fit(x, bump(x), KAN(width=[2]), training={"batch_size": 50, "max_iterations": 40})
    assert model.record["fit"]["width"] == [[2, 0]] and set(model.history["stage"]) == {1}
    assert model.record["iterations"] == 40 and model.metrics(x, bump(x))["r2"] > 0.8


@pytest.mark.parametrize("seed", ["a", -1, 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ConfigurationError, match="seed to be a whole number"):
        fit(plane(20), np.ones(20), seed=seed)


@pytest.mark.parametrize("family", ["bspline", "chebyshev", "fourier", "gaussian", "rational", "wavelet"])
def test_every_family_fits_though_the_first_penalty_may_make_it_constant(family):
    x = plane(300)
    y = np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)
    model = fit(x, y, KAN(width=[3], family=family), training={"max_iterations": 200})
    assert model.verdict == "solved" and model.metrics(x, y)["r2"] > 0.999


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_few_samples_are_never_called_solved(count):
    x = plane(count)
    model = fit(x, np.exp(x.sum(axis=1)))
    assert model.verdict in ("doubtful", "failed")


def test_the_estimate_of_few_samples_is_the_cross_validated_one():
    x = plane(24)
    values = np.exp(x.sum(axis=1))
    model = fit(x, values)
    expected = np.sqrt(model.record["fit"]["score"]) * values.std() / np.sqrt(np.mean(values**2))
    assert model.error_estimate == pytest.approx(expected, rel=1e-6)
    assert expected > np.linalg.norm(model(x) - values) / np.linalg.norm(values)


def test_epochs_without_held_out_samples_know_no_error():
    x = plane(50)
    stages = [{"optimiser": "adam", "iterations": 30, "learning_rate": 1e-2}]
    model = fit(x, bump(x), KAN(width=[2]), training={"stages": stages})
    assert model.verdict == "doubtful" and "no samples are held out" in model.reasons[0]
    assert model.record["fit"]["chosen_by"] == "the loss at its own points" and model.error_estimate is None
    held = fit(x, bump(x), KAN(width=[2]), training={"stages": stages, "validation": 0.2})
    assert held.error_estimate > 0


# Parts ----------------------------------------------------------------------------------------------------------------


def test_widths_grow_to_the_given_one():
    first = ((1, 0), (1, 1))
    assert rungs(((5, 0), (2, 1)), 2) == [first, first, first, ((2, 0), (2, 1)), ((3, 0), (2, 1)), ((5, 0), (2, 1))]


def test_a_widened_network_is_the_same_function():
    network = KAN(width=[(1, 1), (2, 0)], degree=3, intervals=4).build([-1, -1], [1, 1], 2)
    wide = widened(network, [(3, 2), (4, 1)])
    x = torch.as_tensor(plane(20))
    assert wide.architecture()["width"] == [[3, 2], [4, 1]] and torch.allclose(wide(x), network(x), atol=1e-12)


def test_grids_follow_the_values_of_nodes():
    network = KAN(width=[2], degree=3, intervals=6).build([-1, -1], [1, 1], 1)
    x = torch.as_tensor(plane(200))
    with torch.no_grad():
        network.first.coefficients.mul_(0.2)
    before = network(x)
    assert follow_values(network, x) and not follow_values(network, x)
    low, high = network.hidden[0].basis.range()
    values = network.first(x)
    assert (values > low).all() and (values < high).all() and torch.allclose(network(x), before, atol=2e-3)


@pytest.mark.parametrize("scale", [0.3, 1.25])
def test_splines_that_go_on_as_polynomials_do_not_change_when_grids_follow(scale):
    network = KAN(width=[3, 2], degree=4, intervals=6).build([-1, -1], [1, 1], 1)
    network.straight = False
    x = torch.as_tensor(plane(300))
    network.refine(x, x[:, 0].exp())
    with torch.no_grad():
        network.first.coefficients.mul_(scale)
    before = network(x)
    assert follow_values(network, x) and not follow_values(network, x)
    assert torch.allclose(network(x), before, rtol=0, atol=1e-12 * float(before.detach().abs().max()))


@pytest.mark.parametrize(("low", "high"), [(-2.0, 3.0), (0.1, 0.62), (0.3, 2.0)])
def test_a_moved_grid_keeps_its_knots_and_their_number(low, high):
    old = np.array([0, 0.1, 0.3, 0.6, 0.61, 0.8, 1.0])
    new = kept_breakpoints(old, low, high)
    inside = [b for b in old[1:-1] if low < b < high and abs(b - low) > 1e-9]
    assert len(new) == len(old) and (np.diff(new) > 0).all() and set(inside) <= set(new)
    assert new[0] == low and new[-1] == high


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (0.0, 1e35), (0.0, 1e-35)])
def test_samples_that_single_precision_cannot_hold_are_refused_in_one_line(shift, scale):
    x = shift + scale * np.linspace(-1, 1, 20)
    with pytest.raises(ProblemError, match="float32") as caught:
        fit(x, np.cos(np.linspace(0, 3, 20)), dtype="float32")
    assert "\n" not in str(caught.value)


def test_an_unfinished_fit_answers_the_same_after_saving(tmp_path):
    x = np.linspace(-1, 1, 30)
    model = fit(
        x,
        np.abs(x),
        KAN(width=[2], family="chebyshev"),
        training={"stages": [{"optimiser": "gauss_newton", "iterations": 1}]},
    )
    model.save(tmp_path / "fit.kan")
    far = np.linspace(-3, 3, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(model(far), Solution.load(tmp_path / "fit.kan")(far))


def test_columns_and_arrays_of_objects_are_numbers():
    x = np.linspace(-1, 1, 30)[:, None]
    model = fit(x, x**2, training={"stages": [{"optimiser": "gauss_newton", "iterations": 3}]})
    assert model.metrics(x.astype(object), x**2) == model.metrics(x, x[:, 0] ** 2)
