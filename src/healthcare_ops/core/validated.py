"""Read a TOML file into a validated model; every mistake names key, value and file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, ValidationError

from healthcare_ops.core.errors import ConfigError, NotFoundError


class Strict(BaseModel):
    """Base of every configuration model: frozen, and no key may be unknown.

    `next_step` is what a person can do about a mistake in such a file.
    """

    next_step: ClassVar[str] = "Correct the key, or delete it for its default."
    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Strict)
# Of a URL, as its readers part it: a password may hold "/", "#" and blanks, and what it asks for may be escaped.
_IN_AUTHORITY = re.compile(r"(//[^:/@]*:).*@", re.DOTALL)
_IN_QUERY = re.compile(r"([?&;])([^=&;?]+)=([^&;]*)")
_SECRET = re.compile(r"pass(word|wd|phrase)|pwd|secret|token", re.IGNORECASE)


def holds_password(url: str) -> bool:
    """Tell whether a URL has a password, before its host or in its query."""
    return _without_password(url) != url


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
        return validated(tomllib.loads(text), model, str(path))
    except (ValueError, RecursionError) as error:  # also of numbers and nesting without end
        raise ConfigError(f"{path} is not valid TOML: {error}.", next_step="Mend that line.") from error


def validated(document: Any, model: type[Model], name: str) -> Model:
    """Return a document as `model`; `ConfigError` says which key of what is called `name` is wrong, and how."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{name}: {_in_words(error)}", next_step=model.next_step) from error


def _in_words(error: ValidationError) -> str:
    return " ".join(_finding(item) for item in error.errors())


def _finding(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"key `{key}` is missing."
    shown = "…" if _SECRET.search(key) else _shown(item["input"])
    if item["type"] == "extra_forbidden":
        return f"unknown key `{key}` = {shown}."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if not key:  # a rule between keys, whose input is the whole file
        return f"{message}."
    return f"key `{key}` = {shown}: {message}."


def _shown(value: Any) -> str:
    """Return the value as it stands in the file, less the passwords of URLs and what is called one."""
    return repr(_without_passwords(value))


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if _SECRET.search(str(key)) else _without_passwords(kept) for key, kept in value.items()}
    if isinstance(value, list):
        return [_without_passwords(kept) for kept in value]
    return _without_password(value) if isinstance(value, str) else value


def _without_password(text: str) -> str:
    """Return a text with an ellipsis in the place of each password of a URL."""
    if "//" not in text:
        return text
    return _IN_QUERY.sub(_without_secret, _IN_AUTHORITY.sub(r"\1…@", text))


def _without_secret(part: re.Match[str]) -> str:
    start, key, value = part.groups()
    is_secret = value != "" and _SECRET.search(unquote(key))
    return f"{start}{key}=…" if is_secret else part[0]
