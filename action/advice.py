"""What a message of Maia advises on a command line, in the words of a workflow, where there is no command line.

The log of the container keeps the words of the command; annotations and summaries have these.
"""

from __future__ import annotations

import re

__all__ = ["MIGRATE", "RESUME_KEYS", "in_a_workflow"]

MIGRATE = "Bring the database's schema up to date first"
RESUME_KEYS = "Try suspended keys again"
"""What hunter.yml and tracker.yml ask when they are run by hand; a test compares them."""

_MIGRATE = f"run the workflow by hand with *{MIGRATE}* ticked (the plan's input `migrate`)"
_QUERY = "run the workflow Hunter by hand with {} (the plan's input `queries`)"
_SAID = (
    # the longest first: each is searched in what the ones before it left
    (
        r"Run `atlas migrate` as the owner of the database\b",
        f"Set the secret MIGRATE_DATABASE_URL, whose user owns the database, and {_MIGRATE}",
    ),
    (
        r"Run `atlas migrate`(?: first| once with the same DATABASE_URL(?: and DATABASE_SCHEMA)?)?(?=\.)",
        "R" + _MIGRATE[1:],
    ),
    (
        r"then run `maia keys`; `maia keys resume FINGERPRINT` lifts a suspension",
        f"then run the workflow by hand with *{RESUME_KEYS}* ticked (the plan's input `resume-keys`)",
    ),
    (
        r'fill it with `maia queue add "your query"`',
        _QUERY.format("a first query, or name a file of queries in the variable MAIA_QUERIES_FILE"),
    ),
    (r'`maia queue add "query"` resumes one', _QUERY.format("one of them as the query to resume it")),
    (r"\(`maia hunter`\)", "(the workflow Hunter)"),
)


def in_a_workflow(text: str) -> str:
    """`text` with each advice that is a command replaced by what to do in a workflow."""
    for pattern, words in _SAID:
        text = re.sub(pattern, lambda _, words=words: words, text)  # type: ignore[misc]
    return text
