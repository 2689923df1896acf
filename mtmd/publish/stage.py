"""Publish the champion's ads, after a promotion and whenever a newer snapshot of ads is there; and export them.

An export has published embeddings as features of another model, such as the heavyweight ranker (paper §1): one Parquet
file with a row per ad: `ad_id` int64 or string, as ids are declared, `product` string, `bundle_id` string, `day` date
of the snapshot, `bid` float, and `embedding.<task>` a fixed-size list of float32 per task, null where the product lacks
it. Vectors of one bundle are comparable with each other and with nothing else, so join on `bundle_id` as well as on
`ad_id`.
"""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import BundleError, LogsError, RegistryError
from mtmd.extract.shards import ShardRef, read_manifest
from mtmd.extract.snapshot import ads_digests, read_ads
from mtmd.logs.encoding import ARROW_TYPES, EncodedAds
from mtmd.logs.ids import id_list
from mtmd.logs.source import LogSource
from mtmd.publish.embedding import Counts, publish_ads
from mtmd.registry.bundle import OUTPUT_PREFIX, BundleInfo, load_bundle
from mtmd.registry.records import Champion
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.published import AdBlock, PublishedAds, open_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import atomic_file, digest, resolve
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace

# Of the ads that served before, in a snapshot that nobody named: from one day to the next a market changes by some per
# cent, and a delivery that is cut short may have any share.
LEAST_SHARE = 0.5


class Published(Frozen):
    """What came of a publication."""

    model_id: str
    bundle_id: str
    day: date = Field(description="of the snapshot of ads that serves the model")
    path: str
    ads: int
    embedded: int = Field(description="ads that were run through a tower now")
    copied: int = Field(description="ads whose features are those of the publication before")
    asked: date = Field(
        description="the day that was asked for; an older one, unless a person named it, displaces nothing"
    )

    @property
    def words(self) -> str:
        if self.asked < self.day:
            return (
                f"{self.model_id} has the ads of {self.day} already; those of {self.asked} displace nothing"
            )
        done = f"{self.embedded} embedded, {self.copied} copied" if self.embedded + self.copied else "reused"
        return f"{self.ads} ads of {self.day} are published for {self.model_id}: {done}"


class NoLongerLive(Frozen):
    """A run's model that is not live any more when its ads are to be published: it was rolled back, or displaced."""

    model_id: str
    champion: str = Field(description="the live model by now")
    day: date = Field(description="of the snapshot of ads that was to be published")

    @property
    def words(self) -> str:
        return (
            f"ads of {self.day} are not published: the champion is {self.champion} by now, not {self.model_id}. It "
            "keeps the ads that it has; `mtmd publish` gives it the newest"
        )


def publish(
    workspace: Workspace,
    source: LogSource,
    day: date | None = None,
    *,
    held_out: ShardRef | None = None,
    model: str | None = None,
) -> Published:
    """Publish a day's ads, by default the newest day's, for a model, by default the champion; then they serve it, all
    or none of them.

    Ads that the publication before has with the same features are copied, the others embedded. What is there already
    is not made again. An older day's ads displace a newer one's only where a person names the day. With `held_out`, the
    shard that the model was evaluated on, the snapshot must still be the one that it was extracted from.

    Raises RegistryError without a champion or for an unknown model, LogsError for a snapshot that is missing, not as
    the contract says, changed while it was read, or, if nobody named its day, has less than half of the ads that served
    before: it may be half delivered. BundleError when the model's files are altered or an ad can't be embedded.
    """
    with Catalogue(workspace.root).publishing():
        return _publish(workspace, source, day, held_out, model)


def publish_promoted(
    workspace: Workspace,
    source: LogSource,
    day: date,
    held_out: ShardRef,
    model: str,
    *,
    before: bool = False,
) -> Published | NoLongerLive:
    """Publish, as `publish` does, for the model that a run promoted; nothing where another model is live by now.

    Whoever rolled back meanwhile has chosen which ads serve the model that is live again; whoever promoted a newer one
    publishes its ads. A model that was promoted `before` this run keeps the ads that serve it, of whichever day: a
    person may have chosen them.
    """
    with Catalogue(workspace.root).publishing():
        live = Registry(workspace.root).champion()
        if live is not None and live.model_id != model:
            return NoLongerLive(model_id=model, champion=live.model_id, day=day)
        return _publish(workspace, source, day, held_out, model, keep=before)


def export_ads(workspace: Workspace, output: str | Path) -> str:
    """Write the ads that serve the champion as features of another model; returns a sentence about what was written.

    Raises RegistryError without a champion, BundleError when no ads are published for it, or files are altered, and
    StorageError for an output that is no file of this machine.
    """
    path = resolve(output)
    registry, catalogue = Registry(workspace.root), Catalogue(workspace.root)
    champion = registry.require_champion()
    current = catalogue.require_current(champion.model_id)
    info = load_bundle(registry.verify(champion.model_id))
    ads = open_ads(catalogue.path(champion.model_id, current.name), info)
    rows = export_embeddings(ads, info, current.day, path)
    return f"{rows} ads of {current.day}, embedded by {champion.model_id}, are in {output}"


