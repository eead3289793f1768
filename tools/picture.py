"""``make picture``: write docs/top.svg, the output of `maia top` on the sandbox's own world.

The world's videos are read as the Tracker reads them, and judged by the product's detector in an embedded database,
without network. The seed fixes everything, so the picture changes only when the product does.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from atlas.config import settings
from atlas.database import database
from harness.benchmarks.detection.feeding import Found, feed, standing_at
from harness.benchmarks.detection.worlds import DEVELOPMENT, Sample, sample
from harness.benchmarks.world import fresh_database
from maia.commands.top import Wanted, read_ranking, top_view

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "top.svg"
_WIDTH = 80
_NAMES = """
UPDATE channels SET title = new.title FROM unnest($1::text[], $2::text[]) AS new (id, title) WHERE channels.id = new.id
"""
# black, red, green, yellow, blue, magenta, cyan, white: readable on the background, which is dark in any case
_THEME = TerminalTheme(
    (22, 27, 34), (230, 237, 243),
    [(22, 27, 34), (255, 123, 114), (126, 231, 135), (240, 190, 90), (121, 192, 255), (210, 168, 255), (118, 214, 232),
     (201, 209, 217)],
)  # fmt: skip
# without the address of a font
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Output of maia top">
<style>
.{unique_id}-matrix {{
    font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    line-height: {line_height}px; white-space: pre;
}}
{styles}
</style>
<defs>
{lines}
</defs>
<rect fill="#161b22" stroke="#30363d" width="100%" height="100%" rx="8"/>
<text class="{unique_id}-matrix" x="{terminal_x}" y="30" fill="#92999f">$ maia top</text>
<g class="{unique_id}-matrix" transform="translate({terminal_x}, {terminal_y})">{matrix}</g>
</svg>
"""


async def draw(world: Sample, videos: int) -> str:
    """Return the picture of the fastest videos at the end of a world's time."""
    with settings.override(atlas_clock=standing_at(world.begin)):
        async with fresh_database():
            connection = await database.connect()
            try:
                await feed(world, Found(), connection)
                channels = {video.channel.id: video.channel.title for video in world.videos}
                await connection.execute(_NAMES, list(channels), list(channels.values()))
            finally:
                await connection.close()
            with settings.override(atlas_clock=standing_at(world.end)):
                view = top_view(await read_ranking(Wanted(limit=videos)), _WIDTH)
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(view)
    text = console.export_svg(theme=_THEME, code_format=_FORMAT, unique_id="top")
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.add_argument("--seed", type=int, default=DEVELOPMENT[0])
    parser.add_argument("--videos", type=int, default=1_500, help="of the world")
    parser.add_argument("--days", type=int, default=7, help="of the world")
    parser.add_argument("--rows", type=int, default=5, help="videos in the picture")
    parser.add_argument("--output", type=Path, default=PICTURE)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    world = sample(given.seed, videos=given.videos, days=given.days)
    given.output.write_text(asyncio.run(draw(world, given.rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
