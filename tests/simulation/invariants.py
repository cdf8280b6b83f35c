"""What must hold after a run, asked of the database, the topics and the store.

Written from what is promised, not from the code that keeps it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from domain.billing import checks
from domain.pipeline.check import check
from schemas import keys, topics
from schemas.ids import object_job_id
from schemas.keys import UploadKey
from tests.simulation.shares import facts_are_what_happened, quotas_are_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

    from tests.simulation.clients import Clients
    from tests.simulation.world import World

_LEGAL: Final = {
    (None, "queued", "decide"),
    (None, "rejected", "decide"),
    (None, "review", "decide"),
    ("review", "queued", "operator"),
    ("review", "rejected", "operator"),
    ("review", "cancelled", "client"),
    ("review", "expired", "sweeper"),
    ("queued", "dispatched", "dispatcher"),
    ("dispatched", "running", "worker"),
    ("dispatched", "queued", "sweeper"),
    ("running", "queued", "sweeper"),
    ("running", "failed", "sweeper"),
    ("running", "cancelled", "sweeper"),
    ("queued", "succeeded", "results"),
    ("dispatched", "succeeded", "results"),
    ("running", "succeeded", "results"),
    ("running", "failed", "results"),
    ("running", "refused", "results"),
    ("running", "cancelled", "results"),
    ("queued", "cancelled", "client"),
    ("dispatched", "cancelled", "client"),
    ("queued", "expired", "sweeper"),
    ("dispatched", "expired", "sweeper"),
}


def violations(world: World, clients: Clients) -> Iterator[str]:
    """Yield everything that is wrong; nothing is the good answer."""
    with world.transaction() as conn:
        yield from _jobs_are_those_asked_for(world, clients, conn)
        yield from _moves_are_legal(conn)
        yield from _starts_follow_claims(world, conn)
        yield from _reports_are_of_their_attempt(world, conn)
        yield from _work_is_not_forgotten(world, conn)
        yield from _usage_is_told_once(world, conn)
        yield from _holds_are_closed_once(conn)
        yield from quotas_are_exact(conn)
        yield from facts_are_what_happened(conn)
        yield from _ledger_holds(conn)
        yield from _transitions_are_told(world, conn)
        yield from _results_are_stored(world, conn)
        yield from (
            f"check: {finding.code} of {finding.subject}: {finding.detail}"
            for finding in check(conn, now=world.simulation.now())
        )
    yield from _nothing_is_dead(world)


def _jobs_are_those_asked_for(world: World, clients: Clients, conn: Connection) -> Iterator[str]:
    """Every upload that is still there, or whose event arrived, has its one job."""
    there = {key: stored.info.etag for key, stored in world.store.objects.items()}
    wanted = _jobs_of(world, [*there.items(), *world.announced])
    # A listing may have shown what was written over since, and whose event was lost.
    allowed = wanted.keys() | _jobs_of(world, world.put).keys()
    for job, old in conn.execute("SELECT id, retry_of FROM jobs WHERE retry_of IS NOT NULL"):
        wanted[job] = f"retry of {old}"
    wanted |= dict.fromkeys(clients.accepted, "accepted by the API")
    found = {row[0] for row in conn.execute("SELECT id FROM jobs").fetchall()}
    for job in sorted(wanted.keys() - found):
        yield f"lost: {wanted[job]} has no job {job}"
    for job in sorted(found - wanted.keys() - allowed):
        yield f"phantom: nobody asked for {job}"


def _jobs_of(world: World, uploads: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the jobs that uploads make, with their keys; a mask's is its picture's."""
    masks = {key: stored.info.etag for key, stored in world.store.objects.items()}
    jobs: dict[str, str] = {}
    for key, etag in uploads:
        place = keys.parse_upload_key(key)
        masked = isinstance(place, UploadKey) and place.preset == "inpaint"
        if place is None or (masked and keys.masked_image_key(key) is not None):
            continue
        mask = masks.get(keys.mask_key(key)) if masked else None
        jobs[object_job_id(world.store.bucket, key, etag, mask)] = key
    return jobs


