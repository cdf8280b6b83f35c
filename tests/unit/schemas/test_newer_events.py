"""Events of a version to come, told apart from messages that are wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import (
    Event,
    EventData,
    JobChanged,
    JobRequested,
    NewerEventError,
    UnreadableEventError,
    UsageRecorded,
    UsageToBill,
    WorkDispatched,
    WorkFinished,
    dataschema,
)
from schemas.json_schemas import ENVELOPES

Json = dict[str, Any]
Samples = dict[type[EventData], Event[Any]]

EVERY_EVENT = pytest.mark.parametrize("data", ENVELOPES, ids=lambda data: data.TYPE)


def fields(event: Event[Any]) -> Json:
    made: Json = json.loads(event.encode())
    return made


def decode(event: Event[Any], message: Json) -> Event[Any]:
    return type(event).decode(json.dumps(message).encode())


@EVERY_EVENT
@pytest.mark.parametrize("minor", [":1.1", ":1.2.3"])
def test_a_schema_with_another_minor_version_is_read(
    data: type[EventData], minor: str, samples: Samples
) -> None:
    message = fields(samples[data])
    message["dataschema"] = dataschema(data).removesuffix(":1") + minor
    message["data"]["added_later"] = 1
    assert decode(samples[data], message).data == samples[data].data


@EVERY_EVENT
def test_a_schema_with_another_major_version_is_newer(
    data: type[EventData], samples: Samples
) -> None:
    message = fields(samples[data])
    message["dataschema"] = dataschema(data).removesuffix(":1") + ":2"
    with pytest.raises(NewerEventError, match=r"^dataschema: .* is newer than version 1"):
        decode(samples[data], message)


@EVERY_EVENT
@pytest.mark.parametrize("same_data", [True, False])
def test_an_unknown_type_of_ours_is_newer(
    data: type[EventData], samples: Samples, *, same_data: bool
) -> None:
    message = fields(samples[data]) | {"type": "picmend.work.paused"}
    if not same_data:
        message["data"] = {"until": "tomorrow"}
    with pytest.raises(NewerEventError, match=r"^type: 'picmend\.work\.paused' is not known"):
        decode(samples[data], message)


@EVERY_EVENT
def test_another_known_type_is_wrong_and_not_newer(data: type[EventData], samples: Samples) -> None:
    for other in ENVELOPES:
        if other is not data:
            with pytest.raises(UnreadableEventError) as caught:
                type(samples[data]).decode(samples[other].encode())
            assert not isinstance(caught.value, NewerEventError)


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        (JobRequested, "found_by", "inventory"),
        (WorkDispatched, "operation", "restyle"),
        (WorkFinished, "outcome", "postponed"),
        (WorkFinished, "code", "mask_rotated"),
        (UsageRecorded, "outcome", "archived"),
        (JobChanged, "by", "curator"),
        (JobChanged, "code", "mask_rotated"),
        (JobChanged, "operation", "restyle"),
    ],
)
def test_an_unknown_value_of_a_closed_set_is_newer(
    data: type[EventData], field: str, value: str, samples: Samples
) -> None:
    message = fields(samples[data])
    message["data"][field] = value
    with pytest.raises(NewerEventError, match=rf"^data\.{field}: its value is not known"):
        decode(samples[data], message)


def test_a_value_of_the_wrong_kind_is_wrong_and_not_newer(samples: Samples) -> None:
    message = fields(samples[WorkFinished])
    message["data"]["outcome"] = 5
    with pytest.raises(UnreadableEventError) as caught:
        decode(samples[WorkFinished], message)
    assert not isinstance(caught.value, NewerEventError)


def test_an_unknown_value_beside_a_missing_field_is_wrong(samples: Samples) -> None:
    message = fields(samples[WorkFinished])
    message["data"]["outcome"] = "postponed"
    del message["data"]["worker"]
    with pytest.raises(UnreadableEventError) as caught:
        decode(samples[WorkFinished], message)
    assert not isinstance(caught.value, NewerEventError)


def test_billing_reads_usage_of_an_operation_it_does_not_know(samples: Samples) -> None:
    message = fields(samples[UsageRecorded])
    message["data"]["operation"], message["data"]["code"] = "restyle", "mask_rotated"
    read = Event[UsageToBill].decode(json.dumps(message).encode()).data
    assert (read.operation, read.code, read.amount) == ("restyle", "mask_rotated", 500)
    assert Event[UsageToBill].decode(samples[UsageRecorded].encode()).data.model_dump() == (
        samples[UsageRecorded].data.model_dump()
    )
