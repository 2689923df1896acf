import pytest

from mtmd.report.markdown.plain import block, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("home_feed × ctr fell by 3 %", "home_feed × ctr fell by 3 %"),
        ("two\n# lines", "two # lines"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("[here](http://evil) ![x](y)", r"\[here\](http://evil) !\[x\](y)"),
        ("Men&#39;s &lt;b&gt;, R&D; Tom & Jerry", "Men&amp;#39;s &amp;lt;b&amp;gt;, R&amp;D; Tom & Jerry"),
        ("a | b", r"a \| b"),
        ("# x", r"\# x"),
        ("- x", r"\- x"),
        ("+ x", r"\+ x"),
        ("> x", r"\> x"),
        ("1. x", r"1\. x"),
        ("12) x", r"12\) x"),
        ("3.7 % of 4. x", "3.7 % of 4. x"),
        ("`code` and **bold** and \\", r"\`code\` and \*\*bold\*\* and \\"),
    ],
)
def test_words_of_others_are_no_markup(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_no_text_ends_the_block_that_it_is_in() -> None:
    assert block("an error") == "```\nan error\n```"
    assert block("a\n```\n# b") == "````\na\n```\n# b\n````"
    assert block("a `````") == "``````\na `````\n``````"
