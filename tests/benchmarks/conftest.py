from pathlib import Path

import pytest

from tests.shared import Shared


@pytest.fixture(scope="session")
def trained(shared: Shared) -> Path:
    """Artifacts that several benchmarks' tests have in common: what one has trained, the next one finds."""
    return shared.directory / "benchmarks"
