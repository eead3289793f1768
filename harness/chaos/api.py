"""The local YouTube API of a run, with its faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import aiohttp


@dataclass
class Api:
    """The sandbox at a base URL."""

    url: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.split("//")[1].split("/")[0].partition(":")
        return host, int(port)

    @property
    def _faults(self) -> str:
        return self.url.split("/youtube/")[0] + "/_sandbox/faults"

    async def struck(self) -> Counter[str]:
        """Return fault → how often it has struck."""
        found: Counter[str] = Counter()
        async with aiohttp.ClientSession() as session, session.get(self._faults) as answer:
            for fault in await answer.json():
                found[str(fault["spec"]).split(":")[0]] += int(fault["struck"])
        return found

    async def set_faults(self, specs: list[str]) -> None:
        """Replace the faults in force."""
        async with aiohttp.ClientSession() as session, session.post(self._faults, json=specs) as answer:
            if answer.status != 200:
                raise OSError(f"the sandbox refused its faults: {await answer.text()}")
