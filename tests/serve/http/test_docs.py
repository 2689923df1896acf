"""The page of the API: what it says is so, in a browser that may load nothing."""

import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from mtmd.serve.http.docs import bounds, example
from tests.browser import installed, opened
from tests.looks import in_every_view
from tests.serve.http.conftest import Client

BROWSER = installed()


def test_an_example_is_answered(client: Client) -> None:
    document = client.get("/openapi.json")[1]
    schemas = document["components"]["schemas"]
    for path, name in (("/rank", "RankQuestion"), ("/embed", "EmbedQuestion")):
        question = example(schemas[name], schemas)
        assert set(question["requests"][0]) == {"request_id", "surface", "country", "activity", "depth"}
        assert client.post(path, question)[0] == 200


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 500, "default": 10}, 10, "1 to 500; default 10"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}, [1, 1, 1], "exactly 3 values"),
        ({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
         "123e4567-e89b-42d3-a456-426614174000", ""),
        ({"anyOf": [{"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}, {"type": "string"}]}, 1, "64 bits"),
        ({"type": "array", "items": {"type": "string", "maxLength": 9}}, ["text"], "up to 9 characters"),
        ({"type": "number", "minimum": -1e12, "maximum": 1e12}, 1, "-1e+12 to 1e+12"),
    ],
)  # fmt: skip
def test_examples_and_bounds_are_those_of_the_schema(schema: dict, value: object, words: str) -> None:
    assert (example(schema, {}), bounds(schema)) == (value, words)


def test_the_root_leads_to_the_page(client: Client) -> None:
    status, headers, _ = client.send("GET", "/")
    assert (status, headers["location"]) == (307, "docs")
    assert b"see /docs" in client.send("GET", "/nothing")[2]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_the_page_is_whole_in_a_browser_that_may_load_nothing(client: Client, tmp_path: Path) -> None:
    assert BROWSER is not None
    with opened(BROWSER, tmp_path) as browser:
        page, asked = browser.page, []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: browser.errors.append(said.text))  # a style that the policy refuses
        url = f"http://127.0.0.1:{client.port}/"
        page.goto(url)
        assert page.title() == "MTMD ranker: the API"
        assert asked == [url, urljoin(url, "docs")]
        for link in page.locator("a[href]").all():
            address, _, place = urljoin(page.url, str(link.get_attribute("href"))).partition("#")
            assert page.request.get(address).status == 200
            assert not place or page.locator(f"[id='{place}']").count() == 1, place
        assert list(in_every_view(browser, "service-docs")) == []
        assert '"request_id": 1,\n' in page.locator(".example").first.inner_text()
        body = re.search(r"/rank .* -d '(.*)'", page.locator(".example").first.inner_text(), re.DOTALL)
        assert body is not None
        assert client.post("/rank", json.loads(body[1]))[0] == 200
        assert (browser.errors, browser.elsewhere) == ([], [])
