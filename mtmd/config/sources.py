"""`[sources.<table>]` of a preset: where a table's days are, in files or in a table that an extra fetches."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

from pydantic import AfterValidator, Discriminator, Field, Tag

from mtmd import extension
from mtmd.config.base import Frozen

DAY = re.compile(r"\{day(?::([^{}]*))?\}")  # the day in a template, with its strftime codes
DAY_CODES = ("%Y", "%m", "%d", "%-m", "%-d")
_CODE = re.compile(r"%-?.?")
_WORDS = (
    "write {day} for 2026-01-05, or codes such as {day:%Y%m%d} or year={day:%Y}/month={day:%m}/day={day:%d}"
)


def _is_template(text: str) -> str:
    codes = [code for match in DAY.finditer(text) for code in _CODE.findall(match[1] or "%Y-%m-%d")]
    if unknown := sorted(set(codes) - set(DAY_CODES)):
        raise ValueError(f"must have no {', '.join(unknown)}, but {', '.join(DAY_CODES)} only; {_WORDS}")
    if not {"Y", "m", "d"} <= {code[-1] for code in codes} or re.search(r"[{}]", DAY.sub("", text)):
        raise ValueError(f"must name the day by year, month and day, with nothing else in braces; {_WORDS}")
    before, after = text[: text.rindex("}")], text[text.rindex("}") :]
    if "*" in before or "**" in after:
        raise ValueError("must have each * behind the day, and no **")
    return text


Template = Annotated[str, AfterValidator(_is_template)]


class Files(Frozen):
    """A table in files, each of which belongs to one day."""

    kind: Literal["files"] = "files"
    files: Template | None = Field(
        None,
        description="where a day's files are, seen from `logs`, absolute, or a bucket's URL, with {day} for 2026-01-05 "
        "or strftime codes such as {day:%Y%m%d}, and * in names behind the day. Left out: "
        "<table>/date={day}/*.parquet",
    )

    def template(self, table: str) -> str:
        """Where the table's files are."""
        return self.files or f"{table}/date={{day}}/*.parquet"


_KINDS: dict[str, type[Frozen]] = {"files": Files}
for there in extension.modules("sources").values():
    _KINDS |= there.KINDS


def _kind(value: Any) -> str | None:
    """The tag of a source: one that is no key of it, so that the place of an error is told by keys alone."""
    kind = value.get("kind", "files") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind {kind}" if kind in _KINDS else None


if TYPE_CHECKING:
    Source: TypeAlias = Any
else:
    Source = Annotated[
        Union[tuple(Annotated[kind, Tag(f"kind {name}")] for name, kind in _KINDS.items())],  # noqa: UP007
        Discriminator(
            _kind,
            custom_error_type="source_kind",
            custom_error_message=f"must be a table whose kind is one of {', '.join(_KINDS)}",
        ),
    ]


class SourcesConfig(Frozen):
    """Where each table of the log contract is."""

    requests: Source = Files()
    ads: Source = Files()
    candidates: Source = Files()

    def of(self, table: str) -> Any:
        """Where one table is: `Files`, or a kind of an extra."""
        return getattr(self, table)
