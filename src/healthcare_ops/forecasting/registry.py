"""Models as JSON and LightGBM text with a manifest of hashes: a changed byte anywhere is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from typing import Any

from healthcare_ops import __version__
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.ports import ObjectStore

ROOT = "models/flow"
_MODEL = "model.json"
_TREES = "trees.txt"
_WAITS, _TEXT = "waits_", ".txt"
_MANIFEST = "manifest.json"
_LIBRARIES = ("holidays", "lightgbm", "numpy", "tzdata")
# 2: trees beside the linear models, and head counts; 3: waits, without which a model of form 2 is as good as before.
_SCHEMA_VERSION = 3
_READABLE = (2, _SCHEMA_VERSION)


class OutdatedModelError(ConfigError):
    """A stored model has a form that this version of the product does not read."""


@dataclass(frozen=True)
class StoredModel:
    """One version: its models, and the facts of their training."""

    version: str
    flow: FlowModel
    manifest: Mapping[str, Any]


def save_model(
    objects: ObjectStore,
    flow: FlowModel,
    trained_until: datetime,
    facts: Mapping[str, Any],
    *,
    seals: Mapping[str, str],
) -> str:
    """Store a version and return its name, which follows from its content: equal data, equal version.

    A version that is there and whole, its manifest with the hash that `seals` gives if it gives one, stays as it is,
    with the facts of its first training.
    """
    files = _files(flow)
    hashes = {name: _sha256(content) for name, content in files.items()}
    version = f"flow-{trained_until.astimezone(UTC):%Y%m%dT%H%M%SZ}-{_seal(hashes)}"
    manifest = {
        **facts,
        "schema_version": _SCHEMA_VERSION,
        "version": version,
        "files": hashes,
        "trained_until": trained_until.astimezone(UTC).isoformat(),
        "libraries": {"healthcare-ops": __version__} | {name: installed_version(name) for name in _LIBRARIES},
    }
    if not _is_whole(objects, version, seals.get(version, "")):
        for name, content in files.items():
            objects.write(_key(version, name), content)
        objects.write(_key(version, _MANIFEST), json.dumps(manifest, indent=1, sort_keys=True).encode())
    return version


def load_model(objects: ObjectStore, version: str) -> StoredModel:
    """Return a stored version.

    Raises
    ------
    NotFoundError
        If there is no such version.
    ConfigError
        If one of its files was changed.
    """
    manifest_key = _key(version, _MANIFEST)
    sealed = objects.read(manifest_key)
    try:
        manifest = json.loads(sealed)
        files = {str(name): str(digest) for name, digest in manifest["files"].items()}
        schema_version = manifest["schema_version"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _changed(objects, manifest_key, "what was stored") from error
    if schema_version not in _READABLE:
        raise OutdatedModelError(
            f"{objects.path(manifest_key)} describes a model of form {schema_version}; this version of the product "
            f"reads forms {' and '.join(map(str, _READABLE))}.",
            next_step="Run `hops run --type weekly_train`.",
        )
    if not version.endswith(f"-{_seal(files)}"):
        raise _changed(objects, manifest_key, "the version that it stands under")
    contents = {name: objects.read(_key(version, name)) for name in files}
    for name, content in contents.items():
        if _sha256(content) != files[name]:
            raise _changed(objects, _key(version, name), "its manifest")
    try:
        texts = {name: content.decode() for name, content in contents.items()}
        flow = FlowModel.from_dict(json.loads(texts[_MODEL]), texts.get(_TREES, ""), _wait_trees(texts))
        return StoredModel(version, flow, manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{objects.path(_key(version, _MODEL))} is not a model of this version of the product: {error}.",
            next_step="Train again.",
        ) from error


def _files(flow: FlowModel) -> dict[str, bytes]:
    """Return the files of a version: its models and, if there are any, the trees of arrivals and of waits."""
    files = {_MODEL: json.dumps(flow.to_dict(), sort_keys=True).encode()}
    files |= {_TREES: flow.boosted.trees.encode()} if flow.boosted else {}
    waits = flow.waits.trees if flow.waits else {}
    return files | {f"{_WAITS}{name}{_TEXT}": trees.encode() for name, trees in waits.items()}


def _wait_trees(texts: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(_WAITS).removesuffix(_TEXT): text for name, text in texts.items() if name.startswith(_WAITS)
    }


def _seal(hashes: Mapping[str, str]) -> str:
    """Return the end of a version's name, which follows from the content of all its files."""
    return _sha256(json.dumps(dict(hashes), sort_keys=True).encode())[:8]


def manifest_seal(objects: ObjectStore, version: str) -> str:
    """Return the hash of a version's manifest; `NotFoundError` if there is none."""
    return _sha256(objects.read(_key(version, _MANIFEST)))


def read_manifest(objects: ObjectStore, version: str) -> Mapping[str, Any]:
    """Return a version's manifest as it stands, its files unread; `ConfigError` if it is none, `NotFoundError`."""
    try:
        manifest: Mapping[str, Any] = dict(json.loads(objects.read(_key(version, _MANIFEST))))
    except (TypeError, ValueError) as error:
        raise _changed(objects, _key(version, _MANIFEST), "what was stored") from error
    return manifest


def manifest_path(objects: ObjectStore, version: str) -> str:
    """Return where a person can open a version's manifest."""
    return objects.path(_key(version, _MANIFEST))


def stored_versions(objects: ObjectStore) -> list[str]:
    """Return every version with a manifest, the one that was learnt from the oldest data first."""
    keys = [key for key in objects.list(f"{ROOT}/") if key.endswith(f"/{_MANIFEST}")]
    return sorted(key.removeprefix(f"{ROOT}/").removesuffix(f"/{_MANIFEST}") for key in keys)


def _is_whole(objects: ObjectStore, version: str, sealed: str) -> bool:
    try:
        load_model(objects, version)
    except (NotFoundError, ConfigError):
        return False
    return not sealed or sealed == manifest_seal(objects, version)


def _changed(objects: ObjectStore, key: str, rule: str) -> ConfigError:
    return ConfigError(f"{objects.path(key)} does not match {rule}.", next_step="Restore it, or train again.")


def _key(version: str, name: str) -> str:
    return f"{ROOT}/{version}/{name}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
