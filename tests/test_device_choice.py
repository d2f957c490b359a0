"""device=auto: the processor without a GPU, else the faster device, measured once."""

from __future__ import annotations

import pytest
import torch

from kanpde import KAN, load_problem
from kanpde.training import device_choice
from kanpde.training.device_choice import STEPS, device_for, kept, measured, seconds_of_step, size_of

SMALL, LARGE = STEPS["small"][0], STEPS["large"][0]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a GPU that is faster in large steps; the list of its measurements."""
    asked = []

    def seconds(device, nodes, points):
        asked.append((device, nodes))
        return 1.0 if device == "cpu" else 2.0 if nodes == SMALL else 0.5

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(device_choice, "seconds_of_step", seconds)
    monkeypatch.setattr(device_choice, "torch_device", lambda name: name)
    device_choice.faster_on_gpu.cache_clear()
    yield asked
    device_choice.faster_on_gpu.cache_clear()


def again():
    """A new process begins."""
    device_choice.faster_on_gpu.cache_clear()


def test_without_a_gpu_nothing_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device_choice, "faster_on_gpu", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert device_for("auto", load_problem("heat"), KAN()) == torch.device("cpu") and not any(tmp_path.iterdir())


def test_the_faster_device_is_taken_by_the_size_of_the_problem(machine):
    assert device_for("auto", load_problem("heat"), KAN()) == "cpu"
    assert device_for("auto", load_problem("heat_2d"), KAN()) == "cuda"
    assert device_for("auto", load_problem("heat"), KAN(width=[8, (4, 4)])) == "cuda"
    assert device_for("cuda:1", load_problem("heat"), KAN()) == "cuda:1"
    assert machine == [("cuda", SMALL), ("cpu", SMALL), ("cuda", LARGE), ("cpu", LARGE)]


def test_it_is_measured_once_and_kept(machine, tmp_path):
    first = device_choice.faster_on_gpu()
    again()
    assert device_choice.faster_on_gpu() == first == {"small": False, "large": True} and len(machine) == 4
    for damaged in ("", "{", '{"faster": {"small": 1}}', "\x00"):
        (tmp_path / "kanpde" / "device.json").write_text(damaged)
        machine.clear()
        again()
        assert device_choice.faster_on_gpu() == first and len(machine) == 4


def test_another_card_is_measured(machine, monkeypatch, tmp_path):
    device_choice.faster_on_gpu()
    assert kept(tmp_path / "kanpde" / "device.json", device_choice.machine_key()) is not None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "another card")
    assert kept(tmp_path / "kanpde" / "device.json", device_choice.machine_key()) is None


def test_a_folder_that_cannot_be_written_and_a_card_that_fails_are_no_errors(machine, monkeypatch, tmp_path):
    (tmp_path / "kanpde").write_text("a file")
    assert device_choice.faster_on_gpu()["large"]

    def fails(device, nodes, points):
        raise RuntimeError("CUDA out of memory")

    assert measured(fails) == {"small": False, "large": False}


def test_a_step_is_measured_and_sizes_are_told_apart():
    assert 0 < seconds_of_step("cpu", 2, 50) < float("inf")
    assert size_of(load_problem("heat"), KAN(width=[5])) == "small"
