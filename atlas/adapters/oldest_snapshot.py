"""Find the session that holds the oldest snapshot: meanwhile dead rows stay, and claims have to skip them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atlas.database import Database, database
from atlas.db.queries import sql

__all__ = ["Holder", "Horizon", "read_horizon"]

_LONG_SECONDS = 60.0  # after 120 s a claim of a busy queue took 32 ms instead of 0.4
_MANY_TRANSACTIONS = 100_000  # of a replication slot, which does not say since when


@dataclass(frozen=True)
class Holder:
    """What holds a snapshot.

    Attributes:
        kind: ``session``, ``replication slot`` or ``prepared transaction``.
        name: the session's process id, the slot's name, or the prepared transaction's id.
        since: when its transaction began, by the database's clock; None: unknown.
        seconds: since then.
        transactions: how many began since then.
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
        """Whether it is held long enough to slow claims down."""
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
    """The oldest snapshot that this user sees.

    Attributes:
        hidden: sessions of other users, whose snapshots this user cannot see.
        reader: this user.
    """

    holder: Holder | None
    hidden: int
    reader: str


async def read_horizon(store: Database | None = None) -> Horizon:
    """Return what holds the oldest snapshot."""
    (row,) = await (store or database).fetch(sql("report/oldest_snapshot"))
    holder = None
    if row["kind"] is not None:
        holder = Holder(
            row["kind"], row["name"], row["since"], row["seconds"], row["transactions"], row["user_name"],
            row["application_name"] or None, row["client"], row["state"],
        )  # fmt: skip
    return Horizon(holder, row["hidden"], row["reader"])
