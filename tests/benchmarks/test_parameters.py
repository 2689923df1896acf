from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.parameters import main, parameter_table, size_of, work_table
from mtmd.config import Preset, load_preset

COMPOSED = 3 * 16  # three experts are routed, of 16 columns each


def _columns(preset: Preset, side: str, domain: str | None = None) -> int:
    """Of all features of a side, or of those that a domain has."""
    own = [f for f in preset.features if f.side == side and (not domain or domain in (f.domains or [domain]))]
    return sum(1 if f.kind == "continuous" else f.width for f in own)


def _mlp(*widths: int) -> int:
    """Operations of one row in a network of these widths, two for each weight."""
    return 2 * sum(a * b for a, b in pairwise(widths))


def test_tables_are_counted_apart_from_other_parameters(tiny_preset: Preset) -> None:
    size = size_of("pooled", tiny_preset)
    rows = [f.width * (f.buckets + 1) for f in tiny_preset.features if f.buckets]
    assert size.embedding == sum(rows)
    other = 6 * 3  # a bias of each domain and task
    for side, surfaces_or_products in (("query", 3), ("item", 2)):
        columns = _columns(tiny_preset, side)
        inputs = columns + surfaces_or_products
        other += columns + (inputs * 16 + 16) + (16 * 24 + 24)  # defaults, and two layers
    assert size.other == other
    assert parameter_table({"pooled": size}).rows == (
        ("pooled", 1, size.embedding, size.other, size.embedding + size.other),
    )


def test_the_pooled_model_computes_each_tower_once(tiny_preset: Preset) -> None:
    work = size_of("pooled", tiny_preset).work
    assert {own.query for own in work} == {_mlp(_columns(tiny_preset, "query") + 3, 16, 3 * 8)}
    assert {own.item for own in work} == {_mlp(_columns(tiny_preset, "item") + 2, 16, 3 * 8)}


def test_mtmd_computes_one_domain_expert_for_a_request(tiny_preset: Preset) -> None:
    work = size_of("mtmd", tiny_preset).work
    columns = _columns(tiny_preset, "query")
    own = [f for f in tiny_preset.features if f.side == "query"]
    fields, shallow = len(own), sum(f.width for f in own if f.shallow)
    # squeezed, excited, spread over the columns
    adaptation = _mlp(columns, fields, fields // 2, fields, columns)
    experts = (3 + 1 + 1) * _mlp(columns, 32, 16)  # of three tasks, and the two shared ones
    per_task = _mlp(columns, 4, 3) + _mlp(shallow, 4)  # router and shallow expert
    per_task += 2 * _mlp(COMPOSED, 4, COMPOSED)  # two cross layers of rank 4
    projections = sum(_mlp(COMPOSED, width) for width in (8, 4, 4))
    assert [one.query for one in work] == [adaptation + experts + 3 * per_task + projections] * 6
    assert work[0].item > work[1].item  # shopping ads have two tasks of three


def test_a_request_passes_the_baselines_of_every_product(tiny_preset: Preset) -> None:
    size = size_of("per_slice", tiny_preset)
    table = work_table({"per_slice": size}, tiny_preset)
    request = (3 + 2) * _mlp(_columns(tiny_preset, "query", "search"), 16, 8)
    ad = 3 * 2 * _mlp(_columns(tiny_preset, "item", "shopping"), 16, 8)
    shown = dict(table.rows)
    assert shown["a request of search"] == f"{request / 1e6:.2f}"
    assert shown["an ad of shopping"] == f"{ad / 1e6:.2f}"
    assert [own.query for own in size.work[2:4]] == [request * 3 // 5, request * 2 // 5]
    assert size.models == 15


def test_lists_are_as_long_as_they_may_be() -> None:
    preset = load_preset("histories")
    assert size_of("pooled", preset).work[0].query > size_of("pooled", load_preset("demo")).work[0].query


def test_it_prints_and_writes_both_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tables.md"
    assert main(["--preset", "tiny", "--output", str(file)]) == 0
    assert "| per_slice | 15 |" in file.read_text()
    assert "an ad of shopping" in capsys.readouterr().out


def test_a_preset_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", "none"]) == 1
    assert "error: " in capsys.readouterr().out
