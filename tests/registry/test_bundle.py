import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import BundleError
from mtmd.registry.bundle import load_bundle


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {"format": 99}, "less than or equal to 2"),
        (lambda _: {"bundle_id": "short"}, "is not a bundle of this version"),
        (lambda _: {"files": []}, r"query towers are of \[\]; they must be"),
        (lambda _: {"widths": {"ctr": -1, "gctr": 1, "octr": 1}}, "greater than or equal to 1"),
        (lambda _: {"widths": {"ctr": 1}}, r"widths are of tasks \['ctr'\]"),
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
