"""Earlier champions of a line: what a day's training may go on from, and the full retrain that it is compared with."""

import logging
from collections.abc import Iterator
from datetime import date

from mtmd.errors import BundleError, RegistryError
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry

_log = logging.getLogger(__name__)


def earlier_champions(registry: Registry, as_of: date) -> Iterator[ModelManifest]:
    """Champions of earlier days that were not rolled back, the newest first.

    One whose manifest can't be read is left out, with a warning.
    """
    for model_id in reversed(registry.standing()):
        try:
            manifest = registry.manifest(model_id)
        except (BundleError, RegistryError) as error:
            _log.warning("%s is passed over: %s", model_id, error)
            continue
        if manifest.as_of < as_of:
            yield manifest


def anchor(registry: Registry, as_of: date) -> str | None:
    """The last fully retrained champion before a day; None where there is none."""
    full = (model for model in earlier_champions(registry, as_of) if model.started_from is None)
    return next((model.model_id for model in full), None)
