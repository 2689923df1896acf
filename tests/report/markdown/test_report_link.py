"""The line of an artifact that leads to the run's page."""

from mtmd.report.markdown.report_link import linked, with_link

URL = "http://host/tiny/runs/x/report.html"


def test_an_artifact_waits_for_the_page_and_then_leads_to_its_section() -> None:
    waiting = with_link("## Head\n\nbody\n\nmore")
    assert waiting == "## Head\n\nReport page: it is written when the run has decided.\n\nbody\n\nmore"
    found = linked(waiting, "/a/report.html", URL, "data")
    assert found == f"## Head\n\nReport page: [report.html#data]({URL}#data)\n\nbody\n\nmore"
    assert linked(found, "/a/report.html", URL, "data") is None


def test_without_a_server_of_pages_the_path_stands_there() -> None:
    assert (
        with_link("## Head\n\nbody", "/a/report.html") == "## Head\n\nReport page: `/a/report.html`\n\nbody"
    )
