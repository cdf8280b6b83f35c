"""Texts that people read, from message catalogues: `schemas/locales/*.po`, one a language.

A message is named by an id such as `error.file_too_large.title`, and may have placeholders
in braces. English is complete by definition; a test holds the others to it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import IO, Final

from babel.messages.pofile import read_po


class Locale(StrEnum):
    """A language that texts exist in, named as its catalogue is."""

    EN = "en"
    ZH_CN = "zh_CN"

    @property
    def tag(self) -> str:
        """The BCP 47 tag, for HTTP headers and files: `zh-CN`."""
        return self.value.replace("_", "-")


class TextError(LookupError):
    """A text was asked for that no catalogue has, or without a value that it needs."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The messages of one language, by id."""

    messages: Mapping[str, str]

    def text(self, message_id: str, values: Mapping[str, object]) -> str:
        """Return a message with its placeholders filled in.

        Raises `TextError` when the message, or a value for one of its placeholders, is missing.
        """
        try:
            template = self.messages[message_id]
        except KeyError:
            raise TextError(
                f"no message {message_id!r}; add it to every file in schemas/locales"
            ) from None
        try:
            return template.format(**values)
        except KeyError as missing:
            raise TextError(f"message {message_id!r} needs a value for {missing}") from None


def read_catalogue(source: IO[bytes]) -> Catalogue:
    """Return the catalogue in a gettext .po file; untranslated and fuzzy messages are left out.

    Raises `babel.messages.pofile.PoFileError` for a malformed file.
    """
    po = read_po(source, ignore_obsolete=True, abort_invalid=True)
    return Catalogue(
        {
            entry.id: entry.string
            for entry in po
            if isinstance(entry.id, str)
            and isinstance(entry.string, str)
            and entry.id
            and entry.string
            and not entry.fuzzy
        }
    )


@cache
def catalogue(locale: Locale) -> Catalogue:
    """Return the catalogue of a language, read once per process."""
    file = resources.files("schemas").joinpath("locales", f"{locale}.po")
    with file.open("rb") as source:
        return read_catalogue(source)


def text(message_id: str, locale: Locale, **values: object) -> str:
    """Return a message in a language, in English where that language lacks it.

    Raises `TextError` when no catalogue has it, or when a placeholder is given no value.
    """
    wanted = catalogue(locale)
    if message_id not in wanted.messages:
        wanted = catalogue(Locale.EN)
    return wanted.text(message_id, values)


_QUALITY: Final = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


def negotiate(accept_language: str | None) -> Locale:
    """Return the language that an `Accept-Language` header prefers among ours, else English.

    Any Chinese is answered in Simplified Chinese, which its readers like better than English.
    What is malformed in the header counts for nothing; this never raises.
    """
    best, best_quality = Locale.EN, 0.0
    for part in (accept_language or "").split(","):
        tag, has_quality, parameter = part.partition(";")
        locale = _locale(tag.strip().lower())
        quality = _quality(parameter) if has_quality else 1.0
        if locale is not None and quality > best_quality:
            best, best_quality = locale, quality
    return best


def _locale(tag: str) -> Locale | None:
    match tag.partition("-")[0]:
        case "zh":
            return Locale.ZH_CN
        case "en" | "*":
            return Locale.EN
        case _:
            return None


def _quality(parameter: str) -> float:
    found = _QUALITY.fullmatch(parameter)
    return float(found[1]) if found else 0.0
