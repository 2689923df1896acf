"""A day of a preset that has everything a preset may add to the tests' own: five tasks, of which one is
learnt from actions, lists, and encoded numbers.

The tiny platform writes neither the lists nor two of the tasks: statements of the line's own make them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmd.export.fresh_process import RawRows, sample_raw_rows
from mtmd.extract.shards import open_shard
from mtmd.promote.findings import RunSummary
from mtmd.publish.answer import Asked, answer
from mtmd.report import stage as report_stage
from mtmd.serve.http.answers import RankAnswer
from tests.daily import Done, run_stages

PRESET = """
base = "tiny"
name = "tiny-rich"
sql = "{sql}"
window_days = 8
min_window_days = 8

[domains]
tasks = [
  {{ name = "ctr", label = "clicked" }},
  {{ name = "gctr", label = "good_clicked", parent = "ctr" }},
  {{ name = "octr", label = "outbound_clicked", parent = "ctr", products = ["standard"] }},
  {{ name = "cvr", label = "converted", parent = "ctr", products = ["shopping"] }},
  {{ name = "relevance", label = "relevant", learn_from = "actions" }},
]

[model.emb_deep]
cvr = 4
relevance = 4

[training.loss_weights]
cvr = 1.0
relevance = 1.0

[publication]
int8 = true

[[more_features]]
name = "recent_topics"
side = "query"
kind = "multivalued"
type = "INTEGER"
buckets = 2048
max_length = 10
table = "topic"

[[more_features]]
name = "recent_ads"
side = "query"
kind = "multivalued"
type = "BIGINT"
buckets = 2000
max_length = 5
pooling = "attention"
table = "ad_id"
"""
SQL = {
    "requests": """
select
    * exclude (past),
    list_transform(range(past), lambda i: ((user_id + i) % 6)::integer) as recent_topics,
    list_transform(range(past), lambda i: 1 + (7 * user_id + i) % 150) as recent_ads
from (select *, request_id % 9 as past from read_parquet($paths, hive_partitioning = false))
""",
    "ads": "from read_parquet($paths, hive_partitioning = false)",
    "candidates": """
select
    *,
    if(octr is null, gctr / 2, null)::float as cvr,
    if(impressed and octr is null, good_clicked and ad_id % 2 = 0, null) as converted,
    if(impressed, clicked or ad_id % 3 = 0, null) as relevant
from read_parquet($paths, hive_partitioning = false)
""",
}


@dataclass(frozen=True)
class RichLine:
    """A day that was decided, and its page; its logs have a day more."""

    preset: str
    logs: Path
    run: Done
    summary: RunSummary
    page: str

    def rows(self) -> RawRows:
        """Raw requests and ads of the held-out day, of every domain."""
        plan, shard = self.run.plan, open_shard(Path(self.run.days.held_out.path))
        return sample_raw_rows(plan.source, shard, plan.preset.declarations, per_domain=3)

    def answers(self, rows: RawRows, *bodies: dict[str, Any]) -> tuple[RankAnswer, ...]:
        return answer(Path(self.run.exported.path), Asked(ads=rows.ads, bodies=bodies))


def make_rich_line(place: Path, logs: Path) -> RichLine:
    (sql := place / "sql").mkdir(parents=True)
    for table, text in SQL.items():
        (sql / f"source_{table}.sql").write_text(text)
    (preset := place / "tiny-rich.toml").write_text(PRESET.format(sql=sql))
    done = run_stages(logs, place / "artifacts", preset=str(preset))
    summary = done.decide()
    page = report_stage.write_report(done, summary)
    return RichLine(str(preset), logs, done, summary, page.read_text(encoding="utf-8"))
