"""Logs in a bucket: the day's objects are listed, and fetched into the line's spool when they are read.

<spool>/<table>/YYYY-MM-DD/listed.json                the objects as they were listed last, and their digests
<spool>/<table>/YYYY-MM-DD/<version>/<bucket>/<key>   their files; a version is a digest of the listing

What was listed holds until the day is listed anew: a day whose digests are known needs no object to be fetched.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen, SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.bucket.objects import Listed, ObjectPath, require_below
from mtmd.logs.places import DayTemplate
from mtmd.logs.source import LogSource, Table
from mtmd.store.files import digest
from mtmd.store.stores import in_bucket
from mtmd.store.workspace import make_once, read_record, write_record

_AT_ONCE = 8  # requests for content


class _Listing(Frozen):
    """A day as it was listed."""

    asked: str = Field(description="digest of the place that was listed")
    objects: tuple[Listed, ...]
    sha256: dict[str, str] = Field({}, description="by file name, as the files of a local folder have them")

    @property
    def version(self) -> str:
        return digest([self.asked, self.objects])[:16]


@dataclass(frozen=True)
class BucketTable(Table):
    """One table's files in a bucket: a template below `root`, the logs' URL, or a URL with its own.

    `folder` keeps them.
    """

    name: str
    root: str
    text: str
    folder: Path

    def days(self) -> set[date]:
        """The days that are there now; raises LogsError, and UnreachableError where the bucket can't be asked."""
        return self._template.days()

    def refresh(self, day: date) -> None:
        """List the day anew, and fetch the objects whose content is not known yet; raises as `files` does."""
        listing, known = self._list(day), self._known(day)
        if known is None or known.version != listing.version:
            sha256 = self._fetched(day, listing).digests(day, [self.name])[self.name]
            write_record(self._record(day), listing.model_copy(update={"sha256": sha256}), seal=True)

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
        found = tuple(place.listed for place in self._template.files(self.name, day))
        return _Listing(asked=digest([self.root, self.text]), objects=found)

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
        url, text = self._parts
        return LogSource(_file(place, url), tables=SourcesConfig.model_validate({self.name: {"files": text}}))

    def _fetch(self, day: date, listing: _Listing, place: Path) -> None:
        root = self._template.folder

        def fetch(one: Listed) -> bool:
            source: ObjectPath = root.at(one.key)
            return source.download(_file(place, str(source)), one.e_tag)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            if not all(list(pool.map(fetch, listing.objects))):
                raise LogsError(
                    f"{self.name} of {day}: objects in {self.place} changed since they were listed; run again when the "
                    "day is complete"
                )

    def _record(self, day: date) -> Path:
        return self.folder / self.name / day.isoformat() / "listed.json"


table = BucketTable  # the seam


def _file(place: Path, url: str) -> Path:
    """Where an object's file is."""
    return place / require_below(url.partition("://")[2], url)
