"""Logs in a bucket: the day's objects are listed, and fetched into the cache when they are read.

<spool>/<table>/YYYY-MM-DD/listed.json    the objects as they were listed last, with the digest of each one's content

What was listed holds until the day is listed anew: a day whose digests are known needs no object to be named.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath
from typing import Any

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import ConfigError, LogsError, UnreachableError
from mtmd.extras.bucket.access import Listed
from mtmd.extras.bucket.cache import Fetched, ObjectCache, Wanted
from mtmd.extras.bucket.objects import ObjectPath
from mtmd.logs.checksums import Sums, require_as_listed
from mtmd.logs.digests import file_names
from mtmd.logs.templates import DayTemplate, of_day, sums_at
from mtmd.store.files import digest, remove
from mtmd.store.outputs import read_record, write_record
from mtmd.store.stores import in_bucket

_LISTINGS, _PAUSE_S = 3, 1.0  # of a day whose objects change meanwhile


class _Object(Frozen):
    """One object of a day."""

    template: int = Field(description="which of the table's places has it")
    key: str
    size: int
    e_tag: str
    sha256: str | None = None

    @property
    def version(self) -> tuple[int, str, int, str]:
        return self.template, self.key, self.size, self.e_tag


class _Listing(Frozen):
    """A day as it was listed."""

    asked: str = Field(description="digest of the places that were listed")
    objects: tuple[_Object, ...]
    sums: tuple[Sums, ...] = Field(
        (), description="the checksums that lie beside the objects, of this day's files"
    )


@dataclass(frozen=True)
class BucketTable:
    """One table's files in a bucket: templates below `root`, the logs' URL, or URLs with a template of their own."""

    name: str
    root: str
    texts: tuple[str, ...]
    folder: Path
    cache: ObjectCache

    def days(self) -> set[date]:
        """The days that each place has now; raises LogsError, and UnreachableError where the bucket can't be asked."""
        return set.intersection(*(template.days() for template in self.templates))

    def has_day(self, day: date) -> bool:
        """Whether each place has objects of the day now."""
        try:
            self._list(day)
        except LogsError:
            return False
        return True

    def refresh(self, day: date) -> None:
        """List the day anew, and fetch the objects whose content is not known yet; raises as `files` does."""
        listing = self._listed(day)
        if any(one.sha256 is None for one in listing.objects):
            self._fetched(day, listing)
        else:
            self._note(day, listing)

    def files(self, day: date) -> list[Path]:
        """The objects that were listed last, as files; listed if they were not before.

        Raises LogsError where there are none, or one was changed or removed since.
        """
        known = self._known(day)
        if known is None:
            return _paths(self._fetched(day, self._listed(day)))
        if (fetched := self._fetch(day, known)) is None:
            raise LogsError(
                f"{self.name} of {day}: objects in {self.place} changed since they were listed; run again when the day "
                "is complete"
            )
        return _paths(fetched)

    def digests(self, day: date) -> dict[str, str]:
        """sha256 of each object, by file name, as the files of a local folder have them; raises as `files` does."""
        known = self._known(day)
        if known is None:
            self.refresh(day)
            known = self._known(day)
        assert known is not None, "it was just listed"
        found = {self._url(one): one.sha256 or "" for one in known.objects}
        require_as_listed(self.name, day, found, known.sums, of_day(self.templates, day))
        names = file_names([Path(self._way(one)) for one in known.objects])
        return {name: one.sha256 or "" for name, one in zip(names, known.objects, strict=True)}

    @property
    def folders(self) -> list[Path]:
        """Where the files are that are read."""
        return [self.cache.folder]

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""
        return " and ".join(f"{template.folder}/{template.text}" for template in self.templates)

    @property
    def templates(self) -> list[DayTemplate[Any]]:
        return [self._template(text) for text in self.texts]

    def _template(self, text: str) -> DayTemplate[Any]:
        if in_bucket(text):
            scheme, _, behind = text.partition("://")
            bucket, _, below = behind.partition("/")
            return DayTemplate(ObjectPath.of(f"{scheme}://{bucket}"), below)
        if text.startswith("/") or not in_bucket(self.root):
            raise ConfigError(
                f"[sources.{self.name}] has the local place {text!r} beside a bucket; a table's files are in buckets "
                "or in folders: write a URL, or a place below `logs`"
            )
        return DayTemplate(ObjectPath.of(self.root), text)

    def _listed(self, day: date) -> _Listing:
        """The day's objects now."""
        try:
            listing, lists = self._list(day)
        except LogsError:
            remove(self._record(day))
            raise
        return listing.model_copy(update={"sums": self._sums(day, lists)})

    def _fetched(self, day: date, listing: _Listing) -> list[Fetched]:
        """The objects as files; listed again where they are no longer as they were listed, a few times at most."""
        for attempt in range(_LISTINGS):
            if (fetched := self._fetch(day, listing)) is not None:
                return fetched
            time.sleep(_PAUSE_S * attempt)
            listing = self._listed(day)
        raise UnreachableError(
            f"{self.name} of {day}: objects in {self.place} are not as they are listed: they are being written, or the "
            "listing is old; run again when the day is complete"
        )

    def _fetch(self, day: date, listing: _Listing) -> list[Fetched] | None:
        """The objects as files, of which the digests are noted; None where one is not as it was listed."""
        templates = self.templates
        wanted = [self._wanted(templates, one) for one in listing.objects]
        fetched = self.cache.fetched(f"{self._asked[:16]}/{day.isoformat()}", wanted)
        if fetched is None:
            return None
        objects = []
        for one, (_, sha256) in zip(listing.objects, fetched, strict=True):
            if one.sha256 not in {None, sha256}:
                raise LogsError(
                    f"{self.name} of {day}: {self._url(one)} has another content than before under the same e-tag "
                    f"({one.e_tag}); write the object again"
                )
            objects.append(one.model_copy(update={"sha256": sha256}))
        self._note(day, listing.model_copy(update={"objects": tuple(objects)}))
        return fetched

    def _note(self, day: date, listing: _Listing) -> None:
        if listing != self._known(day):
            write_record(self._record(day), listing, seal=True)

    def _list(self, day: date) -> tuple[_Listing, list[ObjectPath]]:
        """The day's objects now, with the digests that are known of them, and the lists of checksums; reads none.

        Raises LogsError where a place has no object of the day.
        """
        known = self._known(day)
        digests = {one.version: one.sha256 for one in known.objects} if known is not None else {}
        found: dict[str, _Object] = {}  # places may overlap; a file is read once
        lists: dict[str, ObjectPath] = {}
        for n, template in enumerate(self.templates):
            places, sums = template.files_and_sums(self.name, day)
            lists |= {place.version: place for place in sums}
            for place in places:
                one = _Object(template=n, key=place.key, size=place.size, e_tag=place.as_listed.e_tag)
                found.setdefault(str(place), one.model_copy(update={"sha256": digests.get(one.version)}))
        return _Listing(asked=self._asked, objects=tuple(found.values())), list(lists.values())

    def _sums(self, day: date, lists: Iterable[ObjectPath]) -> tuple[Sums, ...]:
        """What the lists say of the day's files, read where it is not known; raises LogsError for one that is wrong."""
        known, is_of_day = self._known(day), of_day(self.templates, day)
        read = {one.version: one for one in known.sums} if known is not None else {}
        return tuple(
            read.get(place.version) or sums_at(place, self.name, day).only(is_of_day) for place in lists
        )

    def _wanted(self, templates: list[DayTemplate[Any]], one: _Object) -> Wanted:
        bucket = templates[one.template].folder.bucket
        return Wanted(ObjectPath(bucket, one.key, Listed(one.key, one.size, one.e_tag)), self._way(one))

    def _way(self, one: _Object) -> str:
        """The way that readers see, as below a local folder of logs."""
        text = self.texts[one.template]
        return str(PurePath(text.split("/")[2], one.key)) if in_bucket(text) else one.key

    def _url(self, one: _Object) -> str:
        folder: ObjectPath = self.templates[one.template].folder
        return folder.bucket.place(one.key)

    def _known(self, day: date) -> _Listing | None:
        """What was listed last; None for what other places were asked."""
        known = read_record(self._record(day), _Listing)
        return known if known is not None and known.asked == self._asked else None

    def _record(self, day: date) -> Path:
        return self.folder / self.name / day.isoformat() / "listed.json"

    @property
    def _asked(self) -> str:
        return digest([self.root, list(self.texts)])


def table(name: str, root: str, texts: Sequence[str], folder: Path) -> BucketTable:
    """A table of the logs whose files are in a bucket; `folder` keeps its listings."""
    return BucketTable(name, root, tuple(texts), folder, ObjectCache.of_environment())


def _paths(fetched: Iterable[Fetched]) -> list[Path]:
    return [one.path for one in fetched]
