"""Read a TOML file into a validated model; every mistake names key, value and file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from healthcare_ops.core.errors import ConfigError, NotFoundError


class Strict(BaseModel):
    """Base of every configuration model: frozen, and no key may be unknown.

    `next_step` is what a person can do about a mistake in such a file.
    """

    next_step: ClassVar[str] = "Correct the key, or delete it for its default."
    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Strict)
_PASSWORD = re.compile(r"(//[^:/@\s]*:)[^/\s]*@")


def read_toml(path: Path, model: type[Model]) -> Model:
    """Return the file as `model`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    ConfigError
        If it is not TOML, or a key is unknown, missing or has a bad value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist.", next_step="Check the path.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", next_step="Save it as UTF-8 text.") from error
    try:
        return model.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_in_words(error)}", next_step=model.next_step) from error
    except (ValueError, RecursionError) as error:  # also of numbers and nesting without end
        raise ConfigError(f"{path} is not valid TOML: {error}.", next_step="Mend that line.") from error


def _in_words(error: ValidationError) -> str:
    return " ".join(_finding(item) for item in error.errors())


def _finding(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key `{key}` = {_shown(item['input'])}."
    if item["type"] == "missing":
        return f"key `{key}` is missing."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if not key:  # a rule between keys, whose input is the whole file
        return f"{message}."
    return f"key `{key}` = {_shown(item['input'])}: {message}."


def _shown(value: Any) -> str:
    """Return the value as it stands in the file, less the password of a URL."""
    return _PASSWORD.sub(r"\1…@", repr(value))
