"""Publish the champion's ads, after a promotion and whenever a newer snapshot of ads is there."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import BundleError, LogsError
from mtmd.extract.shards import ShardRef, read_manifest
from mtmd.extract.sources import ads_digests, read_ads
from mtmd.logs.encoding import EncodedAds
from mtmd.logs.source import LogSource
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.published import open_ads, origin, publish_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import digest
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
    words: str


def publish(
    workspace: Workspace,
    source: LogSource,
    day: date | None = None,
    *,
    model: str | None = None,
    held_out: ShardRef | None = None,
    keep: bool = False,
    int8: bool = False,
) -> Published:
    """Publish a day's ads, by default the newest day's, for a model, by default the champion; then they serve it, all
    or none of them.

    What is there already is not made again. An older day's ads displace a newer one's only where a person names the
    day. A run gives `held_out`, the shard that its model was evaluated on: the snapshot must still be the one that it
    was extracted from. With `keep` the ads that serve the model stay, of whichever day: a person may have chosen them.
    `int8` is the preset's `publication.int8`: with another one than before, the same snapshot is published anew.

    Raises RegistryError without a champion or for an unknown model, LogsError for a snapshot that is missing, not as
    the contract says, changed while it was read, or, if nobody named its day, has less than half of the ads that served
    before: it may be half delivered. BundleError when the model's files are altered or an ad can't be embedded.

    While the champion answers a share of the users, the model of the others gets the same ads, or words say why not.
    """
    catalogue, registry = Catalogue(workspace.root), Registry(workspace.root)
    with catalogue.publishing():
        champion = registry.require_champion()
        wanted, model_id = day or source.newest_day("ads"), model or champion.model_id
        bundle, digests = registry.verify(model_id), workspace.shards / "digests"
        scorer, sources = Scorer.load(bundle), ads_digests(source, wanted, digests)
        if held_out is not None and read_manifest(Path(held_out.path)).sources["ads"] != sources:
            raise LogsError(
                f"ads of {wanted} changed after the model was evaluated on them; run the day again, or publish the "
                "snapshot that is there now with `mtmd publish`"
            )
        bids_by = None if source.sql is None else source.bare_statements()["source_ads"]
        name = f"{wanted}-{digest([origin(scorer.info, int8=int8), sources, bids_by])[:16]}"
        served, made = _serving(catalogue, model_id, scorer), False
        displaces = served is None or served.day <= wanted or (day is not None and held_out is None)
        if served is None or (displaces and not keep and served.name != name):
            snapshot = _snapshot(scorer, source, wanted, sources, digests)
            place = catalogue.path(model_id, name)
            threads = len(os.sched_getaffinity(0))
            made = not publish_ads(scorer, snapshot, place, threads=threads, int8=int8)
            before = served or (catalogue.known(champion.previous) if champion.previous else None)
            served = Current(name=name, day=wanted, ads=len(open_ads(place, scorer.info)))
            if day is None and before is not None:
                _require_enough(before, served)
            catalogue.serve(model_id, served)
        place = catalogue.path(model_id, served.name)
        for output in (bundle, place):  # a person may have removed it from the bucket as damaged
            workspace.store.commit(output)
    words = (
        f"{served.ads} ads of {served.day} are published for {model_id}: {'embedded' if made else 'reused'}"
    )
    if not displaces:
        words = f"{model_id} has the ads of {served.day} already; those of {wanted} displace nothing"
    if model_id == champion.model_id and champion.partner is not None:
        try:
            others = publish(
                workspace, source, day, model=champion.partner, held_out=held_out, keep=keep, int8=int8
            ).words
        except (BundleError, LogsError) as error:  # such as a column that only that model knows
            others = f"{champion.partner} keeps the ads that it has: {error}"
        words = f"{words}; {others}"
    return Published(
        model_id=model_id, day=served.day, path=str(place), ads=served.ads, made=made, words=words
    )


def _serving(catalogue: Catalogue, model_id: str, scorer: Scorer) -> Current | None:
    """What serves the model now; None where that is nothing, or was damaged after it was written."""
    try:
        current = catalogue.current(model_id)
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


def _require_enough(before: Current, now: Current) -> None:
    """Compared with what serves the model; where nothing does yet, with what served the champion before it."""
    if now.ads < LEAST_SHARE * before.ads:
        raise LogsError(
            f"ads of {now.day} are {now.ads}; those of {before.day}, which were published before, are {before.ads}: "
            "less than half as many may be half a delivery. Publish again when it is complete; if it is right as it "
            f"is, name its day: `mtmd publish --day {now.day}`"
        )
