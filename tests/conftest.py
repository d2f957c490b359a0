"""What several files of tests use."""

import os
import sys

import pytest
import torch

from kanpde import cli
from kanpde.calculus import functions

# The problems here are small: threads would wait for each other, the longer the busier the machine is.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes that tests start


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


@pytest.fixture
def no_atoms_stay():
    """Atoms that a test registers are gone after it."""
    yield
    for name in functions.registered():
        del functions.ATOMS[name]


def pytest_collection_modifyitems(items):
    """Tests marked `gpu` are skipped where there is no CUDA device."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu") is not None:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
