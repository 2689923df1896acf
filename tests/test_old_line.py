"""A line of models that was made before outputs had format numbers: it is read, served and gone back to as ever.

old_line.tar.xz has two champions of a small preset as commit b412acd left them, the ads that each serves, and what that
commit's service answered.
"""

from datetime import date
from pathlib import Path

import pytest

from mtmd.export.fresh_process import check_answers
from mtmd.registry.registry import Registry
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from tests.archives import unpack

OLDER, NEWER = "20260121-fd5b9281c7", "20260122-cd3febc2e6"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    unpack(Path(__file__).with_name("old_line.tar.xz"), tmp_path)
    return tmp_path


def test_its_champions_are_read_and_their_files_are_whole(line: Path) -> None:
    registry = Registry(line)
    champion = registry.champion()
    assert champion is not None
    assert (champion.model_id, champion.as_of, champion.previous) == (NEWER, date(2026, 1, 22), OLDER)
    assert [change.model_id for change in registry.history()] == [OLDER, NEWER]
    for model_id in (OLDER, NEWER):
        assert check_answers(registry.verify(model_id)).startswith("a fresh process answered")
        assert registry.manifest(model_id).bundle_id


def test_its_ads_are_refused_in_words(line: Path) -> None:
    live = Live(line, Settings())
    assert not live.refresh()
    assert "has format" in str(live.problem)
    assert "Publish again" in str(live.problem)


def test_a_rollback_reaches_it_and_bans_what_it_takes_down(line: Path) -> None:
    registry = Registry(line)
    before, after = registry.rollback("to see that it works", check_answers)
    assert (before.model_id, after.model_id) == (NEWER, OLDER)
    assert after.rolled_back_bundles == {NEWER: registry.manifest(NEWER).bundle_id}
