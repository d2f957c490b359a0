"""The command line: read the words, write a run's folder, return an exit status. Only this package imports hydra."""

from __future__ import annotations

import dataclasses
import gc
import io
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra._internal import hydra as hydra_engine
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from kanpde.calculus import processes
from kanpde.cli.checks import check_keys, check_output, checked_words, contained, is_sweep, read_words, to_dict
from kanpde.cli.hydra_sources import NoCallbacks, ProblemSource, SearchPath
from kanpde.cli.messages import explain, raised_by_hydra
from kanpde.errors import ConfigurationError, ExitStatus, KanpdeError
from kanpde.files import contents_of, read_json, shipped
from kanpde.problem import registry
from kanpde.problem.template import write_problem
from kanpde.runs import console
from kanpde.training.interrupts import SIGNALS


def main() -> int:
    """Run the command in ``sys.argv`` and return the exit status.

    The statuses are those of `ExitStatus`. An error inside kanpde is shown with its traceback.
    """
    # Threads that spin while they wait slow a busy machine down; OpenMP reads this variable when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # Imports allocate much and free nothing: collections after every 700 objects cost a sixth of their time.
    gc.set_threshold(50_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # equations have letters that not every encoding has
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP, which must stay so
            signal.signal(number, stop)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where, **more: console.warn(str(message))
            return run_command(sys.argv[1:])
    except KeyboardInterrupt:
        console.say("interrupted")
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        console.unread()
        return ExitStatus.SOLVED
    except (KanpdeError, HydraException, OmegaConfBaseException, OSError) as error:
        console.fail(explain(error))
        return ExitStatus.BAD_INPUT
    except (TypeError, ValueError) as error:
        if not raised_by_hydra(error):
            raise
        console.fail(explain(error))
        return ExitStatus.BAD_INPUT
    finally:
        gc.freeze()  # Python's last collection would walk through every object of torch: a second, for nothing


def stop(number: int, frame: object) -> None:
    """Stop as after Ctrl-C, which saves a run, when a batch system or a closed terminal asks for it."""
    raise KeyboardInterrupt


def run_command(words: Sequence[str]) -> int:
    """Run the command named by the first word; if it names no command, let Hydra read the words."""
    commands = {
        "list": list_problems,
        "new": new,
        "show": show,
        "resume": resume,
        "export": export,
        "fit": fit,
        "compare": compare,
        "diagnose": diagnose,
        "bench": bench,
    }
    command = commands.get(words[0]) if words else None
    if command not in (None, resume):
        first = processes.rank() == 0  # of several processes does it
        with processes.alone():
            return command(words[1:]) if first else ExitStatus.SOLVED
    if processes.rank() == 0:
        return command(words[1:]) if command else compose_and_run()
    with processes.silent() as folder:
        if command:
            return command(words[1:])
        own = [word for word in words if not word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
        sys.argv = [sys.argv[0], *own, f"hydra.run.dir={folder}", f"hydra.sweep.dir={folder}"]
        return compose_and_run()


def list_problems(words: Sequence[str]) -> int:
    """``kanpde list``: print every problem that can be solved from the working folder, with its equation."""
    if words:
        raise ConfigurationError(f"expected kanpde list and nothing more, got {' '.join(words)!r}; leave that out")
    console.problems({name: registry.describe(name) for name in registry.discover()})
    for complaint in registry.ambiguous().values():
        console.warn(complaint)
    return ExitStatus.SOLVED


def new(words: Sequence[str]) -> int:
    """``kanpde new NAME``: write ./problems/NAME.py, a commented problem to start from."""
    if len(words) != 1:
        raise ConfigurationError(f"expected kanpde new NAME, got {len(words)} words after new; give one name")
    file = write_problem(words[0])
    print(f"{file}: solve it with kanpde problem={words[0]}")
    return ExitStatus.SOLVED


def show(words: Sequence[str]) -> int:
    """``kanpde show RUN_DIR [--proof]``: print the run's table and figures; with --proof its proofs."""
    folders = [word for word in words if word != "--proof"]
    if len(folders) != 1:
        raise ConfigurationError(
            f"expected kanpde show RUN_DIR [--proof], got {len(folders)} words after show; give one folder"
        )
    from kanpde.runs import run_folder

    run_folder.show(Path(folders[0]), proved="--proof" in words)
    return ExitStatus.SOLVED


def resume(words: Sequence[str]) -> int:
    """``kanpde resume RUN_DIR [training.KEY=VALUE ...]``: continue a run where it stopped."""
    if not words:
        raise ConfigurationError("expected kanpde resume RUN_DIR, got no folder; give the one after 'run:'")
    if stray := [word for word in words[1:] if not re.match(r"training\.\w+=", word)]:
        raise ConfigurationError(f"expected training.KEY=VALUE after RUN_DIR, got {stray[0]!r}; a run keeps the rest")
    overrides = read_words(words[1:])
    from kanpde.runs import run_folder

    folder = Path(words[0])
    run_folder.check_resumable(folder)
    with contents_of(folder / run_folder.CONFIG):
        try:
            groups = to_dict(OmegaConf.load(folder / run_folder.CONFIG))
        except (YAMLError, OmegaConfBaseException) as error:
            raise ValueError(str(error)) from error
        if "data" not in groups:
            chosen = dict(groups["problem"])
            str(chosen["name"])
    if "data" in groups:
        from kanpde.runs import fit_run

        return fit_run.resume(folder, groups, overrides.get("training", {}))
    return run_folder.resume(folder, chosen, overrides.get("training", {}))


def export(words: Sequence[str]) -> int:
    """``kanpde export RUN_DIR FILE [shape=N] [times=[...]]``: write a run's solution for another program."""
    files = [word for word in words if "=" not in word]
    options = to_dict(OmegaConf.from_dotlist([word for word in words if "=" in word]))
    if len(files) != 2 or set(options) - {"shape", "times"}:
        got = " ".join(words) or "nothing"
        raise ConfigurationError(f"expected kanpde export RUN_DIR FILE [shape=N] [times=[...]], got {got!r}")
    from kanpde.runs import run_folder

    run_folder.export(Path(files[0]), Path(files[1]), options)
    return ExitStatus.SOLVED


def bench(words: Sequence[str]) -> int:
    """``kanpde bench [bench.KEY=VALUE ...]``: compare kanpde with other programs."""
    sys.argv = [sys.argv[0], *words]
    return compose_and_run("bench", run_bench)


def fit(words: Sequence[str]) -> int:
    """``kanpde fit DATA.csv target=NAME [KEY=VALUE ...]``: train a network on a table."""
    if words and not words[0].startswith("-") and "=" not in words[0]:
        quoted = words[0].replace("\\", "\\\\").replace("'", "\\'")
        words = [f"data='{quoted}'", *words[1:]]
    sys.argv = [sys.argv[0], *words]
    return compose_and_run("fit", run_fit)


def diagnose(words: Sequence[str]) -> int:
    """``kanpde diagnose RUN_DIR``: print and draw what the network of a run, or of a file, looks like from inside."""
    if len(words) != 1:
        raise ConfigurationError(f"expected kanpde diagnose RUN_DIR, got {len(words)} words after diagnose; give one")
    from kanpde.runs import diagnose_run

    diagnose_run.run(Path(words[0]))
    return ExitStatus.SOLVED


def compare(words: Sequence[str]) -> int:
    """``kanpde compare network=kan,mlp problem=NAME [KEY=VALUE ...]``: train networks of equal sizes."""
    # Hydra would read the comma as a sweep, and the name network as a group.
    listed = [re.sub(r"^network=\[?([\w, ]+)\]?$", r"networks=[\1]", word) for word in words]
    sys.argv = [sys.argv[0], *listed]
    return compose_and_run("compare", run_compare)


def compose_and_run(name: str = "config", work: Callable[[DictConfig, Path], int] | None = None) -> int:
    """Let Hydra read ``sys.argv``, run every job, and return the worst of their statuses.

    `name` is the file of settings; `work` runs a job with them, by default `run_job`.
    """
    sys.argv[1:] = checked_words(sys.argv[1:])
    statuses: list[int] = []
    jobs: list[tuple[Sequence[str], Mapping[str, Any]]] = []
    home = os.getpid()

    def job(config: DictConfig) -> float:
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            with contained():
                check_output()
                statuses.append((work or run_job)(config, folder))
        except (KanpdeError, OmegaConfBaseException, OSError) as error:
            # A failed job must not end the later jobs; in a launcher's process, raising is the only way to report it.
            statuses.append(ExitStatus.BAD_INPUT)
            console.fail(f"{job_title()}{explain(error)}")
            discard(folder)
            if os.getpid() != home:
                raise
        if statuses[-1] == ExitStatus.INTERRUPTED and is_sweep():
            raise KeyboardInterrupt
        metrics = read_json(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
        jobs.append((HydraConfig.get().overrides.task, metrics))
        return score(metrics)

    for plugin in (ProblemSource, SearchPath):
        Plugins.instance().register(plugin)
    hydra_engine.Callbacks = NoCallbacks  # type: ignore[attr-defined]
    with hydra_raises():
        try:
            hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=name)(job)()
        except SystemExit as error:
            return ExitStatus.BAD_INPUT if error.code else ExitStatus.SOLVED  # Hydra has said why in one line
    if len(jobs) > 1:
        console.sweep([(words, metrics, score(metrics)) for words, metrics in jobs])
    return max(statuses, default=ExitStatus.SOLVED)


def run_job(config: DictConfig, folder: Path) -> int:
    """Solve one problem, write ``folder`` and return the exit status."""
    from kanpde.training.settings import Settings

    check_keys(config, ["problem", *(field.name for field in dataclasses.fields(Settings))])
    groups = to_dict(config)
    from kanpde.runs import run_folder

    if is_sweep():
        console.say(job_title().removesuffix(": "))
    settings = Settings.read(groups)
    return run_folder.run(folder, groups["problem"], settings, OmegaConf.to_yaml(config, resolve=True))


def run_bench(config: DictConfig, folder: Path) -> int:
    """Run the benchmark, write ``folder`` and return the exit status."""
    from kanpde.bench import benchmark

    check_keys(config, ["bench"])
    return benchmark.run(folder, to_dict(config)["bench"])


def run_fit(config: DictConfig, folder: Path) -> int:
    """Train a network on a table, write ``folder`` and return the exit status."""
    if OmegaConf.is_missing(config, "data"):
        raise ConfigurationError("expected kanpde fit DATA.csv target=NAME, got no file; give one, or data=suite")
    groups = ("network", "training", "symbolic")
    check_keys(config, ["data", "target", "test", "seed", "device", "dtype", *groups])
    from kanpde.runs import fit_run

    return fit_run.run(folder, to_dict(config), OmegaConf.to_yaml(config, resolve=True))


def run_compare(config: DictConfig, folder: Path) -> int:
    """Train networks of equal sizes, write ``folder`` and return the exit status."""
    groups = ("training", "networks", "parameters", "data", "target", "test", "seed", "device", "dtype")
    check_keys(config, [*groups, *(["problem"] if "problem" in config else [])])
    from kanpde.runs import compare_run

    return compare_run.run(folder, to_dict(config), OmegaConf.to_yaml(config, resolve=True))


def score(metrics: Mapping[str, Any]) -> float:
    """Return what a sweeper minimises: the estimated error of a run, or the misfit of a fit; infinite without one."""
    scores = metrics.get("scores", {})
    fits = (scores[name].get("rmse") for name in ("validation", "test", "training") if name in scores)
    known = (value for value in (*fits, metrics.get("error_estimate")) if value is not None)
    return float(next(known, float("inf")))


def job_title() -> str:
    """Return the number and settings of a sweep's job; empty for a single run."""
    return f"job {HydraConfig.get().job.num} ({' '.join(HydraConfig.get().overrides.task)}): " if is_sweep() else ""


def discard(folder: Path) -> None:
    """Remove the empty folders that Hydra made for a job, up to the working folder."""
    here = Path(HydraConfig.get().runtime.cwd)
    for place in (folder, *(parent for parent in folder.parents if here in parent.parents)):
        if not place.is_dir() or any(place.iterdir()):
            return
        place.rmdir()


@contextmanager
def hydra_raises() -> Iterator[None]:
    """Let Hydra raise errors; by default it prints them and exits with 1."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
