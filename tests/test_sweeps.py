"""The launchers and the sweeper that the manual names run kanpde's jobs; skipped where they are not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
PLUGINS = {"joblib": "joblib_launcher", "submitit_local": "submitit_launcher", "optuna": "optuna_sweeper"}


def installed(plugin):
    """Whether Hydra's plugin is there; its parent package exists with any plugin."""
    try:
        return importlib.util.find_spec(f"hydra_plugins.hydra_{plugin}") is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("name", PLUGINS)
def test_a_command_of_the_manual_runs(name, tmp_path):
    if not installed(PLUGINS[name]):
        pytest.skip(f"hydra's {PLUGINS[name]} is not installed")
    (line,) = re.findall(rf"^python (.*hydra/(?:launcher|sweeper)={name}\b.*)$", PAGE, flags=re.MULTILINE)
    words = [sys.executable, *shlex.split(line), "device=cpu", "hydra.sweep.dir=out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/*/metrics.json")]
    assert len(found) == 2 and {each["verdict"] for each in found} == {"solved"}
    if name == "optuna":
        best = min(each["error_estimate"] for each in found)
        assert f"best_value: {best}" in (tmp_path / "out" / "optimization_results.yaml").read_text()
