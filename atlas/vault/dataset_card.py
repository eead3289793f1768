"""The dataset's card: what people see on the Hub, and which files its viewer shows."""

from __future__ import annotations

from atlas.vault.layout import COLUMNS, PACKED

CARD_PATH = "README.md"

# named, or a tool would guess the types from the first file that it sees
_TIMES = {"date", "published_at"}
_FEATURES = "\n".join(
    f"  - name: {column}\n    dtype: {'timestamp[s]' if column in _TIMES else 'string'}" for column in COLUMNS
)

CARD = f"""---
pretty_name: Maia archive
configs:
- config_name: default
  data_files:
  - split: train
    path: {PACKED}/*/*.jsonl.zst
dataset_info:
  features:
{_FEATURES}
---

# Maia archive

What YouTube's Data API answered about videos, as [Maia](https://github.com/pleiades/maia) archived it, by the UTC date
of the answer.

- `packed/{{YYYY-MM-DD}}/*.jsonl.zst`: JSON Lines, compressed with Zstandard; many records in one file. The viewer shows
  these. `record` is the answer, a `videos.list` resource as JSON text; the other columns are taken from it.
- `metadata/{{YYYY-MM-DD}}/{{video_id}}.json`: one record in one file.

Of several records of one video and date the one with the latest `_maia.observed_at` counts.

Records are deleted, here and in the dataset's history, when YouTube's terms or a video's owner ask for it: do not rely
on a copy. Keep the dataset private unless you may publish what it holds.
""".encode()
