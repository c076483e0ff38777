"""The models that were learnt: which is in use, which was when, and whether all are as they were stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.champions import Standing, Use, promote, standing
from healthcare_ops.forecasting.registry import load_model, manifest_seal, stored_versions
from healthcare_ops.operations import audit
from healthcare_ops.ports import ObjectStore

Role = Literal["in use", "challenger", "former", "never used"]


@dataclass(frozen=True)
class Listed:
    """A stored version: its part, when and by whom it was put to use last, and why; `fault` if it is not as stored."""

    version: str
    role: Role
    trained_until: str
    since: str
    by: str
    reason: str
    fault: str


def list_models(objects: ObjectStore) -> list[Listed]:
    """Return all stored versions, that of the newest data first; `ConfigError` if the pointer cannot be read."""
    now = standing(objects)
    return [_listed(objects, version, now) for version in reversed(stored_versions(objects))]


def describe(objects: ObjectStore, version: str) -> tuple[Listed, Mapping[str, Any]]:
    """Return a version and its manifest.

    Raises
    ------
    NotFoundError
        If there is no such version.
    ConfigError
        If it is not as it was stored.
    """
    _require_stored(objects, version)
    return _listed(objects, version, standing(objects)), load_model(objects, version).manifest


def in_use_at(objects: ObjectStore, instant: datetime) -> Use:
    """Return what was in use at an instant; `NotFoundError` if nothing was."""
    found = standing(objects).at(instant)
    if found is None:
        raise NotFoundError(f"no model was in use at {instant.isoformat()}.", next_step="See `hops models list`.")
    return found


def put_to_use(platform: Platform, version: str, *, by: str, reason: str) -> Use:
    """Put a version to use from the next forecast on, by a named person.

    Raises
    ------
    NotFoundError
        If there is no such version.
    ConfigError
        If one of its files was changed, it is in use already, or nobody or no reason is named.
    """
    return _put_to_use(platform, version, by=by, reason=reason, action="models.promote")


def roll_back(platform: Platform, *, by: str, reason: str) -> Use:
    """Put the version to use that was in use before the present one; raises as `put_to_use`."""
    former = standing(platform.context.objects).former
    if former is None:
        raise NotFoundError("no other model was in use before.", next_step="See `hops models list`.")
    return _put_to_use(platform, former.version, by=by, reason=reason, action="models.rollback")


def _put_to_use(platform: Platform, version: str, *, by: str, reason: str, action: str) -> Use:
    objects, now = platform.context.objects, platform.context.clock.now()
    _require_stored(objects, version)
    load_model(objects, version)
    champion = standing(objects).champion
    if champion and champion.version == version:
        raise ConfigError(f"{version} is in use since {champion.since}.", next_step="See `hops models list`.")
    details = {"version": version, "before": champion.version if champion else ""}
    audit.record(objects, now, who=by, action=action, reason=reason, details=details)
    return promote(objects, version, by=by.strip(), reason=reason.strip(), at=now)


def _require_stored(objects: ObjectStore, version: str) -> None:
    if version not in stored_versions(objects):
        raise NotFoundError(f"there is no model {version!r}.", next_step="See `hops models list`.")


def _listed(objects: ObjectStore, version: str, now: Standing) -> Listed:
    use = next((use for use in reversed(now.uses) if use.version == version), None)
    try:
        manifest, fault = load_model(objects, version).manifest, ""
        if use and use is now.champion and use.manifest_sha256 != manifest_seal(objects, version):
            fault = "its manifest is not the one that was promoted"
    except (ConfigError, NotFoundError) as error:
        manifest, fault = {}, error.message
    verdict = manifest.get("verdict", {})
    return Listed(
        version=version,
        role=_role(version, now, use),
        trained_until=manifest.get("trained_until", ""),
        since=use.since if use else "",
        by=use.by if use else "",
        reason=use.reason if use else str(verdict.get("reason", "")),
        fault=fault,
    )


def _role(version: str, now: Standing, use: Use | None) -> Role:
    if now.champion and now.champion.version == version:
        return "in use"
    if now.challenger == version:
        return "challenger"
    return "former" if use else "never used"
