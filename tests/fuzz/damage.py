"""Contents that were damaged or tampered with: bytes, and places in a JSON document.

What is drawn says nothing of the content that it is done to: places are counted modulo what there is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

_DEEP = 100_000  # levels of nesting, far beyond what a parser takes
# What may stand in the place of any value, as text: some of it is no JSON, and some no number that fits anywhere.
STRANGE = (
    "null", "true", "0", "-1", "1.5", "1e999", "-1e999", "NaN", "-Infinity", "1" + "0" * 5000, str(2**63),
    str(-(2**64)), '""', '"x"', '"\\u0000"', '"\\ud800"', '"../../etc/passwd"', '"/"', '"2026-02-30"', '"0001-01-01"',
    f'"{"é" * 70_000}"', "[]", "{}", "[null]", '{"": null}', '{"a": 1, "a": 2}', "[" * _DEEP, '{"a":' * _DEEP,
    "[" * 500 + "]" * 500, "",
)  # fmt: skip
_HERE = "\ue000here\ue000"  # marks a place in a document until its text is put there
Place = tuple[str | int, ...]


class Tear(NamedTuple):
    """One change of some bytes."""

    way: Literal["flip", "cut", "insert", "repeat", "end"]
    at: int
    bit: int
    length: int
    bytes: bytes

    def done_to(self, content: bytes) -> bytes:
        at = self.at % (len(content) or 1)
        before, there, after = content[:at], content[at : at + self.length], content[at + self.length :]
        match self.way:
            case "flip":
                return (
                    before + bytes(byte ^ 1 << self.bit for byte in content[at : at + 1]) + content[at + 1 :]
                )
            case "cut":
                return before + after
            case "insert":
                return before + self.bytes + content[at:]
            case "repeat":
                return before + there + content[at:]
            case "end":
                return before


class Edit(NamedTuple):
    """One value of a document that is dropped, there twice, under another name, exchanged or made strange."""

    way: Literal["drop", "double", "rename", "exchange", "strange"]
    at: int
    other: int
    strange: int

    def done_to(self, document: Any, dump: Callable[[Any], str]) -> bytes:
        """The edited document, with values as text by `dump`."""
        places = list(_places(document))
        place, other = places[self.at % len(places)], places[self.other % len(places)]
        named = bool(place) and isinstance(place[-1], str)
        match self.way:
            case "drop" if place:
                return dump(_without(document, place)).encode()
            case "double" if named:
                both = f"{dump(_at(document, place))}, {json.dumps(place[-1])} = {STRANGE[self.strange]}"
                return _put(document, place, both, dump)
            case "rename" if named:
                changed = _without(document, place)
                _at(changed, place[:-1])[("", "more", str(place[-1]).upper())[self.other % 3]] = _at(
                    document, place
                )
                return dump(changed).encode()
            case "exchange":
                return _put(document, place, dump(_at(document, other)), dump)
            case _:
                return _put(document, place, STRANGE[self.strange], dump)


_ANYWHERE = st.integers(0, 2**20)
tears: st.SearchStrategy[Sequence[Tear]] = st.lists(
    st.builds(
        Tear,
        st.sampled_from(("flip", "cut", "insert", "repeat", "end")),
        _ANYWHERE,
        st.integers(0, 7),
        st.sampled_from((1, 2, 8, 64, 4096)),
        st.binary(min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=3,
)
edits: st.SearchStrategy[Edit] = st.builds(
    Edit,
    st.sampled_from(("strange", "drop", "double", "rename", "exchange")),
    _ANYWHERE,
    _ANYWHERE,
    st.integers(0, len(STRANGE) - 1),
)


def torn(content: bytes, changes: Sequence[Tear]) -> bytes:
    """The content after all of the changes."""
    for change in changes:
        content = change.done_to(content)
    return content


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    if isinstance(value, dict | list):
        for key, own in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(own, (*place, key))


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def _without(document: Any, place: Place) -> Any:
    changed = json.loads(json.dumps(document))
    del _at(changed, place[:-1])[place[-1]]
    return changed


def _put(document: Any, place: Place, text: str, dump: Callable[[Any], str]) -> bytes:
    """The document with a text of any kind where the value was."""
    changed = [json.loads(json.dumps(document))]
    _at(changed, (0, *place)[:-1])[(0, *place)[-1]] = _HERE
    return dump(changed[0]).replace(f'"{_HERE}"', text).encode()
