"""A stored model whose files differ from its manifest: named, made again, or refused."""

from pathlib import Path

import pytest

from mtmd.errors import BundleError
from mtmd.registry.registry import Registry
from mtmd.store.outputs import file_digests
from tests.registry.conftest import AddModel


@pytest.mark.parametrize("name", ["query_search.onnx", "metrics.json"])
def test_an_altered_or_missing_file_is_named(registry: Registry, add: AddModel, name: str) -> None:
    path = Path(add("a", 5).path) / name
    path.write_text("altered")
    with pytest.raises(BundleError, match=f"{name} of model 'a' is [0-9a-f]{{64}}; its manifest says"):
        registry.verify("a")
    path.unlink()
    with pytest.raises(BundleError, match=f"{name} of model 'a' is nothing; its manifest says"):
        registry.verify("a")


@pytest.mark.parametrize("name", ["query_search.onnx", "metrics.json", "manifest.json"])
def test_an_altered_model_is_made_again_as_it_was(
    registry: Registry, add: AddModel, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(add("a", 5).path)
    before = file_digests(path)
    (path / name).write_text("altered")
    (path / "foreign").write_text("")
    assert not add("a", 5).reused
    assert file_digests(path) == before
    assert f"{name}" in caplog.text
    assert add("a", 5).reused


def test_a_model_without_a_manifest_is_refused(registry: Registry, add: AddModel) -> None:
    (Path(add("a", 5).path) / "manifest.json").unlink()
    with pytest.raises(BundleError, match="manifest of model 'a' cannot be read"):
        registry.verify("a")
