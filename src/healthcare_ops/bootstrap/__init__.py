"""The only place that chooses which adapter fulfils which port."""

from healthcare_ops.bootstrap.platform import Platform, create_state, open_platform

__all__ = ["Platform", "create_state", "open_platform"]
