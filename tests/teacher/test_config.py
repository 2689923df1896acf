"""How many teachers are averaged."""

import pytest

from mtmd.teacher.config import TeacherConfig


@pytest.mark.parametrize(("rows", "members"), [(100, 8), (100_000, 8), (200_000, 4), (1_400_000, 3)])
def test_larger_logs_have_fewer_members(rows: int, members: int) -> None:
    assert TeacherConfig().members_for(rows) == members
