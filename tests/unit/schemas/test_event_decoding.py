import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.events import (
    Event,
    EventData,
    JobChanged,
    JobRequested,
    UnreadableEventError,
    UsageRecorded,
)
from schemas.json_schemas import ENVELOPES
from schemas.states import JobState

Json = dict[str, Any]
Samples = dict[type[EventData], Event[Any]]

EVERY_EVENT = pytest.mark.parametrize("data", ENVELOPES, ids=lambda data: data.TYPE)
NAIVE = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001 - naive on purpose


def fields(event: Event[Any]) -> Json:
    made: Json = json.loads(event.encode())
    return made


def decode(event: Event[Any], message: Json) -> Event[Any]:
    """Decode `message` as the kind of event that `event` is."""
    return type(event).decode(json.dumps(message).encode())


@EVERY_EVENT
def test_an_event_survives_the_round_trip(data: type[EventData], samples: Samples) -> None:
    event = samples[data]
    assert type(event).decode(event.encode()) == event


@EVERY_EVENT
def test_the_same_event_is_always_the_same_bytes(data: type[EventData], samples: Samples) -> None:
    event = samples[data]
    assert type(event).decode(event.encode()).encode() == event.encode()


OPTIONAL = [
    (data, name)
    for data in ENVELOPES
    for name, field in data.model_fields.items()
    if type(None) in getattr(field.annotation, "__args__", ())
]


@pytest.mark.parametrize(
    ("data", "name"),
    [pytest.param(data, name, id=f"{data.TYPE}-{name}") for data, name in OPTIONAL],
)
def test_an_event_survives_the_round_trip_without_a_field_that_may_be_absent(
    data: type[EventData], name: str, samples: Samples
) -> None:
    event = samples[data]
    event = event.model_copy(update={"data": event.data.model_copy(update={name: None})})
    assert type(event).decode(event.encode()) == event


@EVERY_EVENT
def test_fields_of_a_newer_writer_are_ignored(data: type[EventData], samples: Samples) -> None:
    message = fields(samples[data])
    message["sequence"] = "7"
    message["data"]["added_later"] = {"deep": [1]}
    assert decode(samples[data], message) == samples[data]


@EVERY_EVENT
@pytest.mark.parametrize("field", ["id", "type", "subject", "time", "partitionkey", "data"])
def test_a_missing_attribute_of_the_envelope_is_named(
    data: type[EventData], field: str, samples: Samples
) -> None:
    message = fields(samples[data])
    del message[field]
    with pytest.raises(UnreadableEventError, match=f"^{field}: Field required"):
        decode(samples[data], message)


@EVERY_EVENT
def test_every_required_field_of_the_data_is_named_when_it_is_missing(
    data: type[EventData], samples: Samples
) -> None:
    for name, field in data.model_fields.items():
        if not field.is_required():
            continue
        message = fields(samples[data])
        del message["data"][name]
        with pytest.raises(UnreadableEventError, match=rf"^data\.{name}: Field required"):
            decode(samples[data], message)


@EVERY_EVENT
def test_another_type_is_refused(data: type[EventData], samples: Samples) -> None:
    message = fields(samples[data]) | {"type": "elsewhere.something"}
    with pytest.raises(UnreadableEventError, match=r"^type: 'elsewhere.something' is not"):
        decode(samples[data], message)


@EVERY_EVENT
def test_another_version_of_cloudevents_is_refused(data: type[EventData], samples: Samples) -> None:
    message = fields(samples[data]) | {"specversion": "2.0"}
    with pytest.raises(UnreadableEventError, match=r"^specversion: "):
        decode(samples[data], message)


def test_the_event_of_another_topic_is_refused(samples: Samples) -> None:
    for data in ENVELOPES:
        for other in ENVELOPES:
            if other is not data:
                with pytest.raises(UnreadableEventError):
                    type(samples[data]).decode(samples[other].encode())


@pytest.mark.parametrize("state", JobState)
def test_a_transition_is_sent_under_the_type_of_its_state(
    state: JobState, samples: Samples
) -> None:
    data = samples[JobChanged].data.model_copy(update={"state": state})
    event = events.job_changed(data)
    assert event.type == f"picmend.job.{state}"
    assert Event[JobChanged].decode(event.encode()) == event


