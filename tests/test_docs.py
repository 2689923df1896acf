"""The pages' links, headings and navigation, without what builds the site: every link leads somewhere."""

import re
import textwrap
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from mtmd.config import load_preset
from mtmd.config.preset import variants
from mtmd.features import feature

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    path
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "artifacts/README.md")),
        *sorted(DOCS.rglob("*.md")),
    )
    if path.is_file()
]
SITE = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
_LINK = r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)"
HEAD = {"base": "demo", "name": "shown"}
LONGEST_SENTENCE = 30
LIMITS = {  # words of a page, its code and tables included
    "README.md": 1_000,
    "CHANGELOG.md": 1_000,
    "docs/quickstart.md": 1_000,
    "docs/your-own-logs.md": 2_500,
    "docs/log-contract.md": 2_500,
    "docs/operations.md": 2_500,
    "docs/deploy.md": 2_000,
    "docs/gates.md": 1_200,
    "docs/validation.md": 1_800,
    "docs/model.md": 2_000,
    "docs/paper.md": 2_500,
    "docs/architecture.md": 4_500,
    "docs/results.md": 3_000,
    "docs/serving.md": 2_000,
    "docs/reliability.md": 1_200,
    "docs/glossary.md": 1_000,
}
_A_FILE = re.compile(r"(?:mtmd|flows|sql|expectations|deploy|benchmarks|tests)/[\w/.-]+")
_ELSEWHERE = ("http://", "https://", "mailto:")


def _prose(text: str) -> str:
    """Without code, in which brackets are no links and `#` starts no heading."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def _slug(heading: str) -> str:
    """As GitHub names a heading: lower case, hyphens for spaces, and no other punctuation."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def _anchors(page: Path) -> frozenset[str]:
    """A heading that is there twice has a number the second time."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _prose(page.read_text(encoding="utf-8")), re.MULTILINE):
        slug = _slug(heading)
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def _broken(page: Path) -> list[str]:
    """Links of a page that lead to no file, to no heading of it, or out of the site, which has docs/ alone."""
    wrong = []
    for link in re.findall(_LINK, _prose(page.read_text(encoding="utf-8"))):
        if link.startswith(_ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        outside = page.is_relative_to(DOCS) and not target.is_relative_to(DOCS)
        if outside or not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert _broken(page) == []


def test_the_code_and_the_settings_that_the_papers_claims_name_are_there() -> None:
    text = (DOCS / "paper.md").read_text(encoding="utf-8")
    spans = set(re.findall(r"`([^`\n]+)`", text))
    assert len({one for one in spans if _A_FILE.fullmatch(one)}) > 15
    preset = load_preset("demo")
    settings = {one.partition(" = ")[0] for one in spans if re.match(r"(model|training|evaluation)\.", one)}
    assert len(settings) > 5
    sections = {"model": preset.model, "training": preset.training, "evaluation": preset.evaluation}
    assert {one for one in settings if not hasattr(sections[one.split(".")[0]], one.split(".")[1])} == set()
    named = set(re.findall(r"variants? `(\w+)`", text))
    assert len(named) > 5
    assert named <= set(variants("mtmd"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_and_benchmarks_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = {one.rstrip("/") for one in re.findall(r"`([^`\n]+)`", text) if _A_FILE.fullmatch(one)}
    modules = {one.replace(".", "/") for one in re.findall(r"\b(?:benchmarks|mtmd\.flows)\.\w+", text)}
    missing = {one for one in files if not (ROOT / one).exists()} - {"expectations/checks.py"}  # a project's
    missing |= {one for one in modules if not ((ROOT / one).is_dir() or (ROOT / f"{one}.py").is_file())}
    assert missing == set()


def test_the_pages_are_short() -> None:
    """As many words as a person reads: a page that nobody finishes helps nobody."""
    words = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").split())
        for path in (*PAGES, ROOT / "CHANGELOG.md")
    }
    lab = {name for name in words if name.startswith("docs/lab/")}
    extras = {name for name in words if name.startswith("docs/extras/")}
    assert sum(words.values()) <= 45_000
    assert sum(words[name] for name in lab) <= 12_000
    assert {name: words[name] for name in extras if words[name] > 800} == {}
    assert {name: words[name] for name in LIMITS if words[name] > LIMITS[name]} == {}


def test_sentences_are_short() -> None:
    """Thirty words, or a little more where a code span or a link has several."""
    long: dict[str, list[str]] = {}
    for page in PAGES:
        text = _prose(page.read_text(encoding="utf-8"))
        text = re.sub(r"^(\||    |#|!\[|\s*[-*]{3,}).*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"`[^`\n]+`", "code", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))
        for sentence in re.split(r"(?<=[.:;?!])\s+|\n\s*\n|\n\s*(?:[-*]|\d+\.)\s", text):
            if len(sentence.split()) > LONGEST_SENTENCE:
                long.setdefault(page.name, []).append(" ".join(sentence.split()))
    assert long == {}


def test_the_threat_model_names_tests_that_there_are() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert _tests_that_are_missing(text) == []
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| \d", line)]
    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, len(rows) + 1))
    assert {len(row) for row in rows} == {4}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_presets_that_a_page_shows_can_be_loaded(page: Path, tmp_path: Path) -> None:
    """Parts of one are laid over the demo. A feature alone makes no preset, since each side needs some."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "preset.toml").write_text('base = "demo"\nname = "own"\n')
    for shown in re.findall(
        r"^ *```toml\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        text = textwrap.dedent(shown)
        part = tomllib.loads(text)
        if "features" in part:
            assert [feature(**settings) for settings in part.pop("features")]
            assert part == {}
            continue
        head = "".join(f'{key} = "{value}"\n' for key, value in HEAD.items() if key not in part)
        (tmp_path / "shown.toml").write_text(head + text)
        load_preset(str(tmp_path / "shown.toml"))


def _tests_that_are_missing(text: str) -> list[str]:
    return [one for one in re.findall(r"`(tests/[^`]+)`", text) if not (ROOT / one).exists()]


def test_the_navigation_has_every_page_once_but_the_notebook() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    (navigation,) = re.findall(r"^nav:\n((?: +.*\n?)+)", text, re.MULTILINE)
    listed = sorted(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE))
    assert listed == [page for page in SITE if not page.startswith("lab/")]
