"""The usage topic against what the ledger has on record, and the other way round."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection

from cli.inspection.findings import Found, OutsideCode, outside
from domain.billing import trail
from infra.topic_reader import TopicReader
from schemas import topics
from schemas.ids import JobId

_MARGIN: Final = timedelta(hours=1)
"""How far clocks and sending may differ: jobs that ended so near the topic's first message are
left out, since theirs may have been dropped with age."""

_PAGE: Final = 5000


def disagreements(
    reader: TopicReader,
    conn: Connection,
    *,
    before: datetime,
    on_read: Callable[[int, int], None],
) -> Iterator[Found]:
    """Yield each usage event that one of the two lacks, of those stored before that.

    What is on record is asked first, and again last, so that what moves meanwhile is not taken
    for lost. Reads the whole topic, and keeps the ids that it reads; `conn` must not be in a
    transaction that sees one moment only. Raises `BrokerUnavailableError`.
    """
    on_record = {id_: ended for page in trail.recorded(conn) for id_, ended in page}
    told: dict[str, datetime] = {}
    first: datetime | None = None
    total = reader.count(topics.USAGE)
    for read, message in enumerate(reader.read(topics.USAGE), 1):
        at = datetime.fromtimestamp(message.timestamp_ms / 1000, UTC)
        first = min(first or at, at)
        usage = _usage_id(message.value)
        if usage is not None:
            told.setdefault(usage, at)
        if read % _PAGE == 0:
            on_read(read, total)
    yield from _not_recorded(conn, [id_ for id_, at in told.items() if at < before])
    if first is not None:
        for id_, ended in on_record.items():
            if id_ not in told and ended > first + _MARGIN:
                job_id = id_.removesuffix(".usage")
                yield outside(OutsideCode.USAGE_NOT_TOLD, job_id, f"{id_} is not on the topic")


def _not_recorded(conn: Connection, told: Sequence[str]) -> Iterator[Found]:
    for start in range(0, len(told), _PAGE):
        jobs = {JobId(id_.removesuffix(".usage")) for id_ in told[start : start + _PAGE]}
        for job_id in sorted(jobs - trail.usage(conn, jobs).keys()):
            detail = f"{job_id}.usage is on the topic and not on record"
            yield outside(OutsideCode.USAGE_NOT_RECORDED, job_id, detail)


def _usage_id(body: bytes) -> str | None:
    try:
        id_ = json.loads(body)["id"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return id_ if isinstance(id_, str) and id_.endswith(".usage") else None
