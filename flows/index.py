"""The tasks that write the index of the report pages after a run; none of them fails. Two of `steps` do so as well."""

from prefect import task

from mtmd.report import index

update = task(persist_result=False, name="index")(index.update_index)
failure = task(persist_result=False, name="index")(index.record_failure)
