"""How many teachers are averaged, and how large their batches are."""

import pytest

from mtmd.extras.kuairand.teacher.config import FOR_LOGS, TeacherConfig


@pytest.mark.parametrize(("rows", "members"), [(100, 8), (100_000, 8), (200_000, 4), (1_400_000, 3)])
def test_larger_logs_have_fewer_members(rows: int, members: int) -> None:
    assert TeacherConfig().members_for(rows) == members


@pytest.mark.parametrize(("rows", "batch"), [(100, 32), (6_400, 100), (100_000, 512)])
def test_few_rows_come_in_small_batches(rows: int, batch: int) -> None:
    assert FOR_LOGS.batch_for(rows) == batch
    assert TeacherConfig().batch_for(rows) == 512


def test_what_an_import_of_kuairand_does_without_is_not_in_its_name() -> None:
    assert {"start_at_rates", "least_batches"} & TeacherConfig().model_dump().keys() == set()
    assert {"start_at_rates", "least_batches"} <= FOR_LOGS.model_dump().keys()
