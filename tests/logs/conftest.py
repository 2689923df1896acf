from tests.extract.conftest import day, declarations, logs, shard, write

__all__ = ["day", "declarations", "logs", "shard", "write"]
