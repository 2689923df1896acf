import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from mtmd.errors import BundleError
from mtmd.registry.bundle import load_bundle, verify_files
from mtmd.store.files import sha256_file


def test_an_intact_bundle_loads_and_verifies(bundle: Path) -> None:
    info = load_bundle(bundle)
    verify_files(info, bundle)
    assert info.file_of("item", "shopping").file == "item_shopping.onnx"


def test_an_altered_or_missing_file_is_named(bundle: Path, tmp_path: Path) -> None:
    info, file = load_bundle(bundle), bundle / "query_search.onnx"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"query_search\.onnx is [0-9a-f]{64}; bundle"):
        verify_files(info, bundle)
    file.unlink()
    with pytest.raises(BundleError, match=r"query_search\.onnx is missing"):
        verify_files(info, bundle)
    with pytest.raises(BundleError, match="does not exist"):
        load_bundle(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {"format": 99}, "has format 99; this version reads 2"),
        (lambda _: {"bundle_id": "short"}, "is not a bundle of this version"),
        (lambda _: {"files": []}, r"towers are \[\]; they must be"),
        (lambda _: {"widths": {"ctr": -1, "gctr": 1, "octr": 1}}, "greater than or equal to 1"),
        (lambda _: {"widths": {"ctr": 1}}, r"widths are of tasks \['ctr'\]"),
        (lambda files: {"files": [*files, files[0]]}, "they must be .*, each once"),
        (lambda files: {"files": [*files, files[0] | {"domain": "billboard"}]}, "they must be"),
        (lambda files: {"files": [files[0] | {"file": "../query_search.onnx"}]}, "should match pattern"),
    ],
)
def test_a_bundle_json_that_does_not_fit_is_refused(
    bundle: Path, change: Callable[[list[Any]], dict[str, Any]], message: str
) -> None:
    path = bundle / "bundle.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | change(whole["files"])))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)


def test_numbers_in_a_file_beside_the_bundle_are_refused(bundle: Path) -> None:
    info = load_bundle(bundle)
    path = bundle / info.files[0].file
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="beside", size_threshold=0)
    changed = info.files[0].model_copy(update={"sha256": sha256_file(path)})
    info = info.model_copy(update={"files": (changed, *info.files[1:])})
    with pytest.raises(BundleError, match="has numbers in another file"):
        verify_files(info, bundle)
