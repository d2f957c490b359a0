"""Work left to a fork: it is done once, its warnings arrive, and what the fork loses is done here."""

import os
import warnings
from pathlib import Path

import pytest

from kanpde.runs import aside
from kanpde.runs.aside import Aside


@pytest.mark.parametrize("forks", [True, False])
def test_the_work_is_done_and_its_warnings_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    monkeypatch.setattr(aside, "forkable", lambda: forks and hasattr(os, "fork"))
    monkeypatch.setattr(aside, "cores", lambda: 2)

    def work() -> None:
        with (tmp_path / "count").open("a") as file:
            file.write("x")
        warnings.warn("half a figure", RuntimeWarning, stacklevel=1)

    work_aside = Aside(work)
    with pytest.warns(RuntimeWarning, match="half a figure"):
        work_aside.join()
    work_aside.join()
    assert (tmp_path / "count").read_text() == "x"


def test_what_a_dead_fork_left_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "cores", lambda: 2)
    here = os.getpid()

    def work() -> None:
        if os.getpid() != here:
            os._exit(9)
        (tmp_path / "done").touch()

    Aside(work).join()
    assert (tmp_path / "done").exists()
