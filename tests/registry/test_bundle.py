import json
from pathlib import Path

import pytest

from mtmd.errors import BundleError
from mtmd.registry.bundle import load_bundle, verify_files


def test_an_intact_bundle_loads_and_verifies(bundle: Path) -> None:
    info = load_bundle(bundle)
    verify_files(info, bundle)
    assert info.file_of("item", "shopping").file == "item_shopping.onnx"


def test_an_altered_file_is_named(bundle: Path) -> None:
    file = bundle / "query_search.onnx"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"query_search\.onnx has sha256"):
        verify_files(load_bundle(bundle), bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "item_standard.onnx").unlink()
    with pytest.raises(BundleError, match=r"item_standard\.onnx is missing"):
        verify_files(load_bundle(bundle), bundle)


def test_no_bundle_json_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "has format 99; this version reads 1"),
        ({"bundle_id": "short"}, "is not a bundle of this version"),
        ({"files": []}, "query domain 'home_feed' is not in bundle"),
    ],
)
def test_a_bundle_json_that_does_not_fit_is_refused(bundle: Path, change: dict, message: str) -> None:
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)


def test_a_file_name_cannot_leave_the_bundle(bundle: Path) -> None:
    path = bundle / "bundle.json"
    path.write_text(path.read_text().replace('"query_search.onnx"', '"../query_search.onnx"'))
    with pytest.raises(BundleError, match="is not a bundle of this version"):
        load_bundle(bundle)
