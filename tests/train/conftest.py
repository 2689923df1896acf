import pytest

from mtmd.config import Preset
from tests.train.windows import pinned_preset


@pytest.fixture(scope="session")
def tiny_preset() -> Preset:
    return pinned_preset()
