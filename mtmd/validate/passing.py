"""A day's staged tables from rows that pass on their way into a shard, so that the logs are read once for both."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from mtmd.config import Preset
from mtmd.expectations import Needs
from mtmd.expectations.candidates import SUMMARY, summary_sql
from mtmd.expectations.common import listed, literal, name
from mtmd.logs.passing import DOMAIN_FIRST, PRODUCT, SURFACE, OnePass
from mtmd.validate.gx_duckdb import Database
from mtmd.validate.staging import asked_of_rows, stage_side, with_hash

_ROWS = '"passing.rows"'


def stage_passing(
    database: Database, day: date, preset: Preset, present: Mapping[Needs, bool], one_pass: OnePass
) -> bool:
    """Make the tables `requests`, `ads` and `candidates_summary` as `stage_day` does, while `one_pass` reads the day.

    Whether they were made; where not, nothing is left of them.
    """

    def show(table: str, rows: pa.RecordBatchReader) -> None:
        with database.beside() as own:
            own.connection.register(_ROWS.strip('"'), rows)
            if table == "candidates":
                asked = asked_of_rows(preset, present)
                summary = summary_sql(preset, _candidates(preset), asked, f"count_if({name(DOMAIN_FIRST)})")
                own.rows(f"create table {SUMMARY} as {_as_text(summary)}")
            else:
                stage_side(own, table, preset.declarations, _ROWS)

    passed = one_pass.read(day, show)
    if not passed:
        for table in ("requests", "ads", SUMMARY):
            database.rows(f"drop table if exists {table}")
    return passed


def _candidates(preset: Preset) -> str:
    """The rows that pass with the columns of joined candidates: all of their keys are known by then."""
    domains = preset.domains
    return f"""(
        select
            * exclude ({name(SURFACE)}, {name(PRODUCT)}),
            {_of_index(SURFACE, domains.surfaces)} as surface,
            {_of_index(PRODUCT, domains.products)} as product,
            true as request_known,
            true as ad_known
        from ({with_hash(preset, _ROWS)})
    )"""


def _of_index(index: str, names: tuple[str, ...]) -> str:
    """A name as an enum: groups and conditions are several times as fast on its numbers as on text."""
    kind = f"enum ({listed(names)})"
    cases = " ".join(f"when {n} then cast({literal(own)} as {kind})" for n, own in enumerate(names))
    return f"case {name(index)} {cases} end"


def _as_text(summary: str) -> str:
    texts = ", ".join(f"cast({column} as varchar) as {column}" for column in ("surface", "product"))
    return f"select * replace ({texts}) from ({summary})"
