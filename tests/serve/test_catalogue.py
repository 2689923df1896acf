import json
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import BundleError
from mtmd.serve.catalogue import Catalogue, Current

DAY = date(2026, 1, 21)
CURRENT = Current(name="2026-01-21-0123456789abcdef", day=DAY, ads=3)


HOSTILE = ("../../other/models/a", "/etc", "2026-01-05-0123456789abcde", f"{CURRENT.name}/..", "\x00")
NAMED = (json.dumps({"name": name, "day": "2026-01-21", "ads": 1}) for name in HOSTILE)


@pytest.mark.parametrize("content", ["", "[]", *NAMED])
def test_a_pointer_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.serve("model", CURRENT)
    pointer = tmp_path / "ads" / "model" / "current.json"
    pointer.write_text(content)
    with pytest.raises(BundleError, match=r"current\.json cannot be read; remove it and publish again"):
        catalogue.current("model")
