"""Benchmarks that make random rows say which presets they can't make them for."""

import pytest

from benchmarks import service_load


def test_a_preset_with_lists_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        service_load.main(["--preset", "histories"])
    assert "preset 'histories' has lists (recent_topics, recent_ads)" in capsys.readouterr().err


def test_a_preset_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        service_load.main(["--preset", "nowhere"])
    assert "argument --preset: " in capsys.readouterr().err
