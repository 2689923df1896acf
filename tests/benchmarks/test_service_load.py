"""More than the service takes, for a few seconds, with connections beyond its limit and slow clients among them."""

import json
from pathlib import Path

from benchmarks.service_load import Load, loaded, told
from tests.serve.conftest import MakeBundle, declarations, make_bundle
from tests.serve.http.conftest import Line

__all__ = ["declarations", "make_bundle"]
BODY = {"requests": [{"surface": "search", "activity": 1.0, "depth": 0.25}], "top_k": 2}


def test_too_much_is_told_to_come_back_and_what_comes_afterwards_is_answered(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    line = Line(tmp_path / "line", make_bundle)
    line.promote(0)
    load = Load(duration_s=3, connections=600, slow=60, published=4, named=0, quiet_s=1)
    seen = loaded(line.root, [json.dumps(BODY).encode()], load)
    assert {"200"} <= seen.calls.keys() <= {"200", "503"}
    assert {"408"} <= seen.slow.keys() <= {"408", "503", "closed"}
    assert max(seen.memory_mb) < 2 * seen.memory_mb[0]
    assert told(seen, load)[0].endswith("over 600 connections, 60 of them slow; 0 named ads of 4")
