"""A hook of mkdocs: formulas become MathML when the site is built, so that a page needs no script to show them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

# What pymdownx.arithmatex makes of $…$ and $$…$$.
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """The page with MathML in place of LaTeX."""
    return FORMULA.sub(mathml, html)


def mathml(formula: re.Match[str]) -> str:
    """One formula, on a line of its own if it stood in a div."""
    return convert(unescape(formula[2]), display="block" if formula[1] == "div" else "inline")
