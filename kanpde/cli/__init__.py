"""The command line: words in, a run's folder and an exit status out. The only importer of hydra."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from kanpde.cli.hydra_sources import ProblemSource, SearchPath
from kanpde.cli.messages import explain, is_hydras
from kanpde.errors import ConfigurationError, ExitStatus, KanpdeError
from kanpde.files import shipped
from kanpde.problem import registry
from kanpde.runs import console


def main() -> int:
    """Carry out the words of ``sys.argv``; returns the exit status.

    The statuses are those of `ExitStatus`; a mistake of kanpde's own is shown with its traceback.
    """
    # Threads that wait by spinning slow a busy machine down many times over; read by OpenMP when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where, **more: console.warn(str(message))
            return carry_out(sys.argv[1:])
    except KeyboardInterrupt:
        console.say("interrupted")
        return ExitStatus.INTERRUPTED
    except (KanpdeError, HydraException, OmegaConfBaseException, OSError, ValueError) as error:
        if isinstance(error, ValueError) and not is_hydras(error):
            raise
        console.fail(explain(error))
        return ExitStatus.BAD_INPUT


def carry_out(words: Sequence[str]) -> int:
    """The command that the first word names; words that name none are for Hydra."""
    commands = {"list": list_problems, "show": show, "resume": resume, "bench": bench}
    return commands[words[0]](words[1:]) if words and words[0] in commands else compose_and_run()


def list_problems(words: Sequence[str]) -> int:
    """``kanpde list``: every problem that can be solved from here, with its equation."""
    if words:
        raise ConfigurationError(f"expected kanpde list and nothing more, got {' '.join(words)!r}; leave that out")
    console.problems({name: registry.describe(name) for name in registry.discover()})
    for complaint in registry.ambiguous().values():
        console.warn(complaint)
    return ExitStatus.SOLVED


def show(words: Sequence[str]) -> int:
    """``kanpde show RUN_DIR [--proof]``: the run's table and figures again; with --proof, how its formula was shown."""
    folders = [word for word in words if word != "--proof"]
    if len(folders) != 1:
        raise ConfigurationError(
            f"expected kanpde show RUN_DIR [--proof], got {len(folders)} words after show; give one folder"
        )
    from kanpde.runs import run_folder

    run_folder.show(Path(folders[0]), proof="--proof" in words)
    return ExitStatus.SOLVED


def resume(words: Sequence[str]) -> int:
    """``kanpde resume RUN_DIR [training.KEY=VALUE ...]``: go on where the run stopped."""
    if not words:
        raise ConfigurationError("expected kanpde resume RUN_DIR, got no folder; give the one after 'run:'")
    overrides = OmegaConf.from_dotlist(list(words[1:]))
    if stray := [word for word in words[1:] if not word.startswith("training.")]:
        raise ConfigurationError(f"expected training.KEY=VALUE after RUN_DIR, got {stray[0]!r}; a run keeps the rest")
    from kanpde.runs import run_folder

    folder = Path(words[0])
    run_folder.check_resumable(folder)
    config = plain(OmegaConf.load(folder / run_folder.CONFIG))
    return run_folder.resume(folder, config["problem"], plain(overrides).get("training", {}))


def bench(words: Sequence[str]) -> int:
    """``kanpde bench [bench.KEY=VALUE ...]``: kanpde beside its peers."""
    sys.argv = [sys.argv[0], *words]
    return compose_and_run("bench", run_bench)


def compose_and_run(name: str = "config", work: Callable[[DictConfig, Path], int] | None = None) -> int:
    """Let Hydra read ``sys.argv`` and run every job that it asks for; returns the worst of their statuses.

    `name` is the file of settings, `work` what is done with them: a problem is solved unless told otherwise.
    """
    statuses: list[int] = []
    home = os.getpid()

    def job(config: DictConfig) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            statuses.append((work or run_job)(config, folder))
        except (KanpdeError, OmegaConfBaseException, OSError) as error:
            # One job's mistake must not cost the jobs after it; a launcher's other process has no other way to tell.
            statuses.append(ExitStatus.BAD_INPUT)
            console.fail(f"{job_title()}{explain(error)}")
            discard(folder)
            if os.getpid() != home:
                raise
        if statuses[-1] == ExitStatus.INTERRUPTED and is_sweep():
            raise KeyboardInterrupt

    for plugin in (ProblemSource, SearchPath):
        Plugins.instance().register(plugin)
    with whole_errors():
        hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=name)(job)()
    return max(statuses, default=ExitStatus.SOLVED)


def run_job(config: DictConfig, folder: Path) -> int:
    """One problem solved into ``folder``; returns the exit status."""
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigurationError(f"expected a value for {missing[0]}, got none; give {missing[0]}=VALUE")
    groups = plain(config)
    from kanpde.runs import run_folder
    from kanpde.training.settings import Settings

    if is_sweep():
        console.say(job_title().removesuffix(": "))
    settings = Settings.read(groups)
    return run_folder.run(folder, groups["problem"], settings, OmegaConf.to_yaml(config, resolve=True))


def run_bench(config: DictConfig, folder: Path) -> int:
    """The benchmark measured into ``folder``; returns the exit status."""
    from kanpde.bench import benchmark

    return benchmark.run(folder, plain(config)["bench"])


def plain(config: Any) -> dict[str, Any]:
    """The settings as a dictionary, with nothing of OmegaConf left."""
    settings = OmegaConf.to_container(config, resolve=True)
    if not isinstance(settings, dict):
        raise ConfigurationError(f"expected settings as KEY: VALUE, got {type(settings).__name__}")
    return {str(key): value for key, value in settings.items()}


def is_sweep() -> bool:
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def job_title() -> str:
    """Which of a sweep's jobs speaks; empty for a single run."""
    return f"job {HydraConfig.get().job.num} ({' '.join(HydraConfig.get().overrides.task)}): " if is_sweep() else ""


def discard(folder: Path) -> None:
    """Remove the folders that Hydra made for a job, up to where the user stands, as far as they are empty."""
    here = Path.cwd()
    for place in (folder, *(parent for parent in folder.parents if here in parent.parents)):
        if not place.is_dir() or any(place.iterdir()):
            return
        place.rmdir()


@contextmanager
def whole_errors() -> Iterator[None]:
    """Hydra prints errors in its own way and exits with 1, unless it is told to raise them."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
