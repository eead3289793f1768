"""The claims of several shards as a state machine: any order of claims, writes, releases, lost leases and lost rows.

Each rule does one thing with the product and compares it with the model (see ``world``).
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.search_rounds import PageRead
from atlas.models.rows import Presence, TopicStatus, VideoUpdate

from .claim_model import STEPS, TERMS, VIDEOS, World, answers, mostly, places, rarely, shards, sizes, some
from .claim_shards import SHARDS, due_topics, due_videos, first_places, unfinished

__all__ = ["Shards"]


class Shards(World):
    """Three shards at work."""

    # ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(shard=shards, number=sizes, undone=rarely)
    def topics_are_claimed(self, shard: int, number: int, undone: bool) -> None:
        before = self.fleet.look("search_queue")
        claimed = self._do_or_undo(shard, lambda dao: dao.fetch_hunter_batch(number), undone)
        assert [row["id"] for row in claimed] == due_topics(before, self.now)[:number]
        self._now_holds(shard, claimed, undone)
        for row in claimed:
            self._check_page(row, before[row["id"]], undone)

    @rule(shard=shards, number=sizes, undone=rarely)
    def videos_are_claimed(self, shard: int, number: int, undone: bool) -> None:
        due = due_videos(self.fleet.look("videos"), self.now)
        claimed = self._do_or_undo(shard, lambda dao: dao.fetch_tracker_targets(number), undone)
        assert [(row["zone"], row["due_at"]) for row in claimed] == first_places(due, number)
        self._now_holds(shard, claimed, undone)

    @rule(shard=shards, number=sizes, archive=st.booleans())
    def unfinished_videos_are_claimed(self, shard: int, number: int, archive: bool) -> None:
        due = unfinished(self.fleet.look("videos"), self.now, archive=archive)
        claimed = self._do(lambda: self.daos[shard].fetch_unfinished(number, archive=archive))
        places = sorted((int(row["enriched_at"] is not None), row["first_seen_at"]) for row in claimed)
        assert places == first_places(due, number)
        self._now_holds(shard, claimed)

    @rule(numbers=st.lists(sizes, min_size=SHARDS, max_size=SHARDS))
    def all_shards_claim_at_once(self, numbers: list[int]) -> None:
        self._race_for_videos(numbers)
        self._race_for_topics(numbers)

    def _race_for_videos(self, numbers: list[int]) -> None:
        due = due_videos(self.fleet.look("videos"), self.now)
        batches = self._at_once(lambda dao, number: dao.fetch_tracker_targets(number), numbers)
        claimed = [row for batch in batches for row in batch]
        assert len({row["id"] for row in claimed}) == len(claimed), "two shards hold one row"
        assert sorted((row["zone"], row["due_at"]) for row in claimed) == first_places(due, sum(numbers))

    def _race_for_topics(self, numbers: list[int]) -> None:
        before = self.fleet.look("search_queue")
        due = due_topics(before, self.now)
        batches = self._at_once(lambda dao, number: dao.fetch_hunter_batch(number), numbers)
        claimed = [row["id"] for batch in batches for row in batch]
        assert len(set(claimed)) == len(claimed), "two shards hold one row"
        assert set(claimed) <= set(due)
        # what one shard is about to make claimable, another does not see yet
        if all(before[id_]["status"] == "active" for id_ in due):
            assert sorted(claimed) == sorted(due[: sum(numbers)])
        for row in (row for batch in batches for row in batch):
            self._check_page(row, before[row["id"]])

    @rule(shard=shards, number=sizes, chosen=some)
    def videos_are_claimed_while_another_transaction_holds_some(
        self, shard: int, number: int, chosen: list[int]
    ) -> None:
        due = due_videos(self.fleet.look("videos"), self.now)
        locked = self._among([id_ for _, id_ in due], chosen)
        claimed = self._beside("videos", locked, lambda: self.daos[shard].fetch_tracker_targets(number))
        assert not {row["id"] for row in claimed} & set(locked)
        free = [(place, id_) for place, id_ in due if id_ not in locked]
        assert [(row["zone"], row["due_at"]) for row in claimed] == first_places(free, number)
        self._now_holds(shard, claimed)

    @rule(shard=shards, number=sizes, chosen=some)
    def topics_are_claimed_while_another_transaction_holds_some(
        self, shard: int, number: int, chosen: list[int]
    ) -> None:
        before = self.fleet.look("search_queue")
        due = due_topics(before, self.now)
        locked = self._among(due, chosen)
        claimed = self._beside("search_queue", locked, lambda: self.daos[shard].fetch_hunter_batch(number))
        assert [row["id"] for row in claimed] == [id_ for id_ in due if id_ not in locked][:number]
        self._now_holds(shard, claimed)
        for row in claimed:
            self._check_page(row, before[row["id"]])

    @rule(chosen=some, claims=mostly, by=shards)
    def leases_end(self, chosen: list[int], claims: bool, by: int) -> None:
        """Without a second of waiting; mostly, another shard takes what has come free before the late one is back."""
        keys = self._among(sorted(self.owner, key=str), chosen)
        ended = "leased_until = now() - interval '1 second'"
        for table, ids in (
            ("search_queue", [key for key in keys if isinstance(key, int)]),
            ("videos", [key for key in keys if isinstance(key, str)]),
        ):
            self.fleet.run(self.fleet.eyes.execute(f"UPDATE {table} SET {ended} WHERE id = ANY ($1)", ids))
        if claims:
            self.topics_are_claimed(by, len(TERMS), False)
            self.videos_are_claimed(by, len(VIDEOS), False)

    # ── how far the work is ─────────────────────────────────────────────────────────────────────────────────────────

    @rule(place=places, more=mostly, new=st.integers(0, 2), undone=rarely, paused=rarely, rests=rarely)
    def a_topic_is_finished(self, place: int, more: bool, new: int, undone: bool, paused: bool, rests: bool) -> None:
        shard, id_ = self._pick(self._holders(int), place, (0, 0))
        if paused and id_ in self.pages:
            term = self.fleet.look("search_queue")[id_]["query_term"]
            self.people_steer({term}, "pause")
        mine, before = self._is_mine(shard, id_), self.fleet.look("search_queue").get(id_)
        status = TopicStatus.ACTIVE if more else TopicStatus.WAITING
        self.written += 1
        page = f"page {self.written}" if more else None
        written = self._do_or_undo(shard, lambda dao: dao.update_search_state(id_, page, 5, status, new=new), undone)
        assert written is mine
        after = self.fleet.look("search_queue").get(id_)
        if undone or not mine:
            assert before is None or after == before, "who holds no lease has written"
        if undone:
            return
        self.held[shard].tokens.pop(id_, None)
        if mine:
            assert after is not None and before is not None
            assert after["status"] == ("paused" if before["status"] == "paused" else status)
            assert (after["leased_until"], after["searches"]) == (None, before["searches"] + 1)
            self._ended(id_, page)
        if rests:  # for longer than a page token is good
            self.time_passes(STEPS[3])
            self.topics_are_claimed(shard, len(TERMS), False)
        else:
            self.topics_are_claimed(shard, 1, False)

    @rule(place=places, more=mostly, new=st.integers(0, 2), older=mostly, undone=rarely)
    def a_page_is_read(self, place: int, more: bool, new: int, older: bool, undone: bool) -> None:
        """The round goes on where there is a further page, and this one brought something."""
        shard, id_ = self._pick(self._holders(int), place, (0, 0))
        mine, before = self._is_mine(shard, id_), self.fleet.look("search_queue").get(id_)
        self.written += 1
        read_to = before["oldest_read"] if before is not None else None
        oldest = (read_to or self.windows.get(id_, self.now)) - timedelta(minutes=1)
        page = PageRead(f"page {self.written}" if more else None, 5, [oldest] if older else [], new)
        written = self._do_or_undo(shard, lambda dao: dao.page_read(id_, page, 5), undone)
        assert written is mine
        after = self.fleet.look("search_queue").get(id_)
        if undone or not mine:
            assert before is None or after == before, "who holds no lease has written"
        if undone:
            return
        self.held[shard].tokens.pop(id_, None)
        if mine:
            assert after is not None and before is not None
            assert after["searches"] == before["searches"] + 1
            goes_on = after["published_before"] is not None
            assert goes_on or not more or not (new or older) or before["round_pages"] == 19
            assert not goes_on or (more and (new or older))
            self._ended(id_, page.next_token if goes_on else None)
        self.topics_are_claimed(shard, len(TERMS), False)

    @rule(place=places)
    def an_answer_holds_nothing_to_read(self, place: int) -> None:
        """The same page is asked again, three times."""
        shard, id_ = self._pick(self._holders(int), place, (0, 0))
        mine, before = self._is_mine(shard, id_), self.fleet.look("search_queue").get(id_)
        assert self._do(lambda: self.daos[shard].page_unread(id_, 81)) is mine
        after = self.fleet.look("search_queue").get(id_)
        self.held[shard].tokens.pop(id_, None)
        if mine:
            assert after is not None and before is not None
            again = before["empty_answers"] < 3
            assert after["empty_answers"] == (before["empty_answers"] + 1 if again else 0)
            assert after["barren_rounds"] == before["barren_rounds"]
            self._ended(id_, self.pages[id_] if again else None)
        else:
            assert after == before, "who holds no lease has written"
        self.time_passes(STEPS[0])
        self.topics_are_claimed(shard, len(TERMS), False)

    @rule(place=places)
    def a_page_token_is_refused(self, place: int) -> None:
        shard, id_ = self._pick(self._holders(int), place, (0, 0))
        mine, before = self._is_mine(shard, id_), self.fleet.look("search_queue").get(id_)
        assert self._do(lambda: self.daos[shard].restart_round(id_)) is mine
        after = self.fleet.look("search_queue").get(id_)
        self.held[shard].tokens.pop(id_, None)
        if mine:
            assert after is not None and before is not None
            assert after["restarts"] == (0 if before["restarts"] else 1)
            self._ended(id_, None)
        else:
            assert after == before, "who holds no lease has written"
        self.topics_are_claimed(shard, len(TERMS), False)

    @rule(place=places, number=sizes, presences=answers, undone=rarely)
    def videos_are_updated(self, place: int, number: int, presences: list[Presence], undone: bool) -> None:
        shard, first = self._pick(self._holders(str), place, (0, VIDEOS[0]))
        self.now += timedelta(seconds=1)  # a snapshot of the same microsecond as the first one would be the same
        ids = [first, *(id_ for id_ in VIDEOS if id_ in self.held[shard].tokens and id_ != first)][:number]
        ids += [id_ for id_ in VIDEOS if id_ not in self.held[shard].tokens][:1]  # and one that it never claimed
        updates = [VideoUpdate(id_, presence, views=2) for id_, presence in zip(ids, presences, strict=False)]
        before = self.fleet.look("videos")
        mine = {update.id: update for update in updates if self._is_mine(shard, update.id)}
        present = [id_ for id_, update in mine.items() if update.presence is Presence.PRESENT]
        number = self._do_or_undo(shard, lambda dao: dao.update_video_stats_batch(updates), undone)
        assert number == len(present)
        after = self.fleet.look("videos")
        late = set(before) if undone else set(before) - set(mine)
        assert {id_: after[id_] for id_ in late} == {id_: before[id_] for id_ in late}, "who holds no lease has written"
        if undone:
            return
        for id_ in ids:
            self.held[shard].tokens.pop(id_, None)
        for id_ in mine:
            row = after[id_]
            assert row["leased_until"] is None
            assert row["due_at"] is None or row["due_at"] > self.now
            del self.owner[id_]
        for id_ in present:
            self.snapshots[id_] = self.snapshots.get(id_, 0) + 1

    # ── giving back ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(place=places)
    def one_is_set_aside(self, place: int) -> None:
        shard, key = self._pick(self._holders(int, str), place, (0, 0))
        self.daos[shard].set_aside([key])
        self.held[shard].aside.add(key)
        self.claims_are_released(place, False)

    @rule(place=places, at_the_end=rarely)
    def claims_are_released(self, place: int, at_the_end: bool) -> None:
        shard, _ = self._pick(self._holders(int, str), place, (0, 0))
        held = self.held[shard]
        self._given_back(shard, [key for key in held.tokens if key not in held.aside], MaiaDAO.release_claims)
        if at_the_end:
            held.aside, aside = set(), held.aside
            self._given_back(shard, [key for key in held.tokens if key in aside], MaiaDAO.release_aside)
