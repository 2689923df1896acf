"""Registries whose models are bundles in name, on machines that share a bucket."""

from tests.registry.conftest import build

__all__ = ["build"]
