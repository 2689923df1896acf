"""What tests take from a run is what its stages say."""

from pathlib import Path

from tests.daily import Done, run_stages


def test_what_stages_say_of_a_copy_is_what_they_say_there(done: Done, done_live: Done) -> None:
    for one in (done, done_live):
        assert run_stages(Path(one.plan.logs), Path(one.plan.artifacts)) == one
