"""Publish the champion's ads, after a promotion and whenever a newer snapshot of ads is there."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import BundleError, LogsError, RegistryError
from mtmd.extract.shards import ShardRef, read_manifest
from mtmd.extract.snapshot import ads_digests, read_ads
from mtmd.logs.encoding import EncodedAds
from mtmd.logs.source import LogSource
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.published import open_ads, publish_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import digest
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace

# Of the ads that served before, in a snapshot that nobody named: from one day to the next a market changes by some per
# cent, and a delivery that is cut short may have any share.
LEAST_SHARE = 0.5


class Published(Frozen):
    """What came of a publication."""

    model_id: str
    day: date = Field(description="of the snapshot of ads that serves the model")
    path: str
    ads: int
    made: bool = Field(description="whether they were embedded now")
    asked: date = Field(
        description="the day that was asked for; an older one, unless a person named it, displaces nothing"
    )

    @property
    def words(self) -> str:
        if self.asked < self.day:
            return (
                f"{self.model_id} has the ads of {self.day} already; those of {self.asked} displace nothing"
            )
        done = "embedded" if self.made else "reused"
        return f"{self.ads} ads of {self.day} are published for {self.model_id}: {done}"


class NoLongerLive(Frozen):
    """A run's model that is not live any more when its ads are to be published: it was rolled back, or displaced."""

    words: str


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

    What is there already is not made again. An older day's ads displace a newer one's only where a person names the
    day. With `held_out`, the shard that the model was evaluated on, the snapshot must still be the one that it was
    extracted from.

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
            return NoLongerLive(
                words=f"ads of {day} are not published: the champion is {live.model_id} by now, not {model}. It keeps "
                "the ads that it has; `mtmd publish` gives it the newest"
            )
        return _publish(workspace, source, day, held_out, model, keep=before)


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
    wanted, model_id = day or source.newest_day("ads"), model or champion.model_id
    path = registry.verify(model_id)
    # every day: a person may have removed the live model from the bucket as damaged
    workspace.store.commit(path)
    scorer, digests = Scorer.load(path), workspace.shards / "digests"
    sources = ads_digests(source, wanted, digests)
    if held_out is not None and read_manifest(Path(held_out.path)).sources["ads"] != sources:
        raise LogsError(
            f"ads of {wanted} changed after the model was evaluated on them; run the day again, or publish the "
            "snapshot that is there now with `mtmd publish`"
        )
    read_by = (
        [] if source.sql is None else [source.bare_statements()["source_ads"]]
    )  # a bid may be computed there
    name = f"{wanted}-{digest([scorer.info.bundle_id, sources, *read_by])[:16]}"
    served, made = _serving(catalogue, model_id, scorer), False
    named = day is not None and held_out is None
    if served is not None and (keep or served.name == name or (served.day > wanted and not named)):
        workspace.store.commit(catalogue.path(model_id, served.name))
    else:
        snapshot = _snapshot(scorer, source, wanted, sources, digests)
        ads, made = _written(scorer, snapshot, catalogue.path(model_id, name))
        before = served or (catalogue.known(champion.previous) if champion.previous else None)
        if day is None and before is not None:
            _require_enough(before, wanted, ads)
        served = Current(name=name, day=wanted, ads=ads)
        catalogue.serve(model_id, served)
    place = str(catalogue.path(model_id, served.name))
    return Published(model_id=model_id, day=served.day, path=place, ads=served.ads, made=made, asked=wanted)


def _serving(catalogue: Catalogue, model_id: str, scorer: Scorer) -> Current | None:
    """What serves the model now; None where that is nothing, or was damaged after it was written."""
    try:
        current = catalogue.require_current(model_id)
        open_ads(catalogue.path(model_id, current.name), scorer.info)
    except BundleError:
        return None
    return current


def _snapshot(
    scorer: Scorer, source: LogSource, day: date, sources: dict[str, str], digests: Path
) -> Iterator[EncodedAds]:
    """A day's ads for the towers; raises at its end, before a publication is complete, if they are not `sources`'."""
    yield from read_ads(source, day, scorer.info.declarations)
    if ads_digests(source, day, digests) != sources:
        raise LogsError(f"ads of {day} changed while they were read; publish again when they are complete")


def _written(scorer: Scorer, ads: Iterator[EncodedAds], place: Path) -> tuple[int, bool]:
    """The number of ads of the publication, and whether it was made now: one that is there, complete, is taken."""
    store = store_of(place)
    if place.exists() or store.fetch(place):
        try:
            complete = len(open_ads(place, scorer.info))
            store.commit(place)
            return complete, False
        except BundleError:  # damaged after it was written: a publication appears whole or not at all
            store.discard(place)
    return publish_ads(scorer, ads, place, threads=len(os.sched_getaffinity(0))), True


def _require_enough(before: Current, day: date, ads: int) -> None:
    """Compared with what serves the model; where nothing does yet, with what served the champion before it."""
    if ads < LEAST_SHARE * before.ads:
        raise LogsError(
            f"ads of {day} are {ads}; those of {before.day}, which were published before, are {before.ads}: less than "
            "half as many may be half a delivery. Publish again when it is complete; if it is right as it is, name "
            f"its day: `mtmd publish --day {day}`"
        )
