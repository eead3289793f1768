"""Turn the advice of Maia's messages from commands into what to do in a workflow, which has no command line.

The container's log keeps the commands; annotations and summaries have these words.
"""

from __future__ import annotations

import re

__all__ = ["CONFIRM", "DRY_RUN", "MIGRATE", "RESUME_KEYS", "in_a_workflow"]

MIGRATE = "Bring the database's schema up to date first"
RESUME_KEYS = "Try suspended keys again"
"""What hunter.yml and tracker.yml ask when they are run by hand; a test compares them."""
DRY_RUN = "Delete nothing, and say what would go"
CONFIRM = "Delete even if it is more than the bound (JANITOR_MAX_SHARE) of a table"
"""What janitor.yml asks."""

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
    (
        r"Look with `maia janitor --dry-run`\. If that is what you want, confirm it once with `maia janitor --yes`",
        f"Look by running the workflow by hand with *{DRY_RUN}* ticked (the input `dry-run`). If that is what you "
        f"want, run it by hand once with *{CONFIRM}* ticked (the input `yes`)",
    ),
)


def in_a_workflow(text: str, *, janitor: bool = False) -> str:
    """Return `text` with each advised command replaced by what to do in a workflow.

    `janitor`: of the Janitor, whose own workflow migrates nothing.
    """
    for pattern, words in _SAID:
        text = re.sub(pattern, lambda _, words=words: words, text)  # type: ignore[misc]
    return text.replace(_MIGRATE[1:], _MIGRATE[1:].replace("the workflow", "the workflow Hunter")) if janitor else text