def _moves_are_legal(conn: Connection) -> Iterator[str]:
    rows = conn.execute(
        "SELECT t.job_id, t.version, t.state, t.by, t.attempt, j.state, j.version"
        " FROM transitions t JOIN jobs j ON j.id = t.job_id ORDER BY t.job_id, t.version"
    ).fetchall()
    before: dict[str, tuple[str, int]] = {}
    for job, version, state, by, attempt, now, last in rows:
        was, tried = before.get(job, (None, 0))
        if (was, state, by) not in _LEGAL:
            yield f"illegal: {job} went from {was} to {state} by {by}"
        if state == "dispatched" and attempt != tried + 1:
            yield f"illegal: {job} was dispatched as attempt {attempt} after {tried}"
        if version == last and state != now:
            yield f"illegal: {job} is {now}, its last transition says {state}"
        before[job] = (state, attempt)
    counted = Counter(job for job, *_ in rows)
    for job, version in conn.execute("SELECT id, version FROM jobs ORDER BY id"):
        if counted[job] != version:
            yield f"illegal: {job} is at version {version} and has {counted[job]} transitions"


def _starts_follow_claims(world: World, conn: Connection) -> Iterator[str]:
    """Each start was claimed, and each claim was one worker's."""
    claimed = Counter(
        (job, attempt)
        for job, attempt in conn.execute(
            "SELECT job_id, attempt FROM transitions WHERE state = 'running'"
        ).fetchall()
    )
    for attempt, count in Counter(world.started).items():
        if not claimed[attempt]:
            yield f"unclaimed: {attempt[0]}, attempt {attempt[1]}, ran and was not claimed"
        if count > 1:
            yield f"unclaimed: {attempt[0]}, attempt {attempt[1]}, ran {count} times"


def _reports_are_of_their_attempt(world: World, conn: Connection) -> Iterator[str]:
    """What a worker's report ended, other than with success, was the attempt that ran."""
    told = {
        (data["data"]["job_id"], data["data"]["attempt"], data["data"]["outcome"])
        for data in _data(world, topics.JOB_RESULTS)
    }
    rows = conn.execute(
        "SELECT job_id, attempt, state FROM transitions"
        " WHERE by = 'results' AND state <> 'succeeded' ORDER BY 1"
    ).fetchall()
    for job, attempt, state in rows:
        if (job, attempt, state) not in told:
            yield f"stale: {job} is {state}, which no report of attempt {attempt} says"


def _work_is_not_forgotten(world: World, conn: Connection) -> Iterator[str]:
    """Nothing that was sent to the workers waits until the sweeper takes it back.

    Unless its account or operation was suspended, or a clock jumped beyond the sweeper's ten
    minutes.
    """
    if world.simulation.faults["clock jumps"]:
        return
    rows = conn.execute(
        "SELECT t.job_id, t.attempt FROM transitions t JOIN jobs j ON j.id = t.job_id"
        " JOIN transitions b ON b.job_id = t.job_id AND b.version = t.version - 1"
        " WHERE t.state = 'queued' AND t.by = 'sweeper' AND b.state = 'dispatched'"
        " AND NOT EXISTS (SELECT FROM suspensions s WHERE s.account_id = j.account_id)"
        " AND NOT EXISTS (SELECT FROM restrictions r WHERE r.subject = j.account_id"
        "  AND r.operation = j.operation)"
        " ORDER BY 1, 2"
    ).fetchall()
    for job, attempt in rows:
        yield f"slow: {job}, attempt {attempt}, was dispatched, and no worker ever claimed it"


def _usage_is_told_once(world: World, conn: Connection) -> Iterator[str]:
    """Who was ever queued and ended has one usage event; nobody else has any."""
    wanted = {
        row[0]
        for row in conn.execute(
            "SELECT id FROM jobs WHERE ended_at IS NOT NULL AND EXISTS (SELECT FROM transitions t"
            " WHERE t.job_id = jobs.id AND t.state = 'queued')"
        ).fetchall()
    }
    told: dict[str, set[str]] = defaultdict(set)
    for data in _data(world, topics.USAGE):
        told[data["data"]["job_id"]].add(data["id"])
    for job in sorted(wanted - told.keys()):
        yield f"usage: {job} ended, and no usage event tells of it"
    for job in sorted(told.keys() - wanted):
        yield f"usage: {job} has a usage event that it should not have"
    for job, events in sorted(told.items()):
        if len(events) > 1:
            yield f"usage: {job} has {len(events)} usage events"


