"""Which runner the flows' parallel parts take."""

import pytest

from mtmd import extension
from mtmd.errors import ConfigError
from mtmd.flows import runners


def test_parts_run_on_this_machine_unless_a_cluster_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(runners.RUNNER, raising=False)
    assert runners.chosen() == "threads"
    monkeypatch.setenv(runners.RUNNER, "dask")
    monkeypatch.setattr(extension, "names", lambda: ())
    with pytest.raises(
        ConfigError, match=r"MTMD_RUNNER \('dask'\) needs the extra 'clusters', which is not in"
    ):
        runners.chosen()
