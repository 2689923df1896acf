import subprocess
import sys
from pathlib import Path

from mtmd.publish.answer import ANSWERS, Asked, answer

REQUEST = {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.0}
ADS = (
    {"ad_id": 10, "product": "shopping", "bid": 3.0, "age": 0.0},
    {"ad_id": 11, "product": "standard", "bid": 1.0, "age": 2.0},
)


def test_the_command_reads_and_writes_json(bundle: Path) -> None:
    given, wrong = (Asked(ads=ADS, bodies=(body,)) for body in ({"requests": (REQUEST,)}, {}))
    command = [sys.executable, "-m", "mtmd.publish.answer", str(bundle)]
    done, refused = (
        subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        for text in (given.model_dump_json(), wrong.model_dump_json())
    )
    assert ANSWERS.validate_json(done.stdout) == answer(bundle, given)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: 1 validation error for RankRequest\nrequests\n  Field required")
