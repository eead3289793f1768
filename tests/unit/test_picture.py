"""The picture of `maia top` in the README."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ..support.documents import document, needs_documents

PICTURE = "docs/top.svg"


@needs_documents
def test_the_picture_is_small_and_needs_nothing_from_elsewhere() -> None:
    picture = document(PICTURE)
    assert PICTURE in document("README.md")
    ElementTree.fromstring(picture)
    assert len(picture) < 60_000
    assert not re.search(r"<script|@import|@font-face|href|url\((?!#)", picture)
    assert {"BREAKOUT", "24h", "usual"} <= set(re.findall(r"\w+", picture.replace("&#160;", " ")))
