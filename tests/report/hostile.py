"""Text that tries to become markup, and what a Markdown parser finds where it did."""

import re

from markdown_it import MarkdownIt

HOSTILE = (
    "``` `a` | b **bold** <img src=x onerror=alert(1)> <script>alert(2)</script> [a](javascript:b) ![i](x) ~~s~~ _e_\n"
    "# heading\n\n- item\n\n<b>block</b>\n| c | d |\n| - | - |\n"
)
_ENDS_A_CELL = re.compile(r"(?<!\\)(?:\\\\)*\|")
_HARMLESS = {"heading_open", "paragraph_open", "bullet_list_open", "list_item_open", "inline", "code_inline"}
_HARMLESS |= {"table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open", "fence"}
_HARMLESS |= {"text", "text_special", "softbreak", "strong_open"}


def markup(shown: str) -> set[str]:
    """Kinds of tokens that no document of ours has; a heading, code and torn rows that came from the text."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(shown)
    spans = [span for token in tokens for span in token.children or ()]
    ours = [span for span in spans if span.content == "<br>"]  # the lines of a table's cells
    found = {
        token.type for token in (*tokens, *spans) if token.nesting >= 0 and token not in ours
    } - _HARMLESS
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    found |= {"heading"} & set(headings)
    found |= {"code" for span in spans if span.type == "code_inline" and span.content == "a"}
    lines = shown.splitlines()
    for table in (token for token in tokens if token.type == "table_open" and token.map):
        if len({len(_ENDS_A_CELL.findall(line)) for line in lines[slice(*table.map or (0, 0))]}) != 1:
            found.add("a torn row")
    return found
