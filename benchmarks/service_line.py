"""A line of models with random weights, registered and with published ads, as trained ones are."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.untrained import random_model, random_rows
from mtmd.config import Preset
from mtmd.export.bundle import bundle_id, export_bundle
from mtmd.logs.encoding import EncodedAds
from mtmd.publish.embedding import publish_ads
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.scorer import Scorer
from mtmd.store.files import write_json

_FIRST = date(2026, 1, 1)


def register(line: Path, preset: Preset, number: int, ads: int) -> str:
    """A model that is not live yet, with published ads; its id. Equal numbers give equal models."""
    name, day = f"model-{number}", _FIRST + timedelta(days=number)
    model = random_model(preset, seed=number)

    def build(directory: Path) -> None:
        export_bundle(model, preset, directory, line / "graphs")
        write_json(directory / "metrics.json", {})

    manifest = ModelManifest(
        model_id=name,
        as_of=day,
        bundle_id=bundle_id(model, preset),
        window={},
        git_commit=None,
        seeds={},
        packages={},
    )
    Registry(line).add(build, manifest)
    scorer, catalogue = Scorer.load(line / "models" / name), Catalogue(line)
    current = Current(name=f"{day}-{'0' * 16}", day=day, ads=ads)
    publish_ads(scorer, _random_ads(scorer, ads), catalogue.path(name, current.name))
    catalogue.serve(name, current)
    return name


def promote(line: Path, model: str) -> None:
    """Make a registered model live."""
    registry = Registry(line)
    champion = registry.champion()
    as_of = registry.manifest(model).as_of
    registry.promote(model, as_of, "a benchmark's", champion.sequence if champion else 0)


def _random_ads(scorer: Scorer, ads: int) -> list[EncodedAds]:
    """As many of each product."""
    schema, rng = scorer.info.declarations.item, np.random.default_rng(7)
    parts = []
    for place, ids in enumerate(np.array_split(np.arange(ads), len(schema.domains))):
        bids = rng.exponential(size=len(ids)).astype(np.float32)
        parts.append(EncodedAds(schema.domains[place], ids, random_rows(schema, len(ids), seed=place), bids))
    return parts
