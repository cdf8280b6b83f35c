"""The AsyncAPI 3.0 description of every topic, made from `schemas.channels`."""

from typing import Final

from pydantic import JsonValue

from schemas.channels import (
    CHANNELS,
    DEAD_LETTER_PARTITIONS,
    DEAD_LETTER_RETENTION,
    Channel,
    Message,
    RawFormat,
    Role,
)
from schemas.json_schemas import ENVELOPES, Document, event_file, event_types
from schemas.raw_formats import DEAD_LETTER_HEADERS, RAW_MESSAGES, RAW_SCHEMAS

VERSION: Final = "1.0.0"
CLOUDEVENTS: Final = "application/cloudevents+json"
DEAD_LETTER: Final = "dead-letter"

_KAFKA_BINDING: Final = "0.5.0"
_DESCRIPTION: Final = """\
Topics are internal: they carry every account's messages. Delivery is at least once, so \
readers deduplicate on the event's id and order a job's events by their version. Events are \
CloudEvents 1.0 in structured JSON mode, with bodies under 64 kB. A new field is always \
optional, and a changed meaning is a new type: readers ignore fields that they do not know."""


def asyncapi(schema_folder: str) -> Document:
    """Return the document; JSON Schemas are referred to below `schema_folder`, beside it."""
    channels: Document = {}
    operations: Document = {}
    for channel in CHANNELS:
        channels[channel.topic] = _channel(channel)
        channels[channel.dead_letter_topic] = _dead_letter_channel(channel)
        names = [_message_name(message) for message in channel.messages]
        _add(operations, "send", channel.written_by, channel.topic, names)
        _add(operations, "receive", channel.read_by, channel.topic, names)
        # `picmend dlq replay` sends a dead letter back to the topic that it came from.
        _add(operations, "send", (Role.DLQ_COMMAND,), channel.topic, names)
        dead = (channel.dead_letter_topic, [DEAD_LETTER])
        _add(operations, "send", channel.dead_letter_writers, *dead)
        _add(operations, "receive", (Role.DLQ_COMMAND,), *dead)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:picmend:topics",
        "info": {
            "title": "picmend topics",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": CLOUDEVENTS,
        "channels": channels,
        "operations": operations,
        "components": {"messages": _messages(schema_folder), "schemas": RAW_SCHEMAS},
    }


def _message_name(message: Message) -> str:
    return message.value if isinstance(message, RawFormat) else message.TYPE


def _messages(schema_folder: str) -> Document:
    events: Document = {
        data.TYPE: {
            "name": data.TYPE,
            "title": data.__name__,
            "summary": (data.__doc__ or "").strip(),
            "description": f"Event types: {', '.join(event_types(data))}.",
            "contentType": CLOUDEVENTS,
            "payload": {"$ref": f"./{schema_folder}/{event_file(data)}"},
        }
        for data in ENVELOPES
    }
    dead_letter: Document = {
        "name": DEAD_LETTER,
        "title": "Dead letter",
        "summary": "A message that can never be handled: its untouched bytes under its own key.",
        "contentType": "application/octet-stream",
        "headers": DEAD_LETTER_HEADERS,
    }
    return {**RAW_MESSAGES, **events, DEAD_LETTER: dead_letter}


def _channel(channel: Channel) -> Document:
    return {
        "address": channel.topic,
        "summary": channel.summary,
        "description": f"Key: {channel.key}.",
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in map(_message_name, channel.messages)
        },
        "bindings": _bindings(channel.topic, channel.partitions, channel.retention.total_seconds()),
    }


def _dead_letter_channel(source: Channel) -> Document:
    return {
        "address": source.dead_letter_topic,
        "summary": f"Messages of {source.topic} that can never be handled.",
        "description": f"Key: as in {source.topic} ({source.key}).",
        "messages": {DEAD_LETTER: {"$ref": f"#/components/messages/{DEAD_LETTER}"}},
        "bindings": _bindings(
            source.dead_letter_topic,
            DEAD_LETTER_PARTITIONS,
            DEAD_LETTER_RETENTION.total_seconds(),
        ),
    }


def _bindings(topic: str, partitions: int, retention_s: float) -> Document:
    # The number of replicas is a deployment's choice, so it is not part of the contract.
    return {
        "kafka": {
            "topic": topic,
            "partitions": partitions,
            "topicConfiguration": {"retention.ms": int(retention_s * 1000)},
            "bindingVersion": _KAFKA_BINDING,
        }
    }


def _add(
    operations: Document, action: str, roles: tuple[Role, ...], topic: str, messages: list[str]
) -> None:
    for role in roles:
        verb = "sends" if action == "send" else "receives"
        references: list[JsonValue] = [
            {"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages
        ]
        operations[f"{role}.{action}.{topic}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic}"},
            "summary": f"{role} {verb} {topic}",
            "messages": references,
        }
