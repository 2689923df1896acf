from tests.evaluate.conftest import declarations, make_day, make_shard

__all__ = ["declarations", "make_day", "make_shard"]
