"""What people paste for a video or a channel."""

from __future__ import annotations

import pytest

from maia.addresses import Named, Thing, UnknownName, parse_name

VIDEO, HYPHEN = "dQw4w9WgXcQ", "-wtIMTCHWuI"
CHANNEL = "UCuAXFkgsw1L7xaCfnd5JJOw"


@pytest.mark.parametrize(
    "text",
    [
        VIDEO,
        f"  <{VIDEO}>\n",
        f"https://www.youtube.com/watch?v={VIDEO}",
        f"http://youtube.com/watch?v={VIDEO}&list=PLx&t=42s",
        f"HTTPS://WWW.YouTube.com/watch?feature=player_embedded&v={VIDEO}#t=3",
        f"https://m.youtube.com/watch?app=desktop&v={VIDEO}",
        f"https://music.youtube.com/watch?v={VIDEO}&si=abc",
        f"www.youtube.com/watch?v={VIDEO}",
        f"youtube.com/watch/{VIDEO}",
        f"https://youtu.be/{VIDEO}?si=abcdefghijk&t=1",
        f"youtu.be/{VIDEO}",
        f"https://www.youtube.com/shorts/{VIDEO}?feature=share",
        f"https://www.youtube.com/live/{VIDEO}/",
        f"https://www.youtube-nocookie.com/embed/{VIDEO}?rel=0",
        f"https://www.youtube.com/v/{VIDEO}",
        f"https://www.youtube.com/attribution_link?a=x&u=%2Fwatch%3Fv%3D{VIDEO}%26feature%3Dshare",
    ],
)
def test_a_video_is_understood(text: str) -> None:
    assert parse_name(text) == Named(Thing.VIDEO, VIDEO)


@pytest.mark.parametrize(
    "text",
    [
        CHANNEL,
        f"https://www.youtube.com/channel/{CHANNEL}",
        f"https://youtube.com/channel/{CHANNEL}/videos?view=0",
        f"m.youtube.com/channel/{CHANNEL}#about",
    ],
)
def test_a_channel_is_understood(text: str) -> None:
    assert parse_name(text) == Named(Thing.CHANNEL, CHANNEL)


def test_an_id_may_begin_with_a_hyphen() -> None:
    assert parse_name(f"https://youtu.be/{HYPHEN}") == parse_name(HYPHEN) == Named(Thing.VIDEO, HYPHEN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "give a video's id"),
        ("dQw4w9WgXc", "give a video's id"),
        ("lofi hip hop", "give a video's id"),
        ("@pewdiepie", "handles"),
        ("https://www.youtube.com/@pewdiepie/videos", "handles"),
        ("https://www.youtube.com/c/pewdiepie", "handles"),
        ("https://www.youtube.com/user/pewdiepie", "handles"),
        ("https://www.youtube.com/channel/UCtooshort", "no channel's id"),
        ("https://www.youtube.com/watch?v=", "no video's id"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQQ", "no video's id"),
        ("https://youtu.be/", "no video's id"),
        ("https://www.youtube.com/", "neither a video nor a channel"),
        ("https://www.youtube.com/playlist?list=PLx", "neither a video nor a channel"),
        ("https://www.youtube.com/attribution_link?u=https://evil.example/", "neither a video nor a channel"),
        (f"https://vimeo.com/watch?v={VIDEO}", "not of YouTube"),
        (f"https://youtube.com.evil.example/watch?v={VIDEO}", "not of YouTube"),
        (f"https://youtube.com@evil.example/watch?v={VIDEO}", "not of YouTube"),
        ("https://[youtube.com/watch", "cannot be read"),
        ("https://www.youtube.com/attribution_link?u=//[", "cannot be read"),
        (f"javascript:{VIDEO}", "give a video's id"),
    ],
)
def test_anything_else_says_what_to_give(text: str, reason: str) -> None:
    with pytest.raises(UnknownName, match=reason):
        parse_name(text)
