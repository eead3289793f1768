"""Find the oldest open snapshot: VACUUM keeps the dead rows since then, and claims have to skip them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atlas.database import Database, database
from atlas.db.queries import sql

_LONG_SECONDS = 60.0  # after 120 s a claim of a busy queue took 32 ms instead of 0.4
_MANY_TRANSACTIONS = 100_000  # of a replication slot, whose age in seconds is unknown


@dataclass(frozen=True)
class Holder:
    """The owner of a snapshot.

    Attributes:
        kind: ``session``, ``replication slot`` or ``prepared transaction``.
        name: the session's process id, the slot's name, or the prepared transaction's id.
        since: when its transaction began, by the database's clock; None: unknown.
    """

    kind: str
    name: str
    since: datetime | None
    seconds: float | None
    transactions: int
    user: str | None
    application: str | None
    client: str | None
    state: str | None

    @property
    def long(self) -> bool:
        """Whether it is old enough to slow down claims."""
        if self.seconds is None:
            return self.transactions > _MANY_TRANSACTIONS
        return self.seconds > _LONG_SECONDS

    def __str__(self) -> str:
        parts = [f"{name} {value}" for name in ("user", "application", "client") if (value := getattr(self, name))]
        holder = f"{'process' if self.kind == 'session' else self.kind} {self.name}"
        held = f"{self.seconds:,.0f} s" if self.seconds is not None else f"{self.transactions:,} transactions"
        return ", ".join([f"held for {held} by {holder}", *parts, *([self.state] if self.state else [])])


@dataclass(frozen=True)
class Horizon:
    """The oldest snapshot that this user (``reader``) sees; ``hidden``: sessions whose snapshots it cannot see."""

    holder: Holder | None
    hidden: int
    reader: str


async def read_horizon(store: Database | None = None) -> Horizon:
    """Return the owner of the oldest snapshot."""
    (row,) = await (store or database).fetch(sql("report/oldest_snapshot"))
    holder = None
    if row["kind"] is not None:
        holder = Holder(
            row["kind"], row["name"], row["since"], row["seconds"], row["transactions"], row["user_name"],
            row["application_name"] or None, row["client"], row["state"],
        )  # fmt: skip
    return Horizon(holder, row["hidden"], row["reader"])
