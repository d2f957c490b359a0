"""Checks of the words of a command line and of the settings that Hydra makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from kanpde.cli.messages import unread
from kanpde.errors import ConfigurationError, nearest, out_of_memory, short


def checked_words(words: Sequence[str]) -> list[str]:
    """Return the words with the options first, because Hydra refuses KEY=VALUE on both sides of an option such as -m.

    Raises ConfigurationError for an option that Hydra does not know, which it would explain in several lines.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise ConfigurationError(f"expected KEY=VALUE or an option of Hydra's, got {message}; see kanpde --help")

    parser.error = refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(list(words))
    if given.experimental_rerun is not None:
        raise ConfigurationError("expected no --experimental-rerun, which reads pickles; use kanpde resume RUN_DIR")
    if given.package is not None and given.cfg is None:
        raise ConfigurationError(f"expected --cfg job beside --package {given.package}, got none; add it")
    options = list(words)
    for override in given.overrides:
        options.remove(override)
    return [*options, *given.overrides]


def read_words(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings of the words KEY=VALUE; raise ConfigurationError if a value cannot be read."""
    read: dict[str, Any] = {}
    for count in range(len(words) + 1):
        try:
            read = to_dict(OmegaConf.from_dotlist(list(words[:count])))
        except (YAMLError, OmegaConfBaseException, GrammarParseError) as error:
            raise ConfigurationError(unread(words[count - 1])) from error
    return read


def to_dict(config: Any) -> dict[str, Any]:
    """Convert OmegaConf's settings to a plain dictionary."""
    settings = OmegaConf.to_container(config, resolve=True)
    if not isinstance(settings, dict):
        raise ConfigurationError(f"expected settings as KEY: VALUE, got {type(settings).__name__}")
    return {str(key): value for key, value in settings.items()}


def check_output() -> None:
    """Raise ConfigurationError if Hydra's own settings name no folder for the run, or change the working folder."""
    settings = HydraConfig.get()
    name, place = ("hydra.sweep.dir", settings.sweep.dir) if is_sweep() else ("hydra.run.dir", settings.run.dir)
    if not str(place).strip():
        raise ConfigurationError(f"expected a folder in {name}, got {place!r}; {name}=. is the working folder")
    if settings.job.chdir:
        raise ConfigurationError("expected hydra.job.chdir=false, got true; the files of a run are in its folder")


def check_keys(config: DictConfig, known: Sequence[str]) -> None:
    """Raise ConfigurationError for settings without a value, for missing groups, and for unknown ones.

    A setting that others use, as in ``+size=2 problem.width=${size}``, is a variable and may have any name.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigurationError(f"expected a value for {missing[0]}, got none; give {missing[0]}=VALUE")
    if lost := [name for name in known if name not in config]:
        raise ConfigurationError(f"expected a value for {lost[0]}, got none; leave out ~{lost[0]}")
    used = set(re.findall(r"\$\{\s*(\w+)", OmegaConf.to_yaml(config, resolve=False)))
    for name in map(str, config):
        if name not in known and name not in used:
            raise ConfigurationError(f"unknown setting {name!r}; {nearest(name, known)}")


@contextmanager
def contained() -> Iterator[None]:
    """Turn what would end the run without a word into an error: an exit of a problem's own code, too little memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ConfigurationError(
            f"expected a problem and settings that fit into memory, got {short(str(error))}; give fewer nodes, "
            "intervals or points"
        ) from error
    except SystemExit as error:
        raise ConfigurationError(
            f"expected the problem to compute, got an exit of the program with status {error.code!r}; leave out "
            "sys.exit and quit"
        ) from error


def is_sweep() -> bool:
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)