def test_a_transition_under_the_type_of_another_state_is_refused(samples: Samples) -> None:
    message = fields(samples[JobChanged]) | {"type": "picmend.job.failed"}
    with pytest.raises(UnreadableEventError, match=r"^type: 'picmend.job.failed'"):
        decode(samples[JobChanged], message)


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{", b'"text"', b"\xff\xfe", b"\x00", b"{}", b"[" * 100_000],
    ids=["empty", "null", "array", "cut", "text", "no UTF-8", "NUL", "no fields", "deep"],
)
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        Event[JobRequested].decode(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_unreadable_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        Event[JobRequested].decode(raw)


@pytest.mark.parametrize("escaped", [b"\\u0000", b"a\\u0000b"])
@pytest.mark.parametrize("field", [b"inpaint", b"uploads", b"ends at byte 5"])
def test_an_escaped_nul_anywhere_in_the_data_is_refused(
    field: bytes, escaped: bytes, samples: Samples
) -> None:
    raw = samples[JobRequested].encode().replace(field, escaped)
    with pytest.raises(UnreadableEventError, match=r"U\+0000"):
        Event[JobRequested].decode(raw)


def test_an_escaped_nul_in_the_key_of_an_object_is_refused(samples: Samples) -> None:
    message = fields(samples[JobRequested])
    message["data"]["key"] = "in/acc_1/p/a\0b.png"
    with pytest.raises(UnreadableEventError, match=r"U\+0000"):
        decode(samples[JobRequested], message)


def test_an_escaped_nul_in_a_name_within_a_mapping_is_refused(samples: Samples) -> None:
    message = fields(samples[events.AbuseFound])
    message["data"]["evidence"] = {"a\0": 1}
    with pytest.raises(UnreadableEventError, match=r"U\+0000"):
        decode(samples[events.AbuseFound], message)


def test_a_nul_in_the_envelope_is_refused(samples: Samples) -> None:
    message = fields(samples[JobRequested]) | {"partitionkey": "\0"}
    with pytest.raises(UnreadableEventError, match=r"U\+0000"):
        decode(samples[JobRequested], message)


def test_an_unescaped_nul_is_refused(samples: Samples) -> None:
    raw = samples[JobRequested].encode().replace(b"uploads", b"up\x00loads")
    with pytest.raises(UnreadableEventError, match="control character"):
        Event[JobRequested].decode(raw)


def test_a_backslash_before_u0000_is_text_and_no_nul(samples: Samples) -> None:
    message = fields(samples[JobRequested])
    message["data"]["bucket"] = r"\u0000"
    assert decode(samples[JobRequested], message).data.bucket == r"\u0000"


def test_a_lone_surrogate_is_refused(samples: Samples) -> None:
    message = fields(samples[JobRequested])
    message["data"]["bucket"] = "\ud800"
    with pytest.raises(UnreadableEventError):
        decode(samples[JobRequested], message)


@pytest.mark.parametrize("field", ["time", "data.uploaded_at"])
def test_a_time_without_zone_is_refused(field: str, samples: Samples) -> None:
    message = fields(samples[JobRequested])
    target = message["data"] if "." in field else message
    target[field.rpartition(".")[2]] = "2026-03-01T12:00:00"
    with pytest.raises(UnreadableEventError, match=f"^{field}: .*timezone"):
        decode(samples[JobRequested], message)


def test_no_event_can_be_made_at_a_time_without_zone(samples: Samples) -> None:
    with pytest.raises(ValueError, match="timezone"):
        events.job_requested(samples[JobRequested].data, at=NAIVE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("job_id", "job_1"),
        ("job_id", "job_" + "a" * 32 + "\n"),
        ("key", ""),
        ("key", "k" * 1025),
        ("size", -1),
        ("size", "many"),
        ("found_by", "chance"),
        ("header", {"format": "psd", "width": 1, "height": 1}),
        ("header", {"format": "png", "width": 0, "height": 1}),
        ("problem", {"code": "no_such_code"}),
    ],
)
def test_a_value_that_a_field_cannot_have_is_refused_by_its_name(
    field: str, value: object, samples: Samples
) -> None:
    message = fields(samples[JobRequested])
    message["data"][field] = value
    with pytest.raises(UnreadableEventError, match=rf"^data\.{field}"):
        decode(samples[JobRequested], message)


def test_an_error_does_not_repeat_what_the_message_held(samples: Samples) -> None:
    message = fields(samples[JobRequested])
    message["data"]["found_by"] = "a secret"
    with pytest.raises(UnreadableEventError) as caught:
        decode(samples[JobRequested], message)
    assert "secret" not in str(caught.value)


def test_events_are_identified_and_keyed_as_their_topics_promise(samples: Samples) -> None:
    job = samples[JobRequested].data.job_id
    seen = {data: (e.id, e.subject, e.partitionkey) for data, e in samples.items()}
    assert seen[JobRequested] == (f"{job}.requested", job, "acc_7k2q")
    assert seen[events.WorkDispatched] == (f"{job}.2.dispatched", job, job)
    assert seen[events.WorkFinished] == (f"{job}.2.finished", job, job)
    assert seen[UsageRecorded] == (f"{job}.usage", job, "acc_7k2q")
    assert seen[JobChanged] == (f"{job}.3", job, "acc_7k2q")


def test_a_nested_value_is_read_back_in_utc(samples: Samples) -> None:
    event = samples[JobRequested]
    assert type(event).decode(event.encode()).data.uploaded_at.tzinfo == UTC


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(value: float, samples: Samples) -> None:
    message = fields(samples[events.WorkFinished])
    message["data"]["report"]["phases_ms"] = {"decode": value}
    with pytest.raises(UnreadableEventError, match="finite"):
        decode(samples[events.WorkFinished], message)


def test_an_integer_that_no_column_holds_is_refused(samples: Samples) -> None:
    message = fields(samples[JobRequested])
    message["data"]["size"] = 2**63
    with pytest.raises(UnreadableEventError, match=r"^data\.size"):
        decode(samples[JobRequested], message)
