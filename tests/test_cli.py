"""The command line as a user meets it: words in; one line, an exit status and a folder out."""

import inspect
import json
import signal
import subprocess
import sys
from dataclasses import asdict
from functools import partial

import pytest
from equations import ROD
from omegaconf import OmegaConf

from kanpde import KAN, cli
from kanpde.collocation.sampling import SamplingOptions
from kanpde.files import shipped
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.settings import TrainingOptions

QUICK = ["training.max_iterations=100", "device=cpu", "symbolic=off"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A user's folder with the problem rod in it, and the user in it."""
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "rod.py").write_text(ROD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kanpde(here, command):
    """The command, called in the user's folder."""
    return command


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_users_problem_is_solved_from_the_command_line(kanpde, here):
    status, out, err = kanpde("problem=rod", "problem.diffusivity=0.2", "seed=3", *QUICK)
    assert status == 0
    folder = here / out.splitlines()[-1].removeprefix("run: ")
    assert folder.parent == here / "results" / "rod"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["problem"] == "rod" and metrics["seed"] == 3 and metrics["device"] == "cpu"
    assert set(metrics["conditions_rms"]) == {"start", "ends"}
    assert metrics["seconds"]["total"] >= metrics["seconds"]["training"]
    config = OmegaConf.load(folder / "config.yaml")
    assert config.problem == {"name": "rod", "diffusivity": 0.2} and "hydra" not in config
    assert err.startswith("rod: u_t = D u_xx: a rod.\n")
    # Shown again, and gone on with.
    status, shown, _ = kanpde("show", str(folder))
    assert status == 0 and "rod" in shown and "figures" in shown
    status, out, _ = kanpde("resume", str(folder), "training.max_iterations=200")
    assert status == 0 and out.splitlines()[-1] == f"run: {folder.relative_to(here)}"
    status, out, err = kanpde("resume", str(folder), "training.buget_seconds=3")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert err.startswith("error: unknown setting training.buget_seconds; did you mean 'budget_seconds'")


def test_one_failing_job_does_not_lose_the_others(kanpde, here):
    status, _, err = kanpde("-m", "problem=rod", "problem.diffusivity=nan,0.2", *QUICK)
    assert status == 2
    assert "error: job 0 (problem=rod problem.diffusivity=nan" in err
    assert len(list(here.rglob("metrics.json"))) == 1
    assert len([folder for folder in (here / "results" / "rod").iterdir() if folder.is_dir()]) == 1


def test_list_names_every_problem_with_its_equation(kanpde):
    status, out, _ = kanpde("list")
    assert status == 0
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["rod"] == "u_t = D u_xx: a rod." and {"heat", "poisson", "burgers"} <= set(lines)


def test_a_name_taken_twice_costs_no_other_problem(kanpde, here):
    write(here, "problems/wave.py", ROD)
    status, out, err = kanpde("list")
    names = [line.split()[0] for line in out.splitlines()]
    assert status == 0 and {"rod", "heat"} <= set(names) and "wave" not in names
    assert err.startswith("warning: expected one file for the problem 'wave', got ") and err.count("\n") == 1
    status, out, err = kanpde("problem=wave")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert err.startswith("error: expected one file for the problem 'wave', got ")
    assert "name: rod" in kanpde("problem=rod", "--cfg", "job")[1]


BAD = {
    ("problem=burger",): "unknown problem 'burger'; did you mean 'burgers'",
    ("problem=rod", "problem.difusivity=2"): "did you mean 'diffusivity'? known: diffusivity, name",
    ("problem=rod", "problem.diffusivity=.nan"): "diffusivity",
    ("problem=rod", "problem.diffusivity=word"): "diffusivity",
    ("problem=null",): "must be a string",
    ("network.degree=word",): "degree",
    ("network.width=4",): "width",
    ("+network.more=1",): "more",
    ("training.target=word",): "training.target",
    ("sampling.adaptive=word",): "sampling.adaptive",
    ("network=nonesuch",): "unknown network 'nonesuch'; known: default",
    ("symbolic=maybe",): "known: off, on",
    ("symbolic.budget_seconds=0",): "symbolic.budget_seconds",
    ("symbolic.functions=sin",): "symbolic.functions",
    ("experiment=nonesuch",): "unknown experiment 'nonesuch'",
    ("sed=3",): "did you mean 'seed'",
    ("training.buget_seconds=3",): "did you mean 'budget_seconds'",
    ("seed=0,1",): "--multirun",
    ("device=cuda:77",): "cuda:77",
    ("device=tpu",): "tpu",
    ("dtype=float8",): "float8",
    ("shw",): "list, new, show, resume, export, fit, compare, diagnose, bench",
    ("--config-dir", "nowhere"): "nowhere",
    ("list", "more"): "kanpde list",
    ("new",): "kanpde new NAME",
    ("new", "rod"): "problems/rod.py",
    ("show",): "RUN_DIR",
    ("show", "nowhere"): "metrics.json",
    ("export",): "RUN_DIR FILE",
    ("export", "nowhere", "heat.vtr"): "solution.kan",
    ("export", "nowhere", "heat.vtr", "size=3"): "[shape=N]",
    ("resume",): "RUN_DIR",
    ("resume", "nowhere"): "config.yaml",
    ("resume", "nowhere", "seed=1"): "seed=1",
}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_said_in_one_line(kanpde, here, words):
    status, out, err = kanpde(*words)
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert BAD[words] in err
    assert not (here / "results").exists()


def test_a_problem_file_that_raises_is_said_in_one_line(kanpde, here):
    write(here, "problems/bad.py", "import math\nvalue = math.sqrt(-1)\n")
    status, _, err = kanpde("problem=bad")
    assert status == 2 and "bad.py, line 2" in err and err.count("\n") == 1


def test_a_parameter_without_a_default_must_be_given(kanpde, here):
    write(here, "problems/bare.py", ROD.replace("Rod", "Bare").replace("float = 0.3", "float"))
    status, _, err = kanpde("problem=bare")
    assert status == 2 and "problem.diffusivity" in err


def test_settings_are_as_hydras_users_expect(kanpde):
    status, out, _ = kanpde("--help")
    assert status == 0 and "kanpde resume RUN_DIR" in out and "rod" in out
    status, out, _ = kanpde("problem=rod", "+problem.more=1", "--cfg", "job", "--package", "problem")
    assert status == 0 and "name: rod\ndiffusivity: 0.3\nmore: 1" in out


def test_yaml_changes_a_problems_defaults(kanpde, here):
    write(here, "conf/problem/rod.yaml", "diffusivity: 0.7\n")
    write(here, "extra/problem/fast.yaml", "name: rod\ndiffusivity: 9.0\n")
    assert "diffusivity: 0.7" in kanpde("problem=rod", "--cfg", "job")[1]
    assert "diffusivity: 0.1" in kanpde("problem=rod", "problem.diffusivity=0.1", "--cfg", "job")[1]
    assert "name: rod\n  diffusivity: 9.0" in kanpde("--config-dir", "extra", "problem=fast", "--cfg", "job")[1]


def test_the_users_conf_adds_options_but_shadows_none(kanpde, here):
    write(here, "conf/experiment/mine.yaml", "# @package _global_\ndefaults:\n  - override /problem: rod\nseed: 7\n")
    status, out, _ = kanpde("experiment=mine", "--cfg", "job")
    assert status == 0 and "seed: 7" in out and "name: rod" in out
    write(here, "conf/network/default.yaml", "degree: 3\n")
    status, _, err = kanpde("--cfg", "job")
    assert status == 2 and "conf/network/default.yaml" in err


def test_symbolic_is_on_and_can_be_off(kanpde):
    on = kanpde("--cfg", "job", "--package", "symbolic")[1]
    assert "enabled: true" in on and kanpde("symbolic=on", "--cfg", "job", "--package", "symbolic")[1] == on
    assert "enabled: false" in kanpde("symbolic=off", "--cfg", "job")[1]
    assert "budget_seconds: 5" in kanpde("symbolic.budget_seconds=5", "--cfg", "job", "--package", "symbolic")[1]


def test_an_interrupt_before_training_is_one_line(kanpde, here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_job", interrupted)
    assert kanpde("problem=rod") == (130, "", "interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way there")
def test_an_interrupted_run_is_saved_and_can_go_on(kanpde, here):
    words = [
        sys.executable,
        "-m",
        "kanpde",
        "problem=rod",
        "training.max_iterations=1000",
        "device=cpu",
        "symbolic=off",
    ]
    # Where the tests themselves run in the background the child would be born deaf to Ctrl-C.
    hearing = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=here, stdout=pipe, stderr=pipe, text=True, preexec_fn=hearing) as child:
        while "iteration" not in child.stderr.readline():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    folder = out.splitlines()[-1].removeprefix("run: ")
    assert child.returncode == 130 and f"kanpde resume {folder}\n" in err and "Traceback" not in err
    before = json.loads((here / folder / "metrics.json").read_text())
    assert before["stopped_because"].startswith("interrupted")
    status, out, _ = kanpde("resume", folder, "training.max_iterations=2000")
    after = json.loads((here / folder / "metrics.json").read_text())
    assert status == 0 and out.splitlines()[-1] == f"run: {folder}"
    assert after["iterations"] >= before["iterations"] and after["seconds"]["total"] > before["seconds"]["total"]


def test_an_interrupt_while_figures_are_drawn_leaves_a_run_to_go_on_with(kanpde, here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("kanpde.runs.run_folder.draw", interrupted)
        status, out, err = kanpde("problem=rod", *QUICK)
    folder = out.removeprefix("run: ").removesuffix("\n")
    assert status == 130 and err.endswith(f"interrupted: continue with kanpde resume {folder}\n")
    status, out, _ = kanpde("resume", folder)
    assert status == 0 and out.splitlines()[-1] == f"run: {folder}" and list((here / folder / "figures").iterdir())


def test_a_mistake_of_kanpdes_own_is_not_hidden(kanpde, monkeypatch):
    def mistaken(*arguments):
        raise ValueError("ours")

    monkeypatch.setattr(cli, "run_job", mistaken)
    with pytest.raises(ValueError, match="ours"):
        kanpde("problem=rod")


def test_a_new_problem_can_be_solved(kanpde, here):
    assert kanpde("new", "bar") == (0, "problems/bar.py: solve it with kanpde problem=bar\n", "")
    status, out, _ = kanpde("problem=bar", *QUICK)
    metrics = json.loads((here / out.splitlines()[-1].removeprefix("run: ") / "metrics.json").read_text())
    assert status == 0 and metrics["problem"] == "bar" and metrics["relative_l2"] < 1e-10


def test_a_run_is_exported(kanpde, here):
    _, out, _ = kanpde("problem=rod", *QUICK)
    folder = out.splitlines()[-1].removeprefix("run: ")
    assert kanpde("export", folder, "rod.csv", "shape=3", "times=[0,0.5]") == (0, "rod.csv\n", "")
    assert len((here / "rod.csv").read_text().splitlines()) == 7
    status, out, err = kanpde("export", folder, "rod.xyz")
    assert status == 2 and err.startswith("error: unknown ending '.xyz'") and err.count("\n") == 1


def test_listing_needs_none_of_the_heavy_packages(here):
    """What is slow to import is imported when it is needed: the list is there at once."""
    program = "import sys; from kanpde import cli; sys.argv = ['kanpde', 'list']; cli.main(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=True)
    assert not {"torch", "sympy", "matplotlib"} & set(ran.stdout.splitlines()[-1].split())


def test_the_module_is_the_command(here):
    ran = subprocess.run([sys.executable, "-m", "kanpde", "show"], cwd=here, capture_output=True, text=True)
    assert ran.returncode == 2 and ran.stderr.startswith("error: ") and "Traceback" not in ran.stderr


def test_files_where_one_stands_take_no_packages_place(here):
    for name in ("numpy", "hydra", "problems/__init__", "torch"):
        write(here, f"{name}.py", "raise RuntimeError('taken for the real one')")
    ran = subprocess.run([sys.executable, "-m", "kanpde", "show", "nowhere"], cwd=here, capture_output=True, text=True)
    assert ran.returncode == 2 and ran.stderr.startswith("error: expected metrics.json in nowhere")


def default(group):
    return OmegaConf.to_container(OmegaConf.load(shipped("conf") / group / "default.yaml"))


def test_the_shipped_defaults_are_those_of_python():
    assert default("training") == asdict(TrainingOptions())
    assert default("sampling") == asdict(SamplingOptions())
    assert OmegaConf.load(shipped("conf") / "symbolic" / "on.yaml") == asdict(SymbolicOptions())
    network = inspect.signature(KAN).parameters
    named = {name: each.default for name, each in network.items() if each.kind is not inspect.Parameter.VAR_KEYWORD}
    assert default("network") == named


def test_a_warning_is_one_line(here):
    program = (
        "import warnings; from kanpde import cli; cli.run_command = lambda words: warnings.warn('so\\nso'); cli.main()"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=True)
    assert ran.stderr == "warning: so so\n"


@pytest.mark.parametrize("words", [["list"], ["problem=poisson", "device=cpu", "symbolic=off"]])
def test_a_reader_that_has_gone_is_no_mistake(here, words):
    """`kanpde list | head -0` and a run whose table nobody reads end as they would have ended."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-u", "-m", "kanpde", *words], cwd=here, **pipes) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0
    assert "error:" not in said and "Traceback" not in said
