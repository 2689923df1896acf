"""Benchmarks that make random rows say which presets they can't make them for."""

from collections.abc import Callable, Sequence

import pytest

from benchmarks import service_load, service_tail

MAINS = (service_load.main, service_tail.main)


@pytest.mark.parametrize("main", MAINS, ids=lambda main: str(main.__module__))
def test_a_preset_with_lists_is_refused_before_anything_is_measured(
    main: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--preset", "histories"])
    assert "preset 'histories' has lists (recent_topics, recent_ads)" in capsys.readouterr().err


def test_a_preset_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        service_load.main(["--preset", "nowhere"])
    assert "argument --preset: " in capsys.readouterr().err
