"""What several files of tests use."""

import sys

import pytest

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
