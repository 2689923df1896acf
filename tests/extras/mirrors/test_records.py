from mtmd.extras.mirrors.records import newest_first, read_run, where
from mtmd.store.files import remove
from tests.extras.mirrors.conftest import Mirrored
from tests.inspect.conftest import FIRST


def test_the_newest_day_comes_first_and_of_a_day_the_latest_record(mirrored: Mirrored) -> None:
    again = mirrored.line.decide("a1", FIRST)
    first, second = (run.directory for run in mirrored.runs)
    assert newest_first(mirrored.workspace) == [second, again, first]


def test_a_model_that_is_gone_leaves_the_run(mirrored: Mirrored) -> None:
    run = mirrored.runs[0]
    assert run.manifest is not None
    remove(mirrored.line.registry.path("a1"))
    again = read_run(mirrored.workspace, run.directory)
    assert again is not None
    assert again.manifest is None
    assert not again.damage


def test_a_manifest_that_is_damaged_is_told_from_a_model_that_is_gone(mirrored: Mirrored) -> None:
    (mirrored.line.registry.path("a1") / "manifest.json").write_text("{")
    run = read_run(mirrored.workspace, mirrored.runs[0].directory)
    assert run is not None
    assert run.manifest is None
    assert run.damage.startswith("manifest of model 'a1' cannot be read: ")


def test_a_run_whose_summary_is_damaged_is_none(mirrored: Mirrored) -> None:
    directory = mirrored.runs[0].directory
    (directory / "summary.json").write_text("{")
    assert read_run(mirrored.workspace, directory) is None


def test_a_place_is_named_by_slice_or_task(mirrored: Mirrored) -> None:
    report = mirrored.runs[0].decision.report
    assert report is not None
    assert [where(one) for one in report.metrics] == ["search/standard/ctr", "all/ctr"]
