import io
import re
from importlib import resources
from string import Formatter

import pytest
from babel.messages.pofile import PoFileError, read_po
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ErrorCode
from schemas.texts import Catalogue, Locale, TextError, catalogue, negotiate, read_catalogue, text

HAN = re.compile(r"[\u4e00-\u9fff]")
EVERY_LOCALE = pytest.mark.parametrize("locale", Locale)


def source(locale: Locale) -> bytes:
    return resources.files("schemas").joinpath("locales", f"{locale}.po").read_bytes()


def placeholders(message: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(message) if name is not None)


def made_of(body: str) -> Catalogue:
    return read_catalogue(io.BytesIO(body.encode()))


def test_every_catalogue_has_the_same_messages() -> None:
    english = set(catalogue(Locale.EN).messages)
    for locale in Locale:
        assert set(catalogue(locale).messages) == english


@EVERY_LOCALE
def test_nothing_in_a_catalogue_is_fuzzy_obsolete_empty_or_said_twice(locale: Locale) -> None:
    po = read_po(io.BytesIO(source(locale)), abort_invalid=True)
    assert not po.fuzzy
    assert not po.obsolete
    assert all(entry.string and not entry.fuzzy for entry in po if entry.id)
    said = re.findall(r'^msgid "(.+)"$', source(locale).decode(), re.MULTILINE)
    assert len(said) == len(set(said)) == len(catalogue(locale).messages)


@EVERY_LOCALE
def test_a_catalogue_names_its_own_language(locale: Locale) -> None:
    po = read_po(io.BytesIO(source(locale)))
    assert po.locale_identifier == locale


@EVERY_LOCALE
def test_placeholders_are_those_of_the_english_text(locale: Locale) -> None:
    english = catalogue(Locale.EN).messages
    for message_id, message in catalogue(locale).messages.items():
        assert placeholders(message) == placeholders(english[message_id]), message_id


@EVERY_LOCALE
@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_has_a_title_and_a_remedy(code: ErrorCode, locale: Locale) -> None:
    title = text(f"error.{code}.title", locale)
    remedy = text(f"error.{code}.remedy", locale)
    assert len(title) <= 50
    assert not title.endswith((".", "。", "!"))
    assert remedy.endswith((".", "。"))
    assert not placeholders(title + remedy)
    assert title == title.strip()
    assert remedy == remedy.strip()


def test_no_message_tells_of_a_code_that_is_gone() -> None:
    known = {f"error.{code}.{kind}" for code in ErrorCode for kind in ("title", "remedy")}
    assert {name for name in catalogue(Locale.EN).messages if name.startswith("error.")} == known


def test_chinese_texts_are_chinese_and_english_texts_are_not() -> None:
    assert all(HAN.search(message) for message in catalogue(Locale.ZH_CN).messages.values())
    assert not any(HAN.search(message) for message in catalogue(Locale.EN).messages.values())


def test_chinese_texts_use_full_width_punctuation() -> None:
    for message_id, message in catalogue(Locale.ZH_CN).messages.items():
        assert not re.search(r"[\u4e00-\u9fff][,;:.?!]", message), message_id


def test_values_stand_where_their_placeholders_were() -> None:
    greeting = made_of('msgid "a"\nmsgstr "{name} has {count} of {name}"\n')
    assert greeting.text("a", {"name": "{count}", "count": 3}) == "{count} has 3 of {count}"


def test_a_value_that_is_missing_is_named() -> None:
    greeting = made_of('msgid "a"\nmsgstr "{name}"\n')
    with pytest.raises(TextError, match="'a' needs a value for 'name'"):
        greeting.text("a", {})


def test_a_message_that_no_catalogue_has_is_named() -> None:
    with pytest.raises(TextError, match=r"'error\.no_such\.title'"):
        text("error.no_such.title", Locale.ZH_CN)


def test_fuzzy_and_empty_translations_are_not_used() -> None:
    made = made_of('#, fuzzy\nmsgid "a"\nmsgstr "x"\n\nmsgid "b"\nmsgstr ""\n')
    assert made.messages == {}


def test_a_malformed_catalogue_is_refused() -> None:
    with pytest.raises(PoFileError):
        made_of('msgid "a"\nmsgstr "x\nnonsense\n')


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, Locale.EN),
        ("", Locale.EN),
        ("zh-CN,zh;q=0.9,en;q=0.8", Locale.ZH_CN),
        ("zh", Locale.ZH_CN),
        ("ZH-hans-cn", Locale.ZH_CN),
        ("zh-TW", Locale.ZH_CN),
        ("en-GB", Locale.EN),
        ("fr, zh;q=0.2, en;q=0.7", Locale.EN),
        ("fr, zh;q=0.7, en;q=0.2", Locale.ZH_CN),
        ("en;q=0.5, zh ; Q = 0.9", Locale.ZH_CN),
        ("en, zh", Locale.EN),
        ("zh, en", Locale.ZH_CN),
        ("zh;q=0, *;q=0.5", Locale.EN),
        ("de, fr;q=0.9", Locale.EN),
        ("zh;q=2", Locale.EN),
        ("zh;q=", Locale.EN),
        ("zhuang", Locale.EN),
        (",,;;,", Locale.EN),
    ],
)
def test_the_language_that_a_header_prefers(header: str | None, locale: Locale) -> None:
    assert negotiate(header) is locale


@given(st.text())
def test_any_header_has_an_answer(header: str) -> None:
    assert negotiate(header) in Locale


def test_tags_are_those_of_http() -> None:
    assert [locale.tag for locale in Locale] == ["en", "zh-CN"]
