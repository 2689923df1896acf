"""Whatever asks a bucket first says that the bucket does not exist, by the one request that it makes anyway."""

from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.errors import UnreachableError
from mtmd.flows import steps
from mtmd.logs.contract import TABLES
from tests.buckets import S3
from tests.conftest import FIRST_DAY, TINY

ARTIFACTS, LOGS = "s3://none/team", "s3://none/logs"
WORDS = "can't be read: the bucket s3://none does not exist; make it, or correct its name or the endpoint"


@pytest.fixture(autouse=True)
def _own_folder(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMD_WORK", str(tmp_path / "machine"))


@pytest.mark.parametrize(
    "command",
    [("status",), ("runs",), ("show", "champion"), ("rollback", "--reason", "try")],
)
def test_a_command_says_so(s3: S3, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert main([*command, "--preset", TINY, "--artifacts", ARTIFACTS]) == 1
    assert WORDS in capsys.readouterr().err
    assert len(s3.asked) == 1


def test_a_daily_run_says_so_of_its_logs_and_of_its_artifacts(s3: S3, tmp_path: Path) -> None:
    as_of = FIRST_DAY + timedelta(days=20)
    with pytest.raises(UnreachableError, match=WORDS):
        steps.plan.fn(as_of, TINY, None, LOGS, str(tmp_path))
    for table, n in product(TABLES, range(21)):
        (tmp_path / "logs" / table / f"date={FIRST_DAY + timedelta(days=n)}").mkdir(parents=True)
    s3.asked.clear()
    with pytest.raises(UnreachableError, match=WORDS):
        steps.plan.fn(as_of, TINY, None, str(tmp_path / "logs"), ARTIFACTS)
    assert len(s3.asked) == 1
