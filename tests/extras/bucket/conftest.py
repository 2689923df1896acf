"""Registries whose models are bundles in name, and services that follow them, on machines that share a bucket."""

from tests.registry.conftest import build
from tests.serve.conftest import declarations, make_bundle

__all__ = ["build", "declarations", "make_bundle"]
