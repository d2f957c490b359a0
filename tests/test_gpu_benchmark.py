"""The script that measures a GPU: its parts run without one, and what fails is reported and ends nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu"]


@pytest.fixture
def call(gpu, monkeypatch):
    def run(*words):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words])
        return gpu.main()

    return run


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_without_a_card_it_says_so_in_one_line(call, capsys, tmp_path):
    assert call("--result", str(tmp_path / "gpu.md")) == 2 and not (tmp_path / "gpu.md").exists()
    complaint = capsys.readouterr().err
    assert len(complaint.splitlines()) == 1 and "no CUDA device" in complaint


@pytest.mark.parametrize(
    ("part", "rows"), [("algebra", 2), ("large", 2), ("profile", 2), ("fits", 2), ("solutions", 2)]
)
def test_a_part_has_rows_for_its_columns(gpu, part, rows):
    found = list(gpu.PARTS[part].rows("cpu"))
    assert [len(row) for row in found] == [len(gpu.PARTS[part].columns)] * rows
    assert "nan" not in str(found)


def test_a_step_is_measured(gpu):
    makers = gpu.makers(small=True)
    assert all(0 < gpu.seconds_of_step(makers[name], "cpu") < float("inf") for name in [*makers][:2])


def test_a_failure_is_reported_and_the_page_is_written(call, gpu, monkeypatch, tmp_path):
    found = {"algebra": (["| product |"], None), "fits": gpu.measured("fits", "cpu", 1.0), "steps": ([], "stopped")}
    monkeypatch.setattr(gpu, "measured", lambda name, device, seconds: found[name])
    assert call("--device", "cpu", "--result", str(tmp_path / "gpu.md"), "--parts", "algebra,fits,steps") == 1
    page = (tmp_path / "gpu.md").read_text()
    assert "| product |" in page and "This part was not measured: the budget is over." in page
    assert page.endswith("This part stopped.\n")


def test_a_process_of_a_part_gives_its_rows_or_its_complaint(gpu):
    rows, complaint = gpu.measured("algebra", "cpu", 100.0)
    assert len(rows) == 2 and complaint is None
    words = "failed with status 2: no CUDA device" if not torch.cuda.is_available() else "failed with status 1"
    assert words in gpu.measured("algebra", "cuda:99", 100.0)[1]
