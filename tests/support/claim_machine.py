"""The claims of several shards as a state machine: any order of claims, writes, releases, lost leases and lost rows.

Each rule does one thing with the product and compares it with the model: ``owner`` says which token a row bears,
``tokens`` what each shard believes to have claimed. A shard is late where the two differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atlas.adapters.erasure import ErasureDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.search_rounds import PageRead
from atlas.config import settings
from atlas.database import Database
from atlas.models.rows import Presence, TargetRow, TopicRow, TopicStatus, VideoUpdate
from atlas.models.youtube import Video

from .clock_settings import standing_at
from .event_loop import PATIENCE

__all__ = ["ShardStores", "Shards"]

T = TypeVar("T")
Key = int | str
Rows = dict[Any, asyncpg.Record]

SHARDS = 3
HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
TERMS = [f"query {letter}" for letter in "abcdef"]
VIDEOS = [f"video_{letter}" for letter in "abcdefgh"]
AGES = [timedelta(minutes=5), 23 * HOUR, 3 * 24 * HOUR, 30 * 24 * HOUR]
# never a whole number of hours after anything: what is due is due by a second at least
SOON, DAY = timedelta(minutes=10, seconds=1), timedelta(days=1, hours=1)
STEPS = [SOON, HOUR + timedelta(seconds=1), 7 * HOUR, DAY, 8 * 24 * HOUR]

ages = st.sampled_from(AGES)
shards = st.integers(0, SHARDS - 1)
sizes = st.integers(1, 5)
rarely, mostly = st.sampled_from([False, False, False, True]), st.sampled_from([True, True, True, False])
answers = st.lists(st.sampled_from([Presence.PRESENT, *Presence]), min_size=6, max_size=6)
# drawn as places, never as keys: what is drawn must not hang on what the server does
places = st.sampled_from([0, 0, *range(12)])
some = st.lists(st.integers(0, 11), unique=True, min_size=4, max_size=10)


class Undone(Exception):
    """Ends a transaction, which is rolled back."""


class ShardStores:
    """The shards' stores, and connections that look at the tables from outside. Open until ``close``."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        # a statement that waits for another's row is refused: a claim that would block fails, however fast this is
        url = f"{dsn}{'&' if '?' in dsn else '?'}lock_timeout=5000"
        self._given = settings.override(database_url=url, database_pool_size=2)
        self._given.__enter__()
        self.stores = [Database() for _ in range(SHARDS)]
        self.eyes: asyncpg.Connection = self.run(asyncpg.connect(dsn))
        self.other: asyncpg.Connection = self.run(asyncpg.connect(dsn))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(work, PATIENCE)

        return self._runner.run(bounded())

    def close(self) -> None:
        for store in self.stores:
            self.run(store.close())
        self.run(self.eyes.close())
        self.run(self.other.close())
        self._given.__exit__(None, None, None)
        self._runner.close()

    def daos(self) -> list[MaiaDAO]:
        return [MaiaDAO(f"shard {number}", store) for number, store in enumerate(self.stores)]

    def look(self, table: str) -> Rows:
        """A table's rows by their key, each with ``free``: no lease, or one that has ended."""
        free = "leased_until IS NULL OR leased_until < now() AS free"
        return {row["id"]: row for row in self.run(self.eyes.fetch(f"SELECT *, {free} FROM {table} ORDER BY id"))}


# ── who comes first, as the documents have it ───────────────────────────────────────────────────────────────────────


def due_topics(rows: Rows, now: datetime) -> list[int]:
    """Queries that may be claimed: by rank, within one never searched first, then oldest."""
    due = [
        row
        for row in rows.values()
        if row["free"] and (row["status"] == "active" or (row["status"] == "waiting" and row["due_at"] <= now))
    ]
    early = datetime.min.replace(tzinfo=UTC)
    due.sort(key=lambda row: (-row["priority"], row["last_searched_at"] or early, row["id"]))
    return [row["id"] for row in due]


def due_videos(rows: Rows, now: datetime) -> list[tuple[Any, str]]:
    """Videos that are due: zone 1 before 2 before 3, in each the longest due first; each with its place."""
    due = [row for row in rows.values() if row["free"] and row["due_at"] is not None and row["due_at"] <= now]
    return sorted(((row["zone"], row["due_at"]), row["id"]) for row in due)


