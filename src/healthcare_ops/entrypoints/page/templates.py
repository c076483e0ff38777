"""How pages are filled in: every value is escaped, and one that is missing is an error."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(**options: Any) -> Environment:
    """Return the templates of this folder; `options` are further ones of Jinja's."""
    return Environment(
        loader=PackageLoader("healthcare_ops.entrypoints.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
