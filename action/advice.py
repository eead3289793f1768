"""Replace the commands that Maia's messages advise by what to do in a workflow, which has no command line.

Annotations and summaries show the result; the container's log keeps the commands.
"""

from __future__ import annotations

import re

MIGRATE = "Bring the database's schema up to date first"
RESUME_KEYS = "Try suspended keys again"
"""Labels of the form of hunter.yml and tracker.yml; a test compares them."""
DRY_RUN = "Delete nothing, and count what would be deleted"
CONFIRM = "Delete even if it is more than the bound (JANITOR_MAX_SHARE) of a table"
"""Labels of the form of janitor.yml."""

_MIGRATE = f"run the workflow by hand with *{MIGRATE}* ticked (the plan's input `migrate`)"
_QUERY = "run the workflow Hunter by hand with {} (the plan's input `queries`)"
_REPLACEMENTS = (
    # applied in this order, so the longer pattern comes first
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

    `janitor`: the text is of the Janitor, whose workflow does not migrate.
    """
    for pattern, words in _REPLACEMENTS:
        text = re.sub(pattern, lambda _, words=words: words, text)  # type: ignore[misc]
    return text.replace(_MIGRATE[1:], _MIGRATE[1:].replace("the workflow", "the workflow Hunter")) if janitor else text
