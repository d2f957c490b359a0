"""What several files of tests use."""

import sys

import pytest

from kanpde import cli
from kanpde.calculus import functions


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
