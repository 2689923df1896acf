"""The hash of categories: the same for training and serving, and in any language that has md5.

A value's bucket is the first 8 bytes (big-endian) of md5("<seed>/<feature>/<text>") in UTF-8, modulo the feature's
buckets, plus 1. The text is the string itself, or an integer in decimal. The feature is the one whose table is read:
another one's, where `table` names it. A change makes every stored shard and bundle wrong, so a test pins its values.
"""

import hashlib
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


@lru_cache(maxsize=2**16)
def hash_bucket(seed: int, feature: str, value: str, buckets: int) -> int:
    """Bucket of a categorical value, in 1..buckets; 0 is left for missing."""
    key = hashlib.md5(f"{seed}/{feature}/{value}".encode(), usedforsecurity=False).digest()
    return 1 + int.from_bytes(key[:8], "big") % buckets


def hash_buckets(values: pa.Array, seed: int, feature: str, buckets: int) -> NDArray[np.int32]:
    """(N,) int32, 0 for nulls. Each distinct value is hashed once."""
    coded = pc.dictionary_encode(values)
    table = np.zeros(len(coded.dictionary) + 1, np.int32)  # the last one stays 0: the null's
    for code, value in enumerate(coded.dictionary.to_pylist()):
        table[code] = hash_bucket(seed, feature, str(value), buckets)
    codes = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
    hashed: NDArray[np.int32] = table[codes]
    return hashed
