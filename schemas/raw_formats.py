"""What is not a CloudEvent: object stores' own notifications, and a dead letter's headers.

Only what is read is described; stores send more, and their fields are theirs to change.
Formats as recorded from SeaweedFS 4.48 and a MinIO server, and as AWS documents the event
message structure of S3, version 2.
"""

from typing import Final

from schemas.channels import RawFormat
from schemas.json_schemas import Document

_PROTO: Final = """\
syntax = "proto3";
package filer_pb;

message EventNotification {
  Entry old_entry = 1;
  Entry new_entry = 2;
  bool delete_chunks = 3;
  string new_parent_path = 4;
  bool is_from_other_cluster = 5;
  repeated int32 signatures = 6;
}

message Entry {
  string name = 1;
  bool is_directory = 2;
  FuseAttributes attributes = 4;
  map<string, bytes> extended = 5;
  bytes content = 9;
}

message FuseAttributes {
  uint64 file_size = 1;
  int64 mtime = 2;
  string mime = 7;
  bytes md5 = 14;
}
"""

_RECORDS: Final[Document] = {
    "type": "array",
    "minItems": 1,
    "items": {"$ref": "#/components/schemas/s3-record"},
}

RAW_SCHEMAS: Final[Document] = {
    "s3-record": {
        "type": "object",
        "required": ["eventName", "s3"],
        "properties": {
            "eventName": {
                "type": "string",
                "description": "ObjectCreated:… or ObjectRemoved:…, after s3: in MinIO's events",
            },
            "eventTime": {"type": "string", "format": "date-time"},
            "s3": {
                "type": "object",
                "required": ["bucket", "object"],
                "properties": {
                    "bucket": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}},
                    },
                    "object": {
                        "type": "object",
                        "required": ["key"],
                        "properties": {
                            "key": {
                                "type": "string",
                                "description": "Query-escaped: a plus sign is a space",
                            },
                            "size": {"type": "integer", "description": "In bytes"},
                            "eTag": {"type": "string", "description": "Without quotes"},
                            "versionId": {"type": "string"},
                            "sequencer": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
    RawFormat.MINIO.value: {
        "type": "object",
        "required": ["EventName", "Key", "Records"],
        "properties": {
            "EventName": {"type": "string"},
            "Key": {"type": "string", "description": "Bucket and key, not escaped"},
            "Records": _RECORDS,
        },
    },
    RawFormat.AWS_S3.value: {
        "type": "object",
        "required": ["Records"],
        "properties": {"Records": _RECORDS},
    },
}

RAW_MESSAGES: Final[Document] = {
    RawFormat.SEAWEEDFS.value: {
        "name": RawFormat.SEAWEEDFS.value,
        "title": "SeaweedFS event notification",
        "summary": "Key: /buckets/BUCKET/KEY. An upload has a new entry; a delete has none.",
        "contentType": "application/protobuf",
        "payload": {
            "schemaFormat": "application/vnd.google.protobuf;version=3",
            "schema": _PROTO,
        },
    },
    RawFormat.MINIO.value: {
        "name": RawFormat.MINIO.value,
        "title": "MinIO event",
        "summary": "Key: BUCKET/KEY, not escaped.",
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{RawFormat.MINIO}"},
    },
    RawFormat.AWS_S3.value: {
        "name": RawFormat.AWS_S3.value,
        "title": "AWS S3 event",
        "summary": "As S3 sends it to a queue; the key is whatever the bridge to Kafka sets.",
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{RawFormat.AWS_S3}"},
    },
}

DEAD_LETTER_HEADERS: Final[Document] = {
    "type": "object",
    "description": "Kafka headers; every value is UTF-8 text.",
    "required": [
        "reason",
        "topic",
        "partition",
        "offset",
        "error",
        "attempt",
        "first-seen",
        "schema",
    ],
    "properties": {
        "reason": {"type": "string", "description": "Why it can never be handled, as one word"},
        "topic": {"type": "string", "description": "The topic that it came from"},
        "partition": {"type": "string", "pattern": "^[0-9]+$"},
        "offset": {"type": "string", "pattern": "^[0-9]+$"},
        "error": {"type": "string", "description": "What was wrong, in words"},
        "attempt": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "How often it was tried; grows when a dead letter is replayed",
        },
        "first-seen": {"type": "string", "format": "date-time"},
        "schema": {"type": "string", "description": "The dataschema or format it was read as"},
    },
}
