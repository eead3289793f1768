"""What the state machine of claims is made of: its model, and what happens beside the shards' own work.

The model: ``owner`` says which token a row bears, ``held`` what each shard believes to hold. A shard is late where the
two differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atlas.adapters.erasure import ErasureDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.models.rows import Presence, TargetRow, TopicRow
from atlas.models.youtube import Video

from .claim_shards import BEGIN, HOUR, SHARDS, Fleet, Held, Undone

__all__ = ["STEPS", "TERMS", "VIDEOS", "World", "answers", "mostly", "places", "rarely", "shards", "sizes", "some"]

TERMS = [f"query {letter}" for letter in "abcdef"]
VIDEOS = [f"video_{letter}" for letter in "abcdefgh"]
AGES = [timedelta(minutes=5), 23 * HOUR, 3 * 24 * HOUR, 30 * 24 * HOUR]
# never a whole number of hours after anything: what is due is due by a second at least
STEPS = [
    timedelta(minutes=10, seconds=1),
    HOUR + timedelta(seconds=1),
    7 * HOUR,
    timedelta(days=1, hours=1),
    8 * 24 * HOUR,
]

ages = st.sampled_from(AGES)
steering = st.sampled_from(["add", "pause", "remove"])
shards = st.integers(0, SHARDS - 1)
sizes = st.integers(1, 5)
rarely, mostly = st.sampled_from([False, False, False, True]), st.sampled_from([True, True, True, False])
answers = st.lists(st.sampled_from([Presence.PRESENT, *Presence]), min_size=6, max_size=6)
# drawn as places, never as keys: what is drawn must not hang on what the server does
places = st.sampled_from([0, 0, *range(12)])
some = st.lists(st.integers(0, 11), unique=True, min_size=4, max_size=10)
Key = int | str


def late_pages(row: Any, now: Any) -> bool:
    return row["next_page_token"] is not None and now - row["last_searched_at"] > 12 * HOUR


class World(RuleBasedStateMachine):
    """Six queries, eight videos, three shards that may hold them; and all that happens beside the shards' own work."""

    fleet: ClassVar[Fleet]

    def __init__(self) -> None:
        super().__init__()
        self.fleet.empty()
        self.daos = self.fleet.daos()
        self.held = [Held() for _ in self.daos]
        self.owner: dict[Key, tuple[int, UUID]] = {}
        self.pages: dict[int, str | None] = {}
        self.windows: dict[int, datetime] = {}
        self.snapshots: dict[str, int] = {}
        self.now = BEGIN
        self.written = 0

    # ── what people and searches do ─────────────────────────────────────────────────────────────────────────────────

    @initialize(
        tags=st.lists(st.sampled_from(TERMS), min_size=2, max_size=8),
        mine=st.sets(st.sampled_from(TERMS), min_size=3, max_size=5),
        born=st.lists(ages, min_size=len(VIDEOS), max_size=len(VIDEOS)),
        partial=st.sets(st.sampled_from(VIDEOS), max_size=2),
    )
    def seed(self, tags: list[str], mine: set[str], born: list[timedelta], partial: set[str]) -> None:
        """A day ago, so that all videos are due."""
        self.now -= timedelta(hours=25)
        self._do(lambda: self.daos[0].add_to_search_queue(tags))
        self.queries_are_added(mine)
        for id_, age in zip(VIDEOS, born, strict=True):
            self.videos_are_found({id_}, age, id_ in partial, 0)
            self.now += timedelta(minutes=1)
        self.now = BEGIN

    @rule(
        terms=st.sets(st.sampled_from(TERMS), min_size=1, max_size=3), what=st.sampled_from(["add", "pause", "remove"])
    )
    def people_steer(self, terms: set[str], what: str) -> None:
        if what == "add":
            self.queries_are_added(terms)
        elif what == "pause":
            self._do(lambda: QueueDAO(self.fleet.stores[1]).pause(terms))
        else:
            gone = [id_ for id_, row in self.fleet.look("search_queue").items() if row["query_term"] in terms]
            assert len(self._do(lambda: QueueDAO(self.fleet.stores[2]).remove(terms))) == len(gone)
            for id_ in gone:
                self.owner.pop(id_, None)
                del self.pages[id_]

    def queries_are_added(self, terms: set[str]) -> None:
        """Unsearched ones that nobody holds may get new ids, so that they are searched in the order given."""
        before = {row["query_term"]: row for row in self.fleet.look("search_queue").values()}
        self._do(lambda: QueueDAO(self.fleet.stores[0]).add(sorted(terms)))
        after = {row["query_term"]: id_ for id_, row in self.fleet.look("search_queue").items()}
        moved = {row["id"]: after[term] for term, row in before.items() if after[term] != row["id"]}
        assert all(
            row["free"] and row["last_searched_at"] is None and term in terms
            for term, row in before.items()
            if row["id"] in moved
        )
        for state in (self.pages, self.owner, self.windows):
            for id_ in moved.keys() & state.keys():
                state[moved[id_]] = state.pop(id_)
        for id_ in after.values():
            self.pages.setdefault(id_, None)

    @rule(ids=st.sets(st.sampled_from(VIDEOS), min_size=1), age=ages, partial=st.booleans(), shard=shards)
    def videos_are_found(self, ids: set[str], age: timedelta, partial: bool, shard: int) -> None:
        before = self.fleet.look("videos")
        new = {id_ for id_ in ids if not partial and (id_ not in before or before[id_]["enriched_at"] is None)}
        videos = [Video(id=id_, published_at=self.now - age, views=1, partial=partial) for id_ in sorted(ids)]
        done = self._do(lambda: self.daos[shard].ingest_video_metadata(videos))
        assert (done.created, done.newly_enriched) == (ids - set(before), new)
        for id_ in new:
            self.snapshots[id_] = self.snapshots.get(id_, 0) + 1

    @rule(ids=st.sets(st.sampled_from(VIDEOS), min_size=1, max_size=2))
    def videos_are_forgotten(self, ids: set[str]) -> None:
        self._do(lambda: ErasureDAO(self.fleet.stores[0]).erase(ids, []))
        for id_ in ids:
            self.owner.pop(id_, None)
            self.snapshots.pop(id_, None)

    @rule(step=st.sampled_from(STEPS))
    def time_passes(self, step: timedelta) -> None:
        self.now += step

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def rows_say_what_the_model_says(self) -> None:
        topics, videos = self.fleet.look("search_queue"), self.fleet.look("videos")
        leased = {
            key: (row["leased_by"], row["lease_token"])
            for key, row in (topics | videos).items()
            if row["lease_token"] is not None
        }
        assert leased == {key: (f"shard {shard}", token) for key, (shard, token) in self.owner.items()}
        assert not [key for key, row in (topics | videos).items() if key not in self.owner and not row["free"]]
        assert {id_: row["next_page_token"] for id_, row in topics.items()} == self.pages
        assert self.fleet.snapshots() == self.snapshots

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self.fleet.at(self.now, work)

    def _do_or_undo(self, shard: int, work: Callable[[MaiaDAO], Coroutine[Any, Any, Any]], undone: bool) -> Any:
        """Does it alone or, ``undone``, in a transaction that is rolled back; what it returned either way."""
        dao = self.daos[shard]

        async def undo() -> Any:
            try:
                async with dao.transaction():
                    done = await work(dao)
                    raise Undone  # noqa: TRY301  that is what is tried
            except Undone:
                return done

        return self._do(undo if undone else lambda: work(dao))

    def _at_once(self, work: Callable[[MaiaDAO, int], Coroutine[Any, Any, Any]], numbers: list[int]) -> list[Any]:
        """All shards claim, and give back: who got which row is the server's affair; what follows must not hang on it.

        A row that was leased before, by a lease that has ended, is nobody's then.
        """
        daos = self.fleet.daos()

        async def claimed() -> list[Any]:
            return await asyncio.gather(*(work(dao, number) for dao, number in zip(daos, numbers, strict=True)))

        async def given_back() -> list[int]:
            return list(await asyncio.gather(*(dao.release_claims() for dao in daos)))

        batches: list[Any] = self._do(claimed)
        assert self._do(given_back) == [len(batch) for batch in batches]
        for row in (row for batch in batches for row in batch):
            self.owner.pop(row["id"], None)
        return batches

    def _beside(self, table: str, locked: list[Any], work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Does it while another connection's transaction holds rows: it must not wait for them."""
        other = self.fleet.other
        transaction = other.transaction()
        self.fleet.run(transaction.start())
        try:
            self.fleet.run(other.execute(f"SELECT FROM {table} WHERE id = ANY ($1) FOR UPDATE", locked))
            return self._do(work)
        finally:
            self.fleet.run(transaction.rollback())

    def _now_holds(self, shard: int, rows: list[TopicRow] | list[TargetRow], undone: bool = False) -> None:
        for row in rows:
            self.held[shard].tokens[row["id"]] = row["lease_token"]
            if not undone:
                self.owner[row["id"]] = (shard, row["lease_token"])

    def _check_page(self, row: TopicRow, before: Any, undone: bool = False) -> None:
        """A claim goes on with the page that the last holder wrote, unless its token is too old."""
        page = None if late_pages(before, self.now) else self.pages[row["id"]]
        assert row["published_after"] is not None
        assert row["published_before"] is not None
        assert row["published_after"] < row["published_before"]
        if not undone:
            assert row["next_page_token"] == page
            self.pages[row["id"]] = page
            self.windows[row["id"]] = row["published_before"]

    def _is_mine(self, shard: int, key: Key) -> bool:
        token = self.held[shard].tokens.get(key)
        return token is not None and self.owner.get(key) == (shard, token)

    def _ended(self, id_: int, page: str | None) -> None:
        del self.owner[id_]
        self.pages[id_] = page

    def _given_back(self, shard: int, keys: list[Key], release: Callable[[MaiaDAO], Coroutine[Any, Any, int]]) -> None:
        mine = [key for key in keys if self._is_mine(shard, key)]
        assert self._do(lambda: release(self.daos[shard])) == len(mine)
        for key in keys:
            del self.held[shard].tokens[key]
        for key in mine:
            del self.owner[key]

    def _holders(self, *kinds: type) -> list[tuple[int, Any]]:
        """Which shard believes to hold what; those that are late come first."""
        pairs = [(shard, key) for shard, held in enumerate(self.held) for key in held.tokens if isinstance(key, kinds)]
        return sorted(pairs, key=lambda pair: (self._is_mine(*pair), str(pair[1]), pair[0]))

    def _pick(self, pairs: list[Any], place: int, none: Any) -> Any:
        return pairs[place % len(pairs)] if pairs else none

    def _among(self, keys: list[Any], chosen: list[int]) -> list[Any]:
        return [keys[place] for place in sorted(chosen) if place < len(keys)]
