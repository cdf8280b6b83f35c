"""A dead letter as text that is safe to print, whatever its bytes are."""

import base64
import json
from collections.abc import Iterator
from typing import Final

from infra.dead_letters import DeadLetter

_ROW: Final = 16
_DUMPED: Final = 4096
"""Bytes of a payload that is no JSON that are shown; the JSON form has all of them."""


def as_text(letter: DeadLetter) -> str:
    """Return a letter with its headers, and its payload as indented JSON or a hex dump."""
    lines = [f"{letter.message.topic} {letter.place.partition}/{letter.place.offset}"]
    facts = {"at": letter.at.isoformat(), "key": key_text(letter), **letter.headers}
    lines += [f"  {plain(name)}: {plain(value)}" for name, value in facts.items()]
    body = letter.message.value
    lines.append(f"  payload: {len(body)} bytes")
    lines += [f"    {line}" for line in _payload(body)]
    return "\n".join(lines) + "\n"


def as_record(letter: DeadLetter) -> dict[str, object]:
    """Return all of a letter in JSON's types; key and payload in base64 too, nothing left out."""
    message = letter.message
    return {
        "topic": letter.source,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "at": letter.at.isoformat(),
        "reason": letter.reason,
        "headers": letter.headers,
        "key": None if message.key is None else key_text(letter),
        "key_base64": None if message.key is None else base64.b64encode(message.key).decode(),
        "payload_base64": base64.b64encode(message.value).decode(),
    }


def key_text(letter: DeadLetter) -> str:
    """Return a letter's key, what is no UTF-8 in it escaped."""
    return (letter.message.key or b"").decode("utf-8", "backslashreplace")


def plain(text: str) -> str:
    """Return `text` with every character escaped that a terminal might act upon."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _payload(body: bytes) -> Iterator[str]:
    try:
        indented = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        yield from _hex_dump(body)
    else:
        for line in indented.split("\n"):
            yield plain(line)


def _hex_dump(body: bytes) -> Iterator[str]:
    for start in range(0, min(len(body), _DUMPED), _ROW):
        row = body[start : start + _ROW]
        text = "".join(
            chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "." for byte in row
        )
        yield f"{start:08x}  {row.hex(' '):<{3 * _ROW}} {text}"
    if len(body) > _DUMPED:
        yield f"... {len(body) - _DUMPED} more bytes; --json gives them all"
