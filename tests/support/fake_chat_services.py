"""Services of messages as Apprise's own plugins meet them: a local server that refuses what the real ones refuse."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from .fake_webhook import listening

__all__ = ["ChatServices", "chat_services", "mail_server"]

_TELEGRAM_TAGS = {"b", "strong", "i", "em", "u", "s", "a", "code", "pre", "blockquote"}


class _TelegramText(HTMLParser):
    """What Telegram shows of its HTML; ValueError for what it cannot parse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown, self._open = "", list[str]()
        if re.search(r"<(?!/?[a-z]+[ >])|&(?!(amp|lt|gt|quot|#\d+);)", text):
            raise ValueError("can't parse entities")
        self.feed(text)
        self.close()
        if self._open:
            raise ValueError("can't parse entities: an end tag is missing")

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag not in _TELEGRAM_TAGS:
            raise ValueError(f"can't parse entities: unsupported start tag {tag}")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise ValueError("can't parse entities: unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.shown += data


class ChatServices:
    """What arrived, as people are shown it, and what is refused.

    Attributes:
        shown: service → texts that it took, title and body in one.
        refusing: service → status and answer for all that comes.
    """

    def __init__(self) -> None:
        self.port = 0
        self.shown: dict[str, list[str]] = {}
        self.refusing: dict[str, tuple[int, str]] = {}

    def take(self, path: str, body: str) -> tuple[int, str]:
        """Return the answer to one request."""
        service, check = next((name, check) for name, check in self._checks().items() if path.startswith(f"/{name}"))
        if service in self.refusing:
            return self.refusing[service]
        problem, text = check(path, body)
        if problem:
            return 400, problem
        self.shown.setdefault(service, []).append(text)
        return 200, "ok" if service == "slack" else '{"ok": true, "result": {}, "status": 1}'

    def _checks(self):  # type: ignore[no-untyped-def]
        return {
            "discord": self._discord,
            "telegram": self._telegram,
            "pushover": self._pushover,
            "slack": self._slack,
            "json": self._json,
            "": self._ntfy,
        }

    @staticmethod
    def _discord(_: str, body: str) -> tuple[str, str]:
        payload = json.loads(body)
        content = payload.get("content", "")
        embeds = payload.get("embeds", [])
        if not content.strip() and not embeds:
            return '{"message": "Cannot send an empty message", "code": 50006}', ""
        if len(content) > 2000:
            return '{"content": ["Must be 2000 or fewer in length."]}', ""
        if any(len(embed.get("title", "")) > 256 or len(embed["description"]) > 4096 for embed in embeds):
            return '{"embeds": ["0"]}', ""
        text = content or "\n".join(f"{embed['title']}\n{embed['description']}" for embed in embeds)
        return "", re.sub(r"\\([\\*_`~|#>])", r"\1", text)

    @staticmethod
    def _telegram(path: str, body: str) -> tuple[str, str]:
        payload = json.loads(body)
        text, mode = payload["text"], str(payload.get("parse_mode")).lower()

        def refused(why: str) -> tuple[str, str]:
            return json.dumps({"ok": False, "error_code": 400, "description": f"Bad Request: {why}"}), ""

        if payload["chat_id"] in (666, "666"):
            return refused("chat not found")
        try:
            if mode == "html":
                text = _TelegramText(text).shown
            elif mode == "markdownv2" and re.search(r"(?<!\\)[_*\[\]()~`>#+=|{}.!-]", text):
                return refused("can't parse entities: a character is reserved and must be escaped")
            elif mode == "markdown" and any(len(re.findall(rf"(?<!\\){c}", text)) % 2 for c in ("_", r"\*", "`")):
                return refused("can't parse entities: Can't find end of the entity")
        except ValueError as error:
            return refused(str(error))
        if not text.strip():
            return refused("message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return refused("message is too long")
        return "", text

    @staticmethod
    def _pushover(_: str, body: str) -> tuple[str, str]:
        payload = {name: values[0] for name, values in parse_qs(body).items()}
        title, message = payload.get("title", ""), payload.get("message", "")
        if not message.strip() or len(message) > 1024 or len(title) > 250:
            return '{"status": 0, "errors": ["message is too long or blank"]}', ""
        return "", f"{title}\n{message}"

    @staticmethod
    def _slack(_: str, body: str) -> tuple[str, str]:
        (attachment,) = json.loads(body)["attachments"]
        title, text, most = attachment.get("title", ""), attachment.get("text", ""), 40_000
        for block in attachment.get("blocks", []):
            if block["type"] == "header":
                title = block["text"]["text"]
                if not 0 < len(title) <= 150:
                    return "invalid_blocks", ""
            elif block["type"] == "section":
                text, most = block["text"]["text"], 3_000
        if not 0 < len(text) <= most:
            return "invalid_blocks", ""
        if re.search(r"<|&(?!amp;|lt;|gt;)", text):
            return "a text that is not escaped", ""
        return "", html.unescape(f"{title}\n{text}")

    @staticmethod
    def _ntfy(path: str, body: str) -> tuple[str, str]:
        if path != "/":
            return "a file was sent", ""
        payload = json.loads(body)
        if len(payload["message"].encode()) > 4096:
            return '{"code": 40010, "http": 400, "error": "invalid request: message too large"}', ""
        return "", f"{payload.get('title', '')}\n{payload['message']}"

    @staticmethod
    def _json(_: str, body: str) -> tuple[str, str]:
        payload = json.loads(body)
        return "", f"{payload['title']}\n{payload['message']}".replace("&nbsp;", " ").replace("<br/>", "\n")


@contextlib.contextmanager
def chat_services() -> Iterator[ChatServices]:
    """Services that are there until the block ends."""
    state = ChatServices()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            status, answer = state.take(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

    with listening(Handler) as state.port:
        yield state


@contextlib.asynccontextmanager
async def mail_server(received: list[str]) -> AsyncIterator[int]:
    """A mail server that takes everything; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while command := (await reader.readline()).upper():
            if command.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                lines = []
                while (line := await reader.readline()) not in {b".\r\n", b""}:
                    lines.append(line)
                received.append(b"".join(lines).decode())
            writer.write(b"221 bye\r\n" if command.startswith(b"QUIT") else b"250 ok\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
