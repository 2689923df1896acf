from pathlib import Path

import pytest

from mtmd.report.url import report_url


def test_the_page_has_a_url_where_the_artifacts_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = str(tmp_path / "tiny" / "runs" / "2026-01-21-a b" / "report.html")
    monkeypatch.delenv("MTMD_REPORTS_URL", raising=False)
    assert report_url(tmp_path, page) is None
    monkeypatch.setenv("MTMD_REPORTS_URL", "http://host:4300/reports/")
    url = "http://host:4300/reports/tiny/runs/2026-01-21-a%20b/report.html"
    assert report_url(str(tmp_path), page) == url
