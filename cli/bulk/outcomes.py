"""What became of uploads: a result or a problem lies under `out/` for each that ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cli.bulk.upload import Uploaded
from infra.stored_objects import ObjectInfo, ObjectStore
from schemas import keys
from schemas.ids import AccountId, JobId, object_job_id

_MAX_PROBLEM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an upload has no result, as its problem document says."""

    name: str
    job_id: JobId
    code: str
    detail: str
    remedy: str


class Outcomes:
    """Follows uploads until each has a result or a problem.

    An upload's job is known from its key and ETag. When a mask lies beside an image, the
    image's job may be either the one with the mask or the one without, depending on the
    preset; and the mask then has a job of its own or shares the image's.
    """

    def __init__(self, bucket: str, uploads: Iterable[Uploaded]) -> None:
        by_key = {upload.key: upload for upload in uploads}
        self._names: dict[JobId, set[str]] = {}
        for key, upload in by_key.items():
            self._expect(object_job_id(bucket, key, upload.etag), upload)
            if mask := by_key.get(keys.mask_key(key)):
                together = object_job_id(bucket, key, upload.etag, mask.etag)
                self._expect(together, upload)
                self._expect(together, mask)
        self.waiting = {upload.file.name for upload in by_key.values()}
        self.results: dict[str, str] = {}
        self.problems: dict[JobId, ObjectInfo] = {}

    def _expect(self, job_id: JobId, upload: Uploaded) -> None:
        self._names.setdefault(job_id, set()).add(upload.file.name)

    def see(self, found: Iterable[ObjectInfo]) -> None:
        """Take note of objects under `out/`; those of other uploads are passed over."""
        for each in found:
            output = keys.parse_output_key(each.key)
            names = self._names.get(output.job_id) if output else None
            if output is None or names is None:
                continue
            self.waiting -= names
            if output.is_problem:
                self.problems[output.job_id] = each
            else:
                self.results |= dict.fromkeys(names, each.key)

    def refusals(self, store: ObjectStore) -> list[Refusal]:
        """Read why each refused upload was, in order of their names.

        An upload with a result is not refused, whatever an earlier job of it came to.
        """
        return sorted(
            (
                _refusal(store, name, job_id, each)
                for job_id, each in self.problems.items()
                for name in self._names[job_id]
                if name not in self.results
            ),
            key=lambda refusal: refusal.name,
        )


def look(store: ObjectStore, account_id: AccountId, preset: str, outcomes: Outcomes) -> None:
    """List the outputs of an account's preset once, and take note of them."""
    for page in store.list(f"{keys.account_output_prefix(account_id)}{preset}/"):
        outcomes.see(page)


def _refusal(store: ObjectStore, name: str, job_id: JobId, found: ObjectInfo) -> Refusal:
    text = store.get(found.key, max_bytes=_MAX_PROBLEM_BYTES)
    try:
        problem = json.loads(text)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return Refusal(name, job_id, "unknown", f"{found.key} is no problem document", "")
    return Refusal(
        name,
        job_id,
        code=str(problem.get("code", "unknown")),
        detail=str(problem.get("detail") or problem.get("title") or ""),
        remedy=str(problem.get("remedy", "")),
    )
