"""Command lines with mistakes: every one is said in one line, with status 2, and leaves nothing behind."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from equations import ROD
from omegaconf import OmegaConf

from kanpde.cli.checks import to_dict
from kanpde.errors import KanpdeError, say
from kanpde.runs import run_folder
from kanpde.runs.progress import Progress
from kanpde.training.settings import Settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with the problem rod in it, and the user in it."""
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "rod.py").write_text(ROD)
    (tmp_path / "problems" / "wärme.py").write_text(ROD.replace("Rod", "Waerme"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What is said -> the settings of which it is said, read without Hydra, which is slow.
VALUES: dict[str, list[str]] = {
    "expected seed to be a whole number": ["seed=x", "seed=[1,2]", "seed=''", "seed=true", "seed=1.5"],
    "expected dtype": ["dtype=[]", "dtype={a: 1}", "dtype=double", "dtype=null"],
    "expected device": ["device='cuda:²'", "device=CPU", "device=[]", "device=cuda:", "device=cpu:0"],
    "sampling.sequence": ["sampling.sequence=[]", "sampling.sequence={a: 1}", "sampling.sequence=sobl"],
    "unknown training.weighting": ["training.weighting=[]", "training.weighting=nkt"],
    "unknown base function": ["network.base=[]", "network.base=relu"],
    "unknown family": ["network.family=[]", "network.family=zernike"],
    "expected network.width": ["network.width=4", "network.width=[[1]]", "network.width=[a]", "network.width=[true]"],
    "unknown optimiser": [
        "training.stages=[{optimiser: []}]", "training.stages=[{optimiser: {a: 1}}]",
        "training.stages=[{optimiser: null}]",
    ],
    "unknown key": ["training.stages=[{optimiser: adam, 1: 2}]", "training.stages=[{optimiser: adam, rate: 2, 3: 4}]"],
    "training.stages": ["training.stages=[]", "training.stages=[{}]", "training.stages=[[]]", "training.stages=adam"],
    "expected learning_rate": [
        f"training.stages=[{{optimiser: adam, learning_rate: {rate}}}]" for rate in ("1e300", "1e-300", ".nan", "[]")
    ],
    "expected training.target": [f"training.target={value}" for value in ("1e300", "1", "-1", ".nan", "[]")],
    "expected training.tensorboard": [f"training.tensorboard={value}" for value in ("maybe", "1", "[]", "null")],
    "expected training.budget_seconds": ["training.budget_seconds=[]", "training.budget_seconds=.inf"],
    "network.intervals to be at most": ["network.intervals=100000", "network.intervals=[8,100000]"],
    "network.degree to be at most": ["network.degree=1000000"],
    "to have at most": ["network.width=[1000000]", "network.width=[[0,5000]]"],
    "at most 10000000 sampling.": ["sampling.interior=1000000000000", "sampling.boundary=99999999999999999999999"],
    "unknown function": ["symbolic.functions=[nonesuch]", "symbolic.functions=['[]']"],
    "symbolic.functions": ["symbolic.functions=[]", "symbolic.functions=[[]]", "symbolic.functions=sin"],
    "symbolic.enabled": ["symbolic.enabled=maybe", "symbolic.enabled=1"],
    "parameter diffusivity of rod expected": [
        f"problem.diffusivity={value}" for value in (".inf", "[1]", "1j", "null", "true", "'1'", "9" * 400)
    ],
    "has no parameter": ["problem.foo=1"],
    "expected a problem, got": [
        f"problem.name={name}" for name in ("-1", ".nan", "[]", "null", "{a: 1}", "''", "rood")
    ],
}  # fmt: skip
# What is said -> the words of which it is said; a list has several words.
WORDS: dict[str, list[str | list[str]]] = {
    "expected a problem, got": ["problem.name=[]", "problem.name=-1"],
    "reduce network.width": ["network.width=[2000,2000]"],
    "expected a value for": ["~seed", "~dtype", "~network", "~sampling", "~symbolic", "problem.diffusivity=???"],
    "Interpolation key": ["~problem", "~problem.name", "seed=${nothing}", "hydra.run.dir=${nothing}"],
    "Recursive interpolation": ["training.target=${training.target}"],
    "unknown setting": ["foo=1", "+foo=1", "++a.b=1", "+training.foo=1", "training.foo=1", "hydra.foo=1"],
    "Could not": ["~foo", "~training.foo", "~seed=1", "problem@x=rod"],
    "expected a folder in hydra.run.dir": ["hydra.run.dir=''", "hydra.run.dir=' '"],
    "expected hydra.job.chdir=false": ["hydra.job.chdir=true"],
    "hydra.job.chdir: Value 'maybe'": ["hydra.job.chdir=maybe"],
    "No such file": ["hydra.run.dir=/proc/nonesuch"],
    "File exists": ["hydra.run.dir=/dev/null"],
    "expected no hydra.callbacks": ["+hydra.callbacks.a._target_=os.getcwd"],
    "expected no --experimental-rerun": ["--experimental-rerun=x"],
    "unknown problem": ["problem=", "problem=../rod", "problem=rod.py", "problem=Rod", "problem=_rod"],
    "put quotes inside quotes": ["problem=wärme", "seed=[", "seed='", "seed={", "training.target=${", "seed=1=2"],
    "expected KEY=VALUE, or one of list": ["seed", "help", "problem:rod", "a\nb", "", "日本語", "\udcff", "==1"],
    "an option of Hydra's, got": ["--hlp", "-x", "--cfg", "--cfg=x", "--info=x", "--run=x", "--config-dir", "--help=x"],
    "beside --package": ["--package=network"],
    "requires --multirun": ["seed=range(1,3)"],
    "nowhere": ["--config-dir=nowhere", "--config-path=nowhere"],
    "argument of type 'int'": ["problem=[1]", "network=[1]", "experiment=[1]"],
    "expected kanpde list and nothing more": [["list", "x"], ["list", ""]],
    "after show": [["show", "a", "b"], ["show", ".", "--prof"], ["show", "--proof"]],
    "expected metrics.json in": [["show", ""], ["show", "/dev/null"], ["show", "a\0b"]],
    "File name too long": [["show", "x" * 300]],
    "expected config.yaml in": [["resume", "problems/rod.py"], ["resume", ".", "training.target=1"]],
    "expected training.KEY=VALUE": [
        ["resume", ".", word] for word in ("", "seed=1", "training", "training.target", "training.=1", "~training")
    ],
    "with a value that Hydra can read": [["resume", ".", "training.stages=[{"], ["resume", ".", "training.target=${"]],
    "expected bench.problems": [["bench", "bench.problems=heat"], ["bench", "bench.problems=[]"]],
    "unknown problem [": [["bench", "bench.problems=[[]]"]],
    "unknown peer": [["bench", "bench.peers=[[]]"], ["bench", "bench.peers=[kan]"]],
    "expected a value for bench": [["bench", "~bench"]],
    "expected bench as settings": [["bench", "bench=1"]],
    "expected kanpde fit DATA.csv": [["fit"]],
    "expected a CSV file at": [["fit", "nofile.csv", "target=y"]],
    "unknown setting 'foo'": [["fit", "nofile.csv", "target=y", "+foo=1"]],
    "for seed, got none": [["fit", "nofile.csv", "target=y", "~seed"]],
}  # fmt: skip
GROUPS = ("network", "training", "sampling", "symbolic")
DEFAULTS = {
    **dict.fromkeys(GROUPS, {}), "seed": 0, "device": "cpu", "dtype": "float64", "problem": {"name": "rod"}
}  # fmt: skip


@pytest.mark.parametrize(("said", "word"), [(said, word) for said, words in VALUES.items() for word in words])
def test_a_setting_that_cannot_be_is_said_in_one_line(said: str, word: str, here: Path) -> None:
    key, _, text = word.partition("=")
    change = yaml.safe_load(text)
    for part in reversed(key.split(".")):
        change = {part: change}
    with pytest.raises(KanpdeError) as caught:
        groups = to_dict(OmegaConf.merge(DEFAULTS, change))
        Settings.read(groups)
        run_folder.load(groups["problem"])
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


CASES = [(said, words if isinstance(words, list) else [words]) for said, several in WORDS.items() for words in several]


@pytest.mark.parametrize(("said", "words"), CASES, ids=[repr(" ".join(words))[:60] for _, words in CASES])
def test_a_mistake_is_said_in_one_line(said, words, command, here) -> None:  # type: ignore[no-untyped-def]
    settings = ["problem=rod", "device=cpu"] if "=" in words[0] or words[0][:1] in ("~", "-") else []
    known = {word.split("=")[0].lstrip("~+") for word in words}
    status, out, err = command(*(word for word in settings if word.split("=")[0] not in known), *words)
    assert status == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1, err
    assert said in err and len(err) < 900
    assert not (here / "results").exists()


def test_a_variable_is_no_unknown_setting(command, here, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    texts = []
    monkeypatch.setattr("kanpde.runs.run_folder.run", lambda folder, chosen, settings, text: texts.append(text) or 0)
    words = ["problem=rod", "device=cpu", "+half=0.5", "problem.diffusivity=${half}"]
    assert command(*words) == (0, "", "") and "diffusivity: 0.5" in texts[0]


@pytest.mark.parametrize("words", [["list"], ["problem=waerme"]])
def test_any_encoding_of_the_output_will_do(words: list[str], here: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "kanpde", *words], cwd=here, capture_output=True, text=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert "w\\xe4rme" in ran.stdout + ran.stderr and "Traceback" not in ran.stderr


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    flush = close = write  # type: ignore[assignment]


def test_messages_that_cannot_be_written_cost_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    say("lost")
    Progress("rod").on_start(None)
    sys.stderr.flush()
    assert not isinstance(sys.stderr, Full)
    sys.stderr.close()
