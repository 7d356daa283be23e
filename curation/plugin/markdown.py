"""Anybody's words in the Markdown of the panel."""

import re

MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~])")


def plain_text(text: str) -> str:
    """Give text that Markdown shows as it is, on one line: names of classes, and what people type, are anybody's."""
    return MARKDOWN.sub(r"\\\1", " ".join(text.split()))
