"""Store snapshots in partitions or a hypertable, expire them, and maintain the views over them."""

from __future__ import annotations

from atlas.db.server_info import Storage
from atlas.snapshots.maintenance import Maintenance, ensure, maintain

__all__ = ["Maintenance", "Storage", "ensure", "maintain"]
