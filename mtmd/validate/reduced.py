"""What a staged day keeps of vectors and lists: as SQL of a row's columns, all that their expectations ask for."""

from mtmd.config import COMPANION_TYPES, LARGEST_NUMBER, Feature
from mtmd.expectations.common import name
from mtmd.expectations.features import (
    companion_column,
    finite_column,
    is_text,
    length_column,
    longest_column,
    nulls_column,
)


def reduced_vector(vector: Feature) -> str:
    """A vector's two staged columns."""
    # NaN is above every number. Nulls are left out of both ends.
    vector_name = name(vector.name)
    ends = f"list_max({vector_name}) <= {LARGEST_NUMBER:g} and list_min({vector_name}) >= -{LARGEST_NUMBER:g}"
    whole = f"{ends} and list_count({vector_name}) = len({vector_name})"
    return f"len({vector_name}) as {length_column(vector)}, {whole} as {finite_column(vector)}"


def reduced_list(feature: Feature) -> str:
    """A list's staged columns: the values that are read, and what its expectations need of all of them."""
    column, length = name(feature.name), f"coalesce(len({name(feature.name)}), 0)"
    read = f"list_slice({column}, 1, {feature.max_length})"
    reduced = (
        f"{read} as {column}, {length} as {length_column(feature)}, "
        f"{length} - coalesce(list_count({column}), 0) as {nulls_column(feature)}"
    )
    if is_text(feature):
        texts = [read] if feature.actions is None else [read, name(feature.actions)]
        ends = ", ".join(f"list_max(list_transform({text}, lambda one: length(one)))" for text in texts)
        reduced += f", greatest({ends}) as {longest_column(feature)}"
    for what, beside in feature.companions.items():
        # As many as values, no null among them; numbers from 0 to what the service takes. NaN is above every number.
        sound = f"coalesce(len({name(beside)}), 0) = {length} and coalesce(list_count({name(beside)}), 0) = {length}"
        if COMPANION_TYPES[what] == "FLOAT[]":
            numbers = f"list_max({name(beside)}) <= {LARGEST_NUMBER:g} and list_min({name(beside)}) >= 0"
            sound += f" and coalesce({numbers}, true)"
        reduced += f", {sound} as {companion_column(feature, what)}"
    return reduced
