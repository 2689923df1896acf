"""The tasks that write the index of the report pages after a run; none of them fails. Two of `steps` do so as well."""

from prefect import task

from mtmd.report.index import backfills
from mtmd.report.index import stage as index_stage

update = task(persist_result=False, name="index")(index_stage.update_index)
failure = task(persist_result=False, name="index")(index_stage.record_failure)
backfill = task(persist_result=False, name="index")(backfills.record_backfill)
