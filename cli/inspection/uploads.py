"""Uploads in the store that have no job, found by listing, as the reconciler finds them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection

from domain.catalogue.store import presets_with_mask_file
from domain.jobs.store import known
from infra.stored_objects import ObjectInfo, ObjectMissing, ObjectStore
from schemas import keys
from schemas.ids import JobId, object_job_id
from schemas.keys import MalformedKey, UploadKey


@dataclass(frozen=True, slots=True)
class Lost:
    """An upload without a job: `job_id` is the one it should have."""

    key: str
    job_id: JobId
    account_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Patience:
    """How old an upload is before it must have a job; a lone image waits longer for its mask."""

    upload: timedelta
    mask: timedelta


def without_job(
    store: ObjectStore,
    connect: Callable[[], AbstractContextManager[Connection]],
    *,
    now: datetime,
    patience: Patience,
    on_page: Callable[[int], None],
) -> Iterator[Lost]:
    """Yield the uploads that should have a job and have none, a page of the listing at a time.

    `on_page` is told how many objects each page had. What is overwritten or deleted while
    this reads may be yielded wrongly: ask `still_without_job` a little later.
    """
    for page in store.list(keys.INPUT_PREFIX):
        on_page(len(page))
        old = [info for info in page if now - info.last_modified > patience.upload]
        if old:
            nearby = {info.key: info for info in page}
            with connect() as conn:
                yield from _lost(store, conn, old, nearby, now=now, mask_wait=patience.mask)


def still_without_job(
    store: ObjectStore,
    conn: Connection,
    suspects: Sequence[Lost],
    *,
    now: datetime,
    mask: timedelta,
) -> list[Lost]:
    """Return those of `suspects` whose upload is there as it was and has no job now either."""
    there = []
    for suspect in suspects:
        try:
            there.append(store.head(suspect.key))
        except ObjectMissing:
            continue
    ids = {suspect.job_id for suspect in suspects}
    found = _lost(store, conn, there, {}, now=now, mask_wait=mask)
    return [each for each in found if each.job_id in ids]


def _lost(
    store: ObjectStore,
    conn: Connection,
    infos: Sequence[ObjectInfo],
    nearby: Mapping[str, ObjectInfo],
    *,
    now: datetime,
    mask_wait: timedelta,
) -> list[Lost]:
    places = {info.key: place for info in infos if (place := keys.parse_upload_key(info.key))}
    masked = presets_with_mask_file(conn, {place.account_id for place in places.values()})
    wanted = [
        lost
        for info in infos
        if info.key in places
        and (
            lost := _wanted(
                store,
                info,
                places[info.key],
                masked,
                nearby,
                waited=now - info.last_modified > mask_wait,
            )
        )
    ]
    there = known(conn, [lost.job_id for lost in wanted])
    return [lost for lost in wanted if lost.job_id not in there]


def _wanted(
    store: ObjectStore,
    info: ObjectInfo,
    place: UploadKey | MalformedKey,
    masked: Collection[tuple[str | None, str]],
    nearby: Mapping[str, ObjectInfo],
    *,
    waited: bool,
) -> Lost | None:
    """Return the job that an object should have; None for one that rightly waits for its half."""
    image, mask = info, None
    takes_mask = (place.account_id, place.preset) in masked or (None, place.preset) in masked
    if isinstance(place, UploadKey) and takes_mask:
        image_key = keys.masked_image_key(info.key)
        if image_key is not None:
            found = _look(store, image_key, nearby)
            if found is None:
                return None
            image, mask = found, info
        else:
            mask = _look(store, keys.mask_key(info.key), nearby)
            if mask is None and not waited:
                return None
    job_id = object_job_id(store.bucket, image.key, image.etag, mask.etag if mask else None)
    since = max(info.last_modified, mask.last_modified) if mask else info.last_modified
    return Lost(info.key, job_id, place.account_id, since)


def _look(store: ObjectStore, key: str, nearby: Mapping[str, ObjectInfo]) -> ObjectInfo | None:
    if key in nearby:
        return nearby[key]
    try:
        return store.head(key)
    except ObjectMissing:
        return None