def unfinished(rows: Rows, now: datetime, *, archive: bool) -> list[tuple[Any, str]]:
    """Videos without their metadata, then those that were never archived; the longest known first."""
    due = []
    for row in rows.values():
        asked = row["last_absent_at"] is not None and row["last_absent_at"] > now - 6 * HOUR
        if not row["free"] or row["retired_at"] is not None or asked:
            continue
        if row["enriched_at"] is None:
            due.append(((0, row["first_seen_at"]), row["id"]))
        elif archive and row["archived_at"] is None and row["first_seen_at"] <= now - HOUR:
            due.append(((1, row["first_seen_at"]), row["id"]))
    return sorted(due)


def first_places(due: Iterable[tuple[Any, str]], number: int) -> list[Any]:
    """The places of the first ones: of those that share a place, any may be taken."""
    return [place for place, _ in list(due)[:number]]


def places_of(rows: Iterable[Any]) -> list[Any]:
    return [(row["zone"], row["due_at"]) for row in rows]


class Shards(RuleBasedStateMachine):
    """Three shards at work on six queries and eight videos."""

    fleet: ClassVar[ShardStores]

    def __init__(self) -> None:
        super().__init__()
        empty = "TRUNCATE search_queue, videos, channels, video_stats_log, events RESTART IDENTITY"
        self.fleet.run(self.fleet.eyes.execute(empty))
        self.daos = self.fleet.daos()
        self.tokens: list[dict[Key, UUID]] = [{} for _ in self.daos]
        self.kept: list[set[Key]] = [set() for _ in self.daos]
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
        self.now -= DAY
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
            gone = [id_ for id_, row in self._topics().items() if row["query_term"] in terms]
            assert len(self._do(lambda: QueueDAO(self.fleet.stores[2]).remove(terms))) == len(gone)
            for id_ in gone:
                self.owner.pop(id_, None)
                del self.pages[id_]

    def queries_are_added(self, terms: set[str]) -> None:
        """Unsearched ones without a lease may get new ids, so that they are searched in the order given."""
        before = {row["query_term"]: row for row in self._topics().values()}
        self._do(lambda: QueueDAO(self.fleet.stores[0]).add(sorted(terms)))
        after = {row["query_term"]: id_ for id_, row in self._topics().items()}
        moved = {row["id"]: after[term] for term, row in before.items() if after[term] != row["id"]}
        for term, row in before.items():
            assert row["id"] not in moved or (row["free"] and row["last_searched_at"] is None and term in terms)
        for state in (self.pages, self.owner, self.windows):
            for id_ in moved.keys() & state.keys():
                state[moved[id_]] = state.pop(id_)
        for id_ in after.values():
            self.pages.setdefault(id_, None)

    @rule(ids=st.sets(st.sampled_from(VIDEOS), min_size=1), age=ages, partial=st.booleans(), shard=shards)
    def videos_are_found(self, ids: set[str], age: timedelta, partial: bool, shard: int) -> None:
        self.now += timedelta(seconds=1)  # as when videos are updated
        before = self.fleet.look("videos")
        new = {id_ for id_ in ids if not partial and (id_ not in before or before[id_]["enriched_at"] is None)}
        videos = [Video(id=id_, published_at=self.now - age, views=1, partial=partial) for id_ in sorted(ids)]
        done = self._do(lambda: self.daos[shard].ingest_video_metadata(videos))
        assert (done.created, done.newly_enriched) == (ids - set(before), new)
        for id_ in new:
            self.snapshots[id_] = self.snapshots.get(id_, 0) + 1

    @rule(ids=st.sets(st.sampled_from(VIDEOS), min_size=1, max_size=2))
    def videos_are_erased(self, ids: set[str]) -> None:
        self._do(lambda: ErasureDAO(self.fleet.stores[0]).erase(ids, []))
        for id_ in ids:
            self.owner.pop(id_, None)
            self.snapshots.pop(id_, None)

    @rule(step=st.sampled_from(STEPS))
    def time_passes(self, step: timedelta) -> None:
        self.now += step

    # ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(shard=shards, number=sizes, undone=rarely)
    def topics_are_claimed(self, shard: int, number: int, undone: bool) -> None:
        before = self._topics()
        claimed = self._do_or_undo(shard, lambda dao: dao.fetch_hunter_batch(number), undone)
        assert [row["id"] for row in claimed] == due_topics(before, self.now)[:number]
        self._now_holds(shard, claimed, undone)
        self._check_pages(claimed, before, undone)

    @rule(shard=shards, number=sizes, undone=rarely)
    def videos_are_claimed(self, shard: int, number: int, undone: bool) -> None:
        due = due_videos(self.fleet.look("videos"), self.now)
        claimed = self._do_or_undo(shard, lambda dao: dao.fetch_tracker_targets(number), undone)
        assert places_of(claimed) == first_places(due, number)
        self._now_holds(shard, claimed, undone)

    @rule(shard=shards, number=sizes, archive=st.booleans())
    def unfinished_videos_are_claimed(self, shard: int, number: int, archive: bool) -> None:
        due = unfinished(self.fleet.look("videos"), self.now, archive=archive)
        claimed = self._do(lambda: self.daos[shard].fetch_unfinished(number, archive=archive))
        found = sorted((int(row["enriched_at"] is not None), row["first_seen_at"]) for row in claimed)
        assert found == first_places(due, number)
        self._now_holds(shard, claimed)

    @rule(numbers=st.lists(sizes, min_size=SHARDS, max_size=SHARDS))
    def all_shards_claim_at_once(self, numbers: list[int]) -> None:
        due_ = due_videos(self.fleet.look("videos"), self.now)
        videos = self._at_once(lambda dao, number: dao.fetch_tracker_targets(number), numbers)
        assert sorted(places_of(videos)) == first_places(due_, sum(numbers))
        before = self._topics()
        due = due_topics(before, self.now)
        topics = self._at_once(lambda dao, number: dao.fetch_hunter_batch(number), numbers)
        claimed = [row["id"] for row in topics]
        assert set(claimed) <= set(due)
        # what one shard is about to make claimable, another does not see yet
        if all(before[id_]["status"] == "active" for id_ in due):
            assert sorted(claimed) == sorted(due[: sum(numbers)])
        self._check_pages(topics, before)

    @rule(shard=shards, number=sizes, chosen=some)
    def rows_are_claimed_while_another_transaction_locks_some(self, shard: int, number: int, chosen: list[int]) -> None:
        due_ = due_videos(self.fleet.look("videos"), self.now)
        locked = self._among([id_ for _, id_ in due_], chosen)
        videos = self._beside("videos", locked, lambda: self.daos[shard].fetch_tracker_targets(number))
        assert not {row["id"] for row in videos} & set(locked)
        assert places_of(videos) == first_places([each for each in due_ if each[1] not in locked], number)
        self._now_holds(shard, videos)
        before = self._topics()
        due = due_topics(before, self.now)
        locked = self._among(due, chosen)
        topics = self._beside("search_queue", locked, lambda: self.daos[shard].fetch_hunter_batch(number))
        assert [row["id"] for row in topics] == [id_ for id_ in due if id_ not in locked][:number]
        self._now_holds(shard, topics)
        self._check_pages(topics, before)

    @rule(chosen=some, claims=mostly, by=shards)
    def leases_end(self, chosen: list[int], claims: bool, by: int) -> None:
        """Without a second of waiting; mostly, another shard takes what has come free before the late one is back."""
        keys = self._among(sorted(self.owner, key=str), chosen)
        for table, kind in (("search_queue", int), ("videos", str)):
            ended = f"UPDATE {table} SET leased_until = now() - interval '1 second' WHERE id = ANY ($1)"
            self.fleet.run(self.fleet.eyes.execute(ended, [key for key in keys if isinstance(key, kind)]))
        if claims:
            self.topics_are_claimed(by, len(TERMS), False)
            self.videos_are_claimed(by, len(VIDEOS), False)

    # ── how far the work is ─────────────────────────────────────────────────────────────────────────────────────────

    @rule(place=places, more=mostly, new=st.integers(0, 2), undone=rarely, paused=rarely, rests=rarely)
    def a_topic_is_finished(self, place: int, more: bool, new: int, undone: bool, paused: bool, rests: bool) -> None:
        shard, id_ = self._pick(self._holders(int), place)
        if paused and id_ in self.pages:
            self.people_steer({self._topics()[id_]["query_term"]}, "pause")
        status, page = (TopicStatus.ACTIVE, self._new_page()) if more else (TopicStatus.WAITING, None)
        if rows := self._write(
            shard, id_, lambda dao: dao.update_search_state(id_, page, 5, status, new=new), undone=undone
        ):
            before, after = rows
            assert after["status"] == ("paused" if before["status"] == "paused" else status)
            assert (after["leased_until"], after["searches"]) == (None, before["searches"] + 1)
            self._ended(id_, page)
        if undone:
            return
        if rests:  # for longer than a page token is good
            self.time_passes(DAY)
        self.topics_are_claimed(shard, len(TERMS) if rests else 1, False)

    @rule(place=places, more=mostly, new=st.integers(0, 2), older=mostly, undone=rarely)
    def a_page_is_read(self, place: int, more: bool, new: int, older: bool, undone: bool) -> None:
        """The round goes on where there is a further page, and this one brought something."""
        shard, id_ = self._pick(self._holders(int), place)
        known = self._topics().get(id_)
        oldest = ((known and known["oldest_read"]) or self.windows.get(id_, self.now)) - timedelta(minutes=1)
        page = PageRead(self._new_page() if more else None, 5, [oldest] if older else [], new)
        if rows := self._write(shard, id_, lambda dao: dao.record_page(id_, page, 5), undone=undone):
            before, after = rows
            assert after["searches"] == before["searches"] + 1
            goes_on = after["published_before"] is not None
            assert goes_on or not more or not (new or older) or before["round_pages"] == 19
            assert not goes_on or (more and (new or older))
            self._ended(id_, page.next_token if goes_on else None)
        if not undone:
            self.topics_are_claimed(shard, len(TERMS), False)

    @rule(place=places)
    def an_answer_has_nothing_to_read(self, place: int) -> None:
        """The same page is asked again, three times."""
        shard, id_ = self._pick(self._holders(int), place)
        if rows := self._write(shard, id_, lambda dao: dao.record_unreadable_page(id_, 81)):
            before, after = rows
            again = before["empty_answers"] < 3
            assert after["empty_answers"] == (before["empty_answers"] + 1 if again else 0)
            assert after["rounds_without_new"] == before["rounds_without_new"]
            self._ended(id_, self.pages[id_] if again else None)
        self.time_passes(SOON)
        self.topics_are_claimed(shard, len(TERMS), False)

    @rule(place=places)
    def a_page_token_is_refused(self, place: int) -> None:
        shard, id_ = self._pick(self._holders(int), place)
        if rows := self._write(shard, id_, lambda dao: dao.restart_round(id_)):
            before, after = rows
            assert after["restarts"] == (0 if before["restarts"] else 1)
            self._ended(id_, None)
        self.topics_are_claimed(shard, len(TERMS), False)

    def _write(
        self, shard: int, id_: int, work: Callable[[MaiaDAO], Coroutine[Any, Any, bool]], *, undone: bool = False
    ) -> tuple[Any, Any] | None:
        """Write how far a topic is; return its row before and after if that was this shard's to write, and stands."""
        mine, before = self._is_mine(shard, id_), self._topics().get(id_)
        assert self._do_or_undo(shard, work, undone) is mine
        after = self._topics().get(id_)
        if not undone:
            self.tokens[shard].pop(id_, None)
        if mine and not undone:
            return before, after
        assert before is None or after == before, "a shard without the lease has written"
        return None

    @rule(place=places, number=sizes, presences=answers, undone=rarely)
    def videos_are_updated(self, place: int, number: int, presences: list[Presence], undone: bool) -> None:
        shard, first = self._pick(self._holders(str), place, VIDEOS[0])
        self.now += timedelta(seconds=1)  # a snapshot of the same microsecond as the first one would be the same
        ids = [first, *(id_ for id_ in VIDEOS if id_ in self.tokens[shard] and id_ != first)][:number]
        ids += [id_ for id_ in VIDEOS if id_ not in self.tokens[shard]][:1]  # and one that it never claimed
        updates = [VideoUpdate(id_, presence, views=2) for id_, presence in zip(ids, presences, strict=False)]
        before = self.fleet.look("videos")
        mine = {update.id: update for update in updates if self._is_mine(shard, update.id)}
        present = [id_ for id_, update in mine.items() if update.presence is Presence.PRESENT]
        written = self._do_or_undo(shard, lambda dao: dao.update_video_stats_batch(updates), undone)
        assert written == len(present)
        after = self.fleet.look("videos")
        late = set(before) - (set() if undone else set(mine))
        assert [after[id_] for id_ in late] == [before[id_] for id_ in late], "a shard without the lease has written"
        if undone:
            return
        for id_ in ids:
            self.tokens[shard].pop(id_, None)
        for id_ in mine:
            row = after[id_]
            assert row["leased_until"] is None
            assert row["due_at"] is None or row["due_at"] > self.now
            del self.owner[id_]
        for id_ in present:
            self.snapshots[id_] = self.snapshots.get(id_, 0) + 1

    # ── releases ────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(place=places)
    def the_claim_of_one_is_kept(self, place: int) -> None:
        shard, key = self._pick(self._holders(int, str), place)
        self.daos[shard].keep_claims([key])
        self.kept[shard].add(key)
        self.claims_are_released(place, False)

    @rule(place=places, at_the_end=rarely)
    def claims_are_released(self, place: int, at_the_end: bool) -> None:
        shard, _ = self._pick(self._holders(int, str), place)
        tokens, kept = self.tokens[shard], self.kept[shard]
        self._released(shard, tokens.keys() - kept, MaiaDAO.release_claims)
        if at_the_end:
            self.kept[shard] = set()
            self._released(shard, tokens.keys() & kept, MaiaDAO.release_kept)

    def _released(self, shard: int, keys: set[Key], release: Callable[[MaiaDAO], Coroutine[Any, Any, int]]) -> None:
        mine = [key for key in keys if self._is_mine(shard, key)]
        assert self._do(lambda: release(self.daos[shard])) == len(mine)
        for key in keys:
            del self.tokens[shard][key]
        for key in mine:
            del self.owner[key]

    # ── what is true after each step ────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def rows_agree_with_the_model(self) -> None:
        topics, rows = self._topics(), self._topics() | self.fleet.look("videos")
        leased = {key: (row["leased_by"], row["lease_token"]) for key, row in rows.items() if row["lease_token"]}
        assert leased == {key: (f"shard {shard}", token) for key, (shard, token) in self.owner.items()}
        assert not [key for key, row in rows.items() if key not in self.owner and not row["free"]]
        assert {id_: row["next_page_token"] for id_, row in topics.items()} == self.pages
        counted = self.fleet.run(
            self.fleet.eyes.fetch("SELECT video_id, count(*) AS n FROM video_stats_log GROUP BY 1")
        )
        assert {row["video_id"]: row["n"] for row in counted} == self.snapshots

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _topics(self) -> Rows:
        return self.fleet.look("search_queue")

    def _do(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        with settings.override(atlas_clock=standing_at(self.now)):
            return self.fleet.run(work())

    def _do_or_undo(self, shard: int, work: Callable[[MaiaDAO], Coroutine[Any, Any, Any]], undone: bool) -> Any:
        """Do it alone or, ``undone``, in a transaction that is rolled back; return what it returned either way."""
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
        """All shards claim, and release: the server decides who gets which row, and what follows must not hang on it.

        A row that was leased before, by a lease that has ended, has no owner then.
        """
        daos = self.fleet.daos()

        async def claimed() -> list[Any]:
            return await asyncio.gather(*(work(dao, number) for dao, number in zip(daos, numbers, strict=True)))

        async def released() -> list[int]:
            return list(await asyncio.gather(*(dao.release_claims() for dao in daos)))

        batches: list[Any] = self._do(claimed)
        assert self._do(released) == [len(batch) for batch in batches]
        rows = [row for batch in batches for row in batch]
        assert len({row["id"] for row in rows}) == len(rows), "two shards hold one row"
        for row in rows:
            self.owner.pop(row["id"], None)
        return rows

    def _beside(self, table: str, locked: list[Any], work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do it while another connection's transaction locks rows: it must not wait for them."""
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
            self.tokens[shard][row["id"]] = row["lease_token"]
            if not undone:
                self.owner[row["id"]] = (shard, row["lease_token"])

    def _check_pages(self, rows: list[TopicRow], before: Rows, undone: bool = False) -> None:
        """A claim goes on with the page that the last holder wrote, unless its token is too old."""
        for row in rows:
            id_, last = row["id"], before[row["id"]]
            too_old = last["next_page_token"] is not None and self.now - last["last_searched_at"] > 12 * HOUR
            assert row["published_after"] is not None
            assert row["published_before"] is not None
            assert row["published_after"] < row["published_before"]
            if not undone:
                page = None if too_old else self.pages[id_]
                assert row["next_page_token"] == page
                self.pages[id_], self.windows[id_] = page, row["published_before"]

    def _new_page(self) -> str:
        self.written += 1
        return f"page {self.written}"

    def _ended(self, id_: int, page: str | None) -> None:
        del self.owner[id_]
        self.pages[id_] = page

    def _is_mine(self, shard: int, key: Key) -> bool:
        token = self.tokens[shard].get(key)
        return token is not None and self.owner.get(key) == (shard, token)

    def _holders(self, *kinds: type) -> list[tuple[int, Any]]:
        """Which shard believes to hold what; those that are late come first."""
        pairs = [(shard, key) for shard, tokens in enumerate(self.tokens) for key in tokens if isinstance(key, kinds)]
        return sorted(pairs, key=lambda pair: (self._is_mine(*pair), str(pair[1]), pair[0]))

    def _pick(self, pairs: list[Any], place: int, none: Key = 0) -> Any:
        return pairs[place % len(pairs)] if pairs else (0, none)

    def _among(self, keys: list[Any], chosen: list[int]) -> list[Any]:
        return [keys[place] for place in sorted(chosen) if place < len(keys)]
