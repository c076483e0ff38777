"""Models as JSON with a manifest of hashes, and a pointer to the one in use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.forecasters import ArrivalsModel
from healthcare_ops.ports import ObjectStore

_ROOT = "models/arrivals"
_CHAMPION = f"{_ROOT}/champion.json"


@dataclass(frozen=True)
class StoredModel:
    """One version: a model per sector, and the facts of its training."""

    version: str
    sectors: Mapping[str, ArrivalsModel]
    manifest: Mapping[str, Any]


def save_model(
    objects: ObjectStore,
    sectors: Mapping[str, ArrivalsModel],
    trained_until: datetime,
    facts: Mapping[str, Any],
) -> str:
    """Store a version and return its name, which follows from its content: equal data, equal version."""
    content = json.dumps({name: model.to_dict() for name, model in sorted(sectors.items())}, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    version = f"arrivals-glm-{trained_until:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    manifest = {
        "schema_version": 1,
        "version": version,
        "files": {"model.json": digest},
        "trained_until": trained_until.isoformat(),
        "libraries": {"numpy": np.__version__},
        **facts,
    }
    objects.write(f"{_ROOT}/{version}/model.json", content)
    objects.write(f"{_ROOT}/{version}/manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
    return version


def promote(objects: ObjectStore, version: str, reason: str) -> None:
    """Make a version the one in use; the pointer changes in one write and keeps its past."""
    history = champion_history(objects)
    if history and history[-1]["version"] == version:
        return
    history.append({"version": version, "reason": reason})
    objects.write(_CHAMPION, json.dumps({"schema_version": 1, "history": history}, indent=1).encode())


def champion_history(objects: ObjectStore) -> list[dict[str, str]]:
    """Return every version that was in use, the present one last."""
    if not objects.exists(_CHAMPION):
        return []
    history: list[dict[str, str]] = json.loads(objects.read(_CHAMPION))["history"]
    return history


def load_champion(objects: ObjectStore) -> StoredModel:
    """Return the version in use.

    Raises
    ------
    NotFoundError
        If no model was ever promoted.
    ConfigError
        If a file does not match its manifest.
    """
    history = champion_history(objects)
    if not history:
        raise NotFoundError("no model is in use.", next_step="Run `hops run --type weekly_train`.")
    version = history[-1]["version"]
    manifest = json.loads(objects.read(f"{_ROOT}/{version}/manifest.json"))
    content = objects.read(f"{_ROOT}/{version}/model.json")
    if hashlib.sha256(content).hexdigest() != manifest["files"]["model.json"]:
        raise ConfigError(
            f"{objects.path(f'{_ROOT}/{version}/model.json')} does not match its manifest.",
            next_step="Restore it, or train again.",
        )
    stored = json.loads(content)
    return StoredModel(version, {name: ArrivalsModel.from_dict(item) for name, item in stored.items()}, manifest)