def _holds_are_closed_once(conn: Connection) -> Iterator[str]:
    rows = conn.execute(
        "SELECT j.id, EXISTS (SELECT FROM transitions q WHERE q.job_id = j.id"
        "  AND q.state = 'queued'), j.state, j.amount, h.state, h.amount,"
        " count(t.*) FILTER (WHERE t.kind = 'capture'),"
        " count(t.*) FILTER (WHERE t.kind = 'release')"
        " FROM jobs j FULL JOIN holds h ON h.job_id = j.id"
        " LEFT JOIN ledger_transactions t ON t.job_id = j.id"
        " GROUP BY j.id, j.state, j.amount, h.state, h.amount ORDER BY j.id"
    ).fetchall()
    for job, queued, state, amount, hold, held, captures, releases in rows:
        if not queued:
            if hold is not None:
                yield f"money: {job} was never queued and has a hold"
            continue
        want = "captured" if state == "succeeded" else "released"
        moved = 1 if amount else 0
        if hold != want or held != amount:
            yield f"money: {job} {state} at {amount}, its hold is {hold} of {held}"
        if (captures, releases) != ((moved, 0) if want == "captured" else (0, moved)):
            yield f"money: {job} {state}: captured {captures} times, released {releases} times"


def _ledger_holds(conn: Connection) -> Iterator[str]:
    for finding in checks.check(conn):
        yield f"ledger: {finding.code} of {finding.subject}: {finding.detail}"
    if total := checks.ledger_sum(conn):
        yield f"ledger: all entries sum to {total}"


def _transitions_are_told(world: World, conn: Connection) -> Iterator[str]:
    """Job events tell of every transition, and of a job's in their order."""
    told: dict[str, list[int]] = defaultdict(list)
    for data in _data(world, topics.JOB_EVENTS):
        job, version = data["data"]["job_id"], data["data"]["version"]
        if version not in told[job]:
            told[job].append(version)
    for job, last in conn.execute("SELECT id, version FROM jobs ORDER BY id").fetchall():
        if told[job] != list(range(1, last + 1)):
            yield f"events: job-events tell versions {told[job]} of {job}, which is at {last}"


def _results_are_stored(world: World, conn: Connection) -> Iterator[str]:
    """A success has its result; an upload that ended otherwise has its problem file."""
    rows = conn.execute(
        "SELECT id, origin, state, source_key, result_key, result_etag FROM jobs ORDER BY id"
    ).fetchall()
    objects = world.store.objects
    for job, origin, state, source, key, etag in rows:
        if state == "succeeded":
            if key not in objects:
                yield f"result: {job} succeeded, and {key} is not there"
            elif objects[key].info.etag != etag:
                yield f"result: {key} of {job} is not the one that was charged"
        elif origin == "object" and keys.problem_key(source, job) not in objects:
            yield f"result: {job} is {state}, and no problem file says why"
    charged = {key for _, _, state, _, key, _ in rows if state == "succeeded"}
    # One whose worker died before it told of it, and whose job had ended by then, is not known.
    told: set[str] = set()
    for data in _data(world, topics.JOB_RESULTS):
        if result := data["data"].get("result"):
            told.add(result["key"])
    for key in sorted((told - charged) & objects.keys()):
        yield f"result: {key} lies there, and nobody was charged for it"


def _nothing_is_dead(world: World) -> Iterator[str]:
    for topic in sorted(world.broker.logs):
        if topic.endswith(topics.DLQ_SUFFIX):
            for letter in world.broker.everything(topic):
                said = dict(letter.headers)
                yield f"dead: a message of {topic}: {said.get('error', b'')!r}"


def _data(world: World, topic: str) -> Iterator[dict[str, Any]]:
    for message in world.broker.everything(topic):
        yield json.loads(message.value)
