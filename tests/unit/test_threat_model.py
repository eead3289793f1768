"""docs/threat-model.md: what it says is shown by a test, is."""

from __future__ import annotations

import re

from ..support.documents import CHECKOUT, document, needs_documents, sections

TEXT = "docs/threat-model.md"


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document(TEXT)))
    assert len(named) > 30
    for file, test in named:
        path = CHECKOUT / file
        assert path.is_file(), file
        if test:
            assert re.search(rf"^(async )?def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE), (file, test)


def test_each_attacker_has_a_section_that_says_what_remains() -> None:
    parts = re.split(r"^## ", document(TEXT), flags=re.MULTILINE)
    begin = ("A pull request", "A malicious", "A stolen", "A poisoned", "A hostile")
    attackers = [part for part in parts if part.startswith(begin)]
    assert len(attackers) == 6
    for part in attackers:
        assert "**What remains.**" in part, part.partition("\n")[0]
        assert "`tests/" in part, part.partition("\n")[0]
    assert sections(document(TEXT))


@needs_documents
def test_what_is_said_of_the_workflows_is_so() -> None:
    for name in ("release-image.yml", "release.yml"):
        release = (CHECKOUT / ".github/workflows" / name).read_text(encoding="utf-8")
        assert "actions/cache" not in release
        assert not re.search(r"^\s*cache(-from|-to)?:", release, re.MULTILINE)
    assert "--require-hashes" in (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in (CHECKOUT / "Makefile").read_text(encoding="utf-8")
