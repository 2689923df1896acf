from datetime import date

import pytest

from mtmd.flows.command import show, what_next
from tests.flows.runs import TINY, Run


def test_the_summary_is_whole_in_a_narrow_terminal(
    next_day: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    given = {"preset": TINY, "artifacts": "artifacts"}
    words = "of a[0]: +1.6% [−0.0%, +3.4%]"
    show(next_day.summary.model_copy(update={"words": words}), given | {"verbose": True})
    text = capsys.readouterr().out
    report = next_day.summary.report
    assert "O" + words[1:] in text
    assert not {"…", "\\"} & set(text)
    for where in report.slices:
        line = next(line for line in text.splitlines() if line.startswith(f"| {where} "))
        assert line.split("|")[2].strip() == f"{report.get('mtmd', where).logmae:.4f}"
    for words in (
        "## ✓ Promoted",
        "shards 20 of 21",
        "- ✓ **parity**: pass",
        str(next_day.root / "models" / next_day.summary.model_id),
        f"place of report: {next_day.summary.places['report']}",
        "--as-of 2026-01-23",
    ):
        assert words in text, words
    show(next_day.summary, given | {"verbose": False})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 40
    assert not any(line.startswith(f"| {where} ") for where in report.slices for line in lines)
    assert any(line.startswith("- ✓ **parity**: pass") for line in lines)
    *rest, page, then = lines
    assert rest.index("## ✓ Gates: 7 of 7 pass") < rest.index("## ✓ Promoted")
    assert page == f"page: {next_day.summary.places['report']}"
    assert then.startswith("next: ")


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (("my presets/own.toml", "artifacts"), "`mtmd status --preset 'my presets/own.toml'`"),
        (("tiny", "artifacts"), "--as-of 2026-01-26; `mtmd status --preset tiny`"),
        (("tiny", "s3://b/own line"), "`mtmd status --preset tiny --artifacts 's3://b/own line'`"),
    ],
)
def test_the_next_command_can_be_copied(places: tuple[str, str], words: str) -> None:
    assert words in what_next(date(2026, 1, 25), *places)
