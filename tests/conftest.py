"""What several files of tests use."""

import sys

import pytest
import torch

from kanpde import cli


@pytest.fixture
def command(monkeypatch, capsys):
    """The command ``kanpde``, in this process: words -> (status, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kanpde", *words])
        try:
            status = cli.main()
        except SystemExit as ending:
            status = ending.code
        return (status, *capsys.readouterr())

    return call


def pytest_collection_modifyitems(items):
    """Tests marked `gpu` are skipped where there is no CUDA device."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu") is not None:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
