"""The hash of categories: the same for training and serving, and in any language that has md5.

A value's bucket is the first 8 bytes (big-endian) of md5("<seed>/<feature>/<text>") in UTF-8, modulo the feature's
buckets, plus 1. The text is the string itself, an integer in decimal, or a UUID in lower case with hyphens; also where
the string is the text of a UUID and shares its table with UUIDs. The feature is the one whose table is read: another
one's, where `table` names it. A change makes every stored shard and bundle wrong, so a test pins its values.
"""

import hashlib
import uuid
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


@lru_cache(maxsize=2**16)
def hash_bucket(seed: int, feature: str, value: str, buckets: int) -> int:
    """Bucket of a categorical value, in 1..buckets; 0 is left for missing."""
    key = hashlib.md5(f"{seed}/{feature}/{value}".encode(), usedforsecurity=False).digest()
    return 1 + int.from_bytes(key[:8], "big") % buckets


def canonical_uuid(text: str) -> str | None:
    """The text of a UUID as it is held: lower case, with hyphens; None for what is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


class Hashing(NamedTuple):
    """How a side's categories are hashed; `uuids` are the names whose table has UUIDs."""

    seed: int
    uuids: frozenset[str] = frozenset()

    def buckets(self, values: pa.Array, name: str, count: int) -> NDArray[np.int32]:
        """(N,) int32, 0 for nulls. Each distinct value is hashed once; texts of one UUID are one value."""
        coded = pc.dictionary_encode(values)
        table = np.zeros(len(coded.dictionary) + 1, np.int32)  # the last one stays 0: the null's
        for code, value in enumerate(coded.dictionary.to_pylist()):
            text = (canonical_uuid(str(value)) if name in self.uuids else None) or str(value)
            table[code] = hash_bucket(self.seed, name, text, count)
        codes = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
        buckets: NDArray[np.int32] = table[codes]
        return buckets
