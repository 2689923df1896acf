"""`[sources.<table>]` of a preset: where a table's days are, and in which format."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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
        raise ValueError("must have each * behind the day, and no **; list several places instead")
    return text


Template = Annotated[str, AfterValidator(_is_template)]


class Files(Frozen):
    """A table in files, each of which belongs to one day."""

    files: Template | Annotated[tuple[Template, ...], Field(min_length=1)] | None = Field(
        None,
        description="where a day's files are, seen from `logs` or absolute, with {day} for 2026-01-05 or strftime "
        "codes such as {day:%Y%m%d}, and * in names behind the day; of several places a day needs files in each. "
        "Left out: <table>/date={day}/*.parquet, or *.csv",
    )
    format: Literal["parquet", "csv"] = Field(
        "parquet",
        description="csv: comma-separated with a header, .gz or not; its text is read as the declared types",
    )

    def templates(self, table: str) -> tuple[str, ...]:
        """Where the table's files are, one or several places."""
        if self.files is None:
            return (f"{table}/date={{day}}/*.{self.format}",)
        return (self.files,) if isinstance(self.files, str) else self.files


class SourcesConfig(Frozen):
    """Where each table of the log contract is."""

    requests: Files = Files()
    ads: Files = Files()
    candidates: Files = Files()
