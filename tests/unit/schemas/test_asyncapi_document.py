import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from infra import kafka_topics
from schemas import generate
from schemas.channels import CHANNELS, DEAD_LETTER_PARTITIONS, DEAD_LETTER_RETENTION
from schemas.json_schemas import ENVELOPES, event_types

Json = dict[str, Any]

SCHEMAS = Path(generate.__file__).parent


@pytest.fixture(scope="module")
def document() -> Json:
    made: Json = json.loads(generate.generated()["asyncapi.json"])
    return made


def references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def resolve(reference: str, document: Json) -> object:
    file, _, pointer = reference.partition("#")
    node = json.loads((SCHEMAS / file).read_bytes()) if file else document
    for part in pointer.split("/")[1:]:
        node = node[unquote(part).replace("~1", "/").replace("~0", "~")]
    return node


def test_every_reference_resolves(document: Json) -> None:
    found = list(references(document))
    assert len(found) > len(CHANNELS)
    for reference in found:
        assert isinstance(resolve(reference, document), dict)


def test_the_brokers_topics_and_the_contracts_topics_are_the_same() -> None:
    contract = {(channel.topic, channel.partitions, channel.retention) for channel in CHANNELS} | {
        (channel.dead_letter_topic, DEAD_LETTER_PARTITIONS, DEAD_LETTER_RETENTION)
        for channel in CHANNELS
    }
    assert contract == {
        (topic.name, topic.partitions, topic.retention) for topic in kafka_topics.TOPICS
    }


def test_every_topic_is_described_with_its_partitions_and_retention(document: Json) -> None:
    described = {
        name: (
            channel["address"],
            channel["bindings"]["kafka"]["partitions"],
            channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"],
        )
        for name, channel in document["channels"].items()
    }
    assert described == {
        topic.name: (topic.name, topic.partitions, topic.retention.total_seconds() * 1000)
        for topic in kafka_topics.TOPICS
    }


def test_every_event_is_on_a_topic_and_names_its_types(document: Json) -> None:
    for data in ENVELOPES:
        message = document["components"]["messages"][data.TYPE]
        assert all(type_ in message["description"] for type_ in event_types(data))
        on = [name for name, c in document["channels"].items() if data.TYPE in c["messages"]]
        assert on


def test_every_topic_is_written_and_read_by_someone_besides_the_dlq_command(document: Json) -> None:
    for channel in CHANNELS:
        actions = {
            operation["action"]
            for name, operation in document["operations"].items()
            if operation["channel"]["$ref"] == f"#/channels/{channel.topic}"
            and not name.startswith("dlq-command.")
        }
        assert actions == {"send", "receive"}, channel.topic


def test_every_dead_letter_topic_is_read_by_the_dlq_command(document: Json) -> None:
    for channel in CHANNELS:
        assert f"dlq-command.receive.{channel.dead_letter_topic}" in document["operations"]


def test_an_operation_names_only_messages_of_its_own_channel(document: Json) -> None:
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["messages"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_whoever_handles_a_topic_can_dead_letter_it(document: Json) -> None:
    operations = document["operations"]
    assert "admission.send.job-requests.dlq" in operations
    assert "billing.send.usage.dlq" in operations
    assert "analysts.send.usage.dlq" not in operations


def test_a_dead_letter_has_the_headers_that_say_where_it_came_from_and_why(document: Json) -> None:
    headers = document["components"]["messages"]["dead-letter"]["headers"]
    named = ["reason", "topic", "partition", "offset", "error", "attempt", "first-seen", "schema"]
    assert headers["required"] == named
    assert list(headers["properties"]) == named


def test_recorded_events_of_minio_validate_and_one_without_records_does_not(document: Json) -> None:
    recorded = Path(__file__).parents[2] / "data" / "object-events.jsonl"
    schema = {"$ref": "urn:document#/components/schemas/minio.event"}
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    validator = Draft202012Validator(schema, registry=registry)

    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    minio = [line for line in lines if line["store"] == "minio"]
    values = [json.loads(base64.b64decode(line["value_b64"])) for line in minio]
    assert values
    for value in values:
        validator.validate(value)
    assert not validator.is_valid({**values[0], "Records": []})