def _publish(
    workspace: Workspace,
    source: LogSource,
    day: date | None,
    held_out: ShardRef | None,
    model: str | None,
    *,
    keep: bool = False,
) -> Published:
    """Callers hold the lock of whoever publishes; with `keep`, what serves the model stays."""
    catalogue, registry = Catalogue(workspace.root), Registry(workspace.root)
    champion = registry.champion()
    if champion is None:
        raise RegistryError(f"{workspace.root} has no champion whose ads could be published; run a day first")
    wanted = day or source.newest_day("ads")
    model_id = model or champion.model_id
    path = registry.verify(model_id)
    # every day: a person may have removed the live model from the bucket as damaged
    workspace.store.commit(path)
    scorer = Scorer.load(path)
    digests = workspace.shards / "digests"
    sources = ads_digests(source, wanted, digests)
    if held_out is not None:
        _require_same(held_out, sources)
    served, previous = _serving(catalogue, model_id, scorer)
    read_by = [] if source.sql is None else [source.bare_statement("ads")]  # a bid may be computed there
    name = f"{wanted}-{digest([scorer.info.bundle_id, sources, *read_by])[:16]}"
    counts = Counts()
    named = day is not None and held_out is None
    if served is not None and (keep or served.name == name or (served.day > wanted and not named)):
        workspace.store.commit(catalogue.path(model_id, served.name))
        current = served
    else:
        snapshot = _snapshot(scorer, source, wanted, sources, digests)
        ads = _write(scorer, snapshot, catalogue.path(model_id, name), previous, counts)
        if day is None:
            _require_enough(catalogue, champion, wanted, ads)
        current = Current(name=name, day=wanted, ads=ads)
        catalogue.serve(model_id, current)
    return Published(
        model_id=model_id,
        bundle_id=scorer.info.bundle_id,
        day=current.day,
        path=str(catalogue.path(model_id, current.name)),
        ads=current.ads,
        embedded=counts.embedded,
        copied=counts.copied,
        asked=wanted,
    )


def _serving(
    catalogue: Catalogue, model_id: str, scorer: Scorer
) -> tuple[Current, PublishedAds] | tuple[None, None]:
    """What serves the model now; None where that is nothing, or was damaged after it was written."""
    try:
        current = catalogue.require_current(model_id)
        return current, open_ads(catalogue.path(model_id, current.name), scorer.info)
    except BundleError:
        return None, None


def _snapshot(
    scorer: Scorer, source: LogSource, day: date, sources: dict[str, str], digests: Path
) -> Iterator[EncodedAds]:
    """A day's ads for the towers; raises at its end, before a publication is complete, if they are not `sources`'."""
    yield from read_ads(source, day, scorer.info.declarations)
    if ads_digests(source, day, digests) != sources:
        raise LogsError(f"ads of {day} changed while they were read; publish again when they are complete")


def _write(
    scorer: Scorer, ads: Iterator[EncodedAds], place: Path, previous: PublishedAds | None, counts: Counts
) -> int:
    """The number of ads of the publication, which is made unless it is there, complete."""
    store = store_of(place)
    if place.exists() or store.fetch(place):
        try:
            complete = len(open_ads(place, scorer.info))
            store.commit(place)
            return complete
        except BundleError:  # damaged after it was written: a publication appears whole or not at all
            store.discard(place)
    threads = len(os.sched_getaffinity(0))
    publish_ads(scorer, ads, place, threads=threads, previous=previous, counts=counts)
    return counts.embedded + counts.copied


def _require_enough(catalogue: Catalogue, champion: Champion, day: date, ads: int) -> None:
    """Compared with what serves the model; where nothing does yet, with the newest of the models before it."""
    models = (champion.model_id, champion.previous, *champion.rolled_back[-1:])
    served = {model: publication for model in models if model and (publication := catalogue.known(model))}
    if not served:
        return
    yardstick = champion.model_id if champion.model_id in served else max(served, key=lambda m: served[m].day)
    before = served[yardstick]
    if ads < LEAST_SHARE * before.ads:
        raise LogsError(
            f"ads of {day} are {ads}; those of {before.day}, published for {yardstick}, are {before.ads}: less than "
            "half as many may be half a delivery. Publish again when it is complete; if it is right as it is, name "
            f"its day: `mtmd publish --day {day}`"
        )


def _require_same(held_out: ShardRef, sources: dict[str, str]) -> None:
    if read_manifest(Path(held_out.path)).sources["ads"] != sources:
        raise LogsError(
            f"ads of {held_out.day} changed after the model was evaluated on them; run the day again, or publish the "
            "snapshot that is there now with `mtmd publish`"
        )


def export_embeddings(ads: PublishedAds, info: BundleInfo, day: date, path: Path) -> int:
    """Write the file, all of it or nothing, block by block; the number of its rows."""
    schema = _schema(info)
    with atomic_file(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for block in ads.blocks:
            writer.write_batch(_batch(block, info, day, schema))
    return len(ads)


def _schema(info: BundleInfo) -> Any:
    fields = [
        ("ad_id", ARROW_TYPES[info.declarations.ids.ad]),
        ("product", pa.string()),
        ("bundle_id", pa.string()),
        ("day", pa.date32()),
        ("bid", pa.float32()),
    ]
    vectors = [(OUTPUT_PREFIX + task, pa.list_(pa.float32(), width)) for task, width in info.widths.items()]
    return pa.schema(fields + vectors)


def _batch(block: AdBlock, info: BundleInfo, day: date, schema: Any) -> Any:
    rows = len(block)
    columns = [
        pa.array(id_list(block.ad_id), ARROW_TYPES[info.declarations.ids.ad]),
        pa.repeat(pa.scalar(block.product), rows),
        pa.repeat(pa.scalar(info.bundle_id), rows),
        pa.repeat(pa.scalar(day), rows),
        pa.array(block.bid),
    ]
    for task, width in info.widths.items():
        matrix = block.tasks.get(task)
        if matrix is None:
            columns.append(pa.nulls(rows, pa.list_(pa.float32(), width)))
        else:
            flat = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, width))
    return pa.record_batch(columns, schema=schema)
