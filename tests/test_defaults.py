"""The defaults that settings' comments tell are those of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from kanpde.training.march_phase import DEGREES, MAX_UNKNOWNS
from kanpde.training.network_size import MAX_PARAMETERS
from kanpde.training.settings import TrainingOptions

CONF = Path(__file__).resolve().parents[1] / "conf"


def told(file, setting):
    """The whole numbers in the comment on a setting."""
    (line,) = (line for line in (CONF / file).read_text().splitlines() if line.startswith(f"{setting}:"))
    return {int(number) for number in re.findall(r"\d+", line.partition("#")[2])}


def test_documented_defaults_are_those_of_the_code():
    limits = {MAX_UNKNOWNS, *MAX_PARAMETERS.values()}
    assert told("training/default.yaml", "max_parameters") == limits
    assert {int(number) for number in re.findall(r"\b\d{4}\b", inspect.getsource(TrainingOptions))} == limits
    assert told("network/default.yaml", "degree") == set(DEGREES.values())
