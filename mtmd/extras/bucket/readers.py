"""Logs in a bucket: the day's objects are listed, and fetched into the line's spool when they are read.

<spool>/<table>/YYYY-MM-DD/listed.json                the objects as they were listed last, and their digests
<spool>/<table>/YYYY-MM-DD/<version>/<bucket>/<key>   their files; a version is a digest of the listing

What was listed holds until the day is listed anew: a day whose digests are known needs no object to be fetched.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from mtmd.config import Frozen, SourcesConfig
from mtmd.errors import ConfigError, LogsError, StorageError, UnreachableError
from mtmd.extras.bucket.objects import ObjectPath, is_below
from mtmd.logs.places import DayTemplate
from mtmd.logs.source import LogSource, Table
from mtmd.store.files import digest, remove
from mtmd.store.stores import in_bucket
from mtmd.store.workspace import make_once, read_record, write_record

_LISTINGS, _PAUSE_S = 3, 1.0  # of a day whose objects change meanwhile
_AT_ONCE = 8  # requests for content


class _Object(NamedTuple):
    """An object as it was listed."""

    key: str
    size: int
    e_tag: str


class _Listing(Frozen):
    """A day as it was listed."""

    asked: str = Field(description="digest of the place that was listed")
    objects: tuple[_Object, ...]
    sha256: dict[str, str] = Field({}, description="by file name, as the files of a local folder have them")

    @property
    def version(self) -> str:
        return digest([self.asked, self.objects])[:16]


class _ChangedError(LogsError):
    """An object is no longer as it was listed."""


@dataclass(frozen=True)
class BucketTable(Table):
    """One table's files in a bucket: a template below `root`, the logs' URL, or a URL with its own."""

    name: str
    root: str
    text: str
    folder: Path

    def days(self) -> set[date]:
        """The days that are there now; raises LogsError, and UnreachableError where the bucket can't be asked."""
        return self._template.days()

    def has_day(self, day: date) -> bool:
        """Whether there are objects of the day now."""
        try:
            self._list(day)
        except LogsError:
            return False
        return True

    def refresh(self, day: date) -> None:
        """List the day anew, and fetch the objects whose content is not known yet; raises as `files` does."""
        for attempt in range(_LISTINGS):
            try:
                listing, known = self._list(day), self._known(day)
            except LogsError:
                remove(self._record(day))
                raise
            if known is not None and known.version == listing.version:
                return
            try:
                local = self._fetched(day, listing)
            except _ChangedError:
                time.sleep(_PAUSE_S * attempt)
                continue
            sha256 = local.digests(day, [self.name])[self.name]
            listing = listing.model_copy(update={"sha256": sha256})
            write_record(self._record(day), listing, seal=True)
            return
        raise UnreachableError(
            f"{self.name} of {day}: objects in {self.place} are not as they are listed: they are being written, or the "
            "listing is old; run again when the day is complete"
        )

    def files(self, day: date) -> list[Path]:
        """The objects that were listed last, as files; listed if they were not before.

        Raises LogsError where there are none, or one was changed or removed since.
        """
        return self._fetched(day, self._listed(day)).day_files(self.name, day)

    def digests(self, day: date) -> dict[str, str]:
        """sha256 of each object, by file name, as the files of a local folder have them; raises as `files` does."""
        return self._listed(day).sha256

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""
        return f"{self._template.folder}/{self._template.text}"

    @property
    def _template(self) -> DayTemplate:
        url, text = self._parts
        return DayTemplate(ObjectPath.of(url), text)

    @property
    def _parts(self) -> tuple[str, str]:
        """The URL that the template is seen from, and its text there."""
        text = self.text
        if in_bucket(text):
            scheme, _, behind = text.partition("://")
            bucket, _, below = behind.partition("/")
            return f"{scheme}://{bucket}", below
        if text.startswith("/") or not in_bucket(self.root):
            raise ConfigError(
                f"[sources.{self.name}] has the local place {text!r} beside a bucket; a table's files are in a bucket "
                "or in a folder: write a URL, or a place below `logs`"
            )
        return self.root.rstrip("/"), text

    def _list(self, day: date) -> _Listing:
        """The day's objects now; raises LogsError for none."""
        found = (
            _Object(place.key, place.listed.size, place.listed.e_tag)
            for place in self._template.files(self.name, day)
        )
        return _Listing(asked=digest([self.root, self.text]), objects=tuple(found))

    def _listed(self, day: date) -> _Listing:
        """What was listed last; the day is listed where it was not, or where other places were."""
        if (known := self._known(day)) is None:
            self.refresh(day)
            known = self._known(day)
        assert known is not None, "it was just listed"
        return known

    def _known(self, day: date) -> _Listing | None:
        known = read_record(self._record(day), _Listing)
        return known if known is not None and known.asked == digest([self.root, self.text]) else None

    def _fetched(self, day: date, listing: _Listing) -> LogSource:
        """The objects as a folder of logs. Raises LogsError where one is not as it was listed."""
        place = self._record(day).parent / listing.version
        make_once(place, lambda temporary: self._fetch(day, listing, temporary))
        text = str(_way(place, "/".join(self._parts)))
        return LogSource(place, tables=SourcesConfig.model_validate({self.name: {"files": text}}))

    def _fetch(self, day: date, listing: _Listing, place: Path) -> None:
        bucket = self._template.folder.bucket

        def fetch(one: _Object) -> bool:
            source = ObjectPath(bucket, one.key)
            return source.download(_way(place, str(source)), one.e_tag)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            if not all(list(pool.map(fetch, listing.objects))):
                raise _ChangedError(
                    f"{self.name} of {day}: objects in {self.place} changed since they were listed; run again when the "
                    "day is complete"
                )

    def _record(self, day: date) -> Path:
        return self.folder / self.name / day.isoformat() / "listed.json"


def table(name: str, root: str, text: str, folder: Path) -> BucketTable:
    """A table of the logs whose files are in a bucket; `folder` keeps them."""
    return BucketTable(name, root, text, folder)


def _way(place: Path, url: str) -> Path:
    """Where an object's file is."""
    way = url.partition("://")[2]
    if not is_below(way):
        raise StorageError(
            f"the object {url} must stay below its folder, and its key leads elsewhere; remove it, then run again"
        )
    return place / way
