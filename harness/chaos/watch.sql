-- The history of what shards do: every change of what says whose a row is and how far the work is, written by the same
-- transaction. public is the schema of Maia's tables. Done again, it begins anew.
DROP SCHEMA IF EXISTS watch CASCADE;
CREATE SCHEMA watch;

-- at: when it was written; began: the transaction's now(), which leases are reckoned by; application: who wrote it.
-- The numbers of one row's changes go up in the order in which they came: the next one has waited for the
-- end of the transaction before.
CREATE TABLE watch.changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    tx          bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    began       timestamptz NOT NULL DEFAULT now(),
    application text NOT NULL DEFAULT current_setting('application_name'),
    relation    text NOT NULL,
    key         text NOT NULL,
    op          text NOT NULL,
    old         jsonb,
    new         jsonb
);

CREATE FUNCTION watch.topic(topic public.search_queue) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'query_term', topic.query_term, 'status', topic.status, 'next_page_token', topic.next_page_token,
        'last_searched_at', topic.last_searched_at, 'due_at', topic.due_at, 'page', topic.page,
        'published_after', topic.published_after, 'published_before', topic.published_before,
        'round_before', topic.round_before, 'round_ended_at', topic.round_ended_at,
        'oldest_read', topic.oldest_read, 'restarts', topic.restarts, 'empty_answers', topic.empty_answers,
        'searches', topic.searches, 'results', topic.results, 'leased_until', topic.leased_until, 'lease_token', topic.lease_token,
        'leased_by', topic.leased_by)
$$;

CREATE FUNCTION watch.video(video public.videos) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'zone', video.zone, 'due_at', video.due_at, 'last_updated_at', video.last_updated_at,
        'enriched_at', video.enriched_at, 'archived_at', video.archived_at, 'retired_at', video.retired_at,
        'absences', video.absences, 'last_absent_at', video.last_absent_at, 'leased_until', video.leased_until,
        'lease_token', video.lease_token, 'leased_by', video.leased_by)
$$;

-- One trigger for each statement, not for each row: 50 rows cost one insert. With the rights of its owner, since an
-- agent's role may not write here.
CREATE FUNCTION watch.topics() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO watch.changes (relation, key, op, new)
        SELECT 'search_queue', added.id::text, 'insert', watch.topic(added) FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO watch.changes (relation, key, op, old)
        SELECT 'search_queue', gone.id::text, 'delete', watch.topic(gone) FROM gone;
    ELSE
        INSERT INTO watch.changes (relation, key, op, old, new)
        SELECT 'search_queue', added.id::text, 'update', watch.topic(gone), watch.topic(added)
        FROM added JOIN gone USING (id)
        WHERE watch.topic(gone) IS DISTINCT FROM watch.topic(added);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION watch.videos() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO watch.changes (relation, key, op, new)
        SELECT 'videos', added.id, 'insert', watch.video(added) FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO watch.changes (relation, key, op, old)
        SELECT 'videos', gone.id, 'delete', watch.video(gone) FROM gone;
    ELSE
        INSERT INTO watch.changes (relation, key, op, old, new)
        SELECT 'videos', added.id, 'update', watch.video(gone), watch.video(added)
        FROM added JOIN gone USING (id)
        WHERE watch.video(gone) IS DISTINCT FROM watch.video(added);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION watch.snapshots() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO watch.changes (relation, key, op, new)
    SELECT 'video_stats_log', added.video_id, 'insert', jsonb_build_object('observed_at', added.observed_at) FROM added;
    RETURN NULL;
END
$$;

CREATE FUNCTION watch.calls() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO watch.changes (relation, key, op, new)
        SELECT 'api_calls', concat_ws(' ', fingerprint, bucket), 'insert',
            jsonb_build_object('day', day, 'reserved', reserved, 'settled', settled) FROM added;
    ELSE
        INSERT INTO watch.changes (relation, key, op, old, new)
        SELECT 'api_calls', concat_ws(' ', fingerprint, bucket), 'update',
            jsonb_build_object('day', day, 'reserved', gone.reserved, 'settled', gone.settled),
            jsonb_build_object('day', day, 'reserved', added.reserved, 'settled', added.settled)
        FROM added JOIN gone USING (day, fingerprint, bucket, counter_shard);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER watch_insert AFTER INSERT ON public.search_queue REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.topics();
CREATE TRIGGER watch_update AFTER UPDATE ON public.search_queue REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.topics();
CREATE TRIGGER watch_delete AFTER DELETE ON public.search_queue REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION watch.topics();
CREATE TRIGGER watch_insert AFTER INSERT ON public.videos REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.videos();
CREATE TRIGGER watch_update AFTER UPDATE ON public.videos REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.videos();
CREATE TRIGGER watch_delete AFTER DELETE ON public.videos REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION watch.videos();
CREATE TRIGGER watch_insert AFTER INSERT ON public.video_stats_log REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.snapshots();
CREATE TRIGGER watch_insert AFTER INSERT ON public.api_calls REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.calls();
CREATE TRIGGER watch_update AFTER UPDATE ON public.api_calls REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION watch.calls();
