"""Video attributes that the published columns only imply: a length band and separate tags."""

import pyarrow as pa
import pyarrow.compute as pc


def duration_band(duration_ms: pa.ChunkedArray) -> pa.Array:
    """⌊4 · log2(seconds)⌋ as int32, null where unknown: what counts is length against 30 s."""
    seconds = pc.divide(duration_ms, 1000.0)
    band = pc.floor(pc.multiply(pc.log2(pc.max_element_wise(seconds, 1.0, skip_nulls=False)), 4.0))
    return pc.cast(band, pa.int32()).combine_chunks()


def tag_pair(tag: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """First and second tag of "7,39", null where there is none."""
    parts = pc.extract_regex(tag.combine_chunks(), r"^(?P<first>[^,]*)(?:,(?P<second>[^,]*))?")
    second = pc.struct_field(parts, "second")
    return pc.struct_field(parts, "first"), pc.if_else(pc.equal(second, ""), None, second)
