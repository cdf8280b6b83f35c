"""Layout of the bucket: where an upload lies, and where what comes of it is put.

    in/{account_id}/{preset}/{path}                        an upload
    in/{account_id}/{preset}/{path}.mask.png               the mask that belongs to it
    out/{account_id}/{preset}/{path}.{job_id}.{ext}        its result
    out/{account_id}/{preset}/{path}.{job_id}.problem.json why there is none
    out/{account_id}/api/{job_id}.{ext}                    the result of a job from the API
    staged/{account_id}/{upload_id}                        what the API was given

Keys are decoded text, never percent-encoded. All functions are pure.
"""

import re
from dataclasses import dataclass

from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId, UploadId

INPUT_PREFIX = "in/"
OUTPUT_PREFIX = "out/"
STAGED_PREFIX = "staged/"
PROBE_KEY = STAGED_PREFIX + ".probe"
"""An object of no account, by which it is tried whether the store reads and writes."""
MASK_SUFFIX = ".mask.png"
PROBLEM_EXTENSION = "problem.json"

MAX_KEY_BYTES = 900
"""Longest upload key, in UTF-8 bytes. Stores stop at 1024; a result's key is longer than
its source's by `.{job_id}.{ext}`, and must fit too."""

MAX_NAME_BYTES = 205
"""Longest last segment of an upload key, in UTF-8 bytes: SeaweedFS keeps names of up to 255,
and `.{job_id}.problem.json` takes 50."""

_OUTPUT = re.compile(
    r"out/(?P<source>.+)\.(?P<job>job_[a-z2-7]{32})\.(?P<ext>problem\.json|[a-z0-9]{1,8})",
    re.DOTALL,
)
_DOTS = {".": "%2E", "..": "%2E%2E"}


@dataclass(frozen=True, slots=True)
class UploadKey:
    """A well-formed upload key, taken apart. The account and the preset may not exist."""

    account_id: AccountId
    preset: str
    path: str


@dataclass(frozen=True, slots=True)
class MalformedKey:
    """A key under `in/` that names no upload: `code` says why, `reason` explains it.

    `account_id` and `preset` are what stands in their places, and empty where nothing does.
    """

    code: ErrorCode
    account_id: AccountId
    preset: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutputKey:
    """The key of an upload's result or problem, taken apart."""

    source_key: str
    job_id: JobId
    extension: str

    @property
    def is_problem(self) -> bool:
        """Tell whether the object says why there is no result."""
        return self.extension == PROBLEM_EXTENSION


def parse_upload_key(key: str) -> UploadKey | MalformedKey | None:
    """Take an upload's key apart.

    None: not an upload at all, but a key outside `in/` or a folder's marker (ending in
    `/`). `MalformedKey`: meant as one, and must be refused. Segments that are empty, `.`
    or `..` are malformed, since stores disagree on where such an object lies.
    """
    if not key.startswith(INPUT_PREFIX) or key.endswith("/"):
        return None
    account, _, rest = key.removeprefix(INPUT_PREFIX).partition("/")
    account_id = AccountId(account)
    preset, _, path = rest.partition("/")
    size = _size(key)
    if size > MAX_KEY_BYTES:
        reason = f"the key has {size} bytes, {MAX_KEY_BYTES} are allowed"
        return MalformedKey(ErrorCode.KEY_TOO_LONG, account_id, preset, reason)
    name_size = _size(path.rpartition("/")[2])
    if name_size > MAX_NAME_BYTES:
        reason = f"the name has {name_size} bytes, {MAX_NAME_BYTES} are allowed"
        return MalformedKey(ErrorCode.KEY_TOO_LONG, account_id, preset, reason)
    if not path:
        reason = f"{key!r} lacks a segment; expected in/{{account}}/{{preset}}/{{path}}"
        return MalformedKey(ErrorCode.MALFORMED_KEY, account_id, preset, reason)
    for segment in (account, preset, *path.split("/")):
        if segment in ("", ".", ".."):
            reason = f"{key!r} has a segment {segment!r}"
            return MalformedKey(ErrorCode.MALFORMED_KEY, account_id, preset, reason)
    return UploadKey(account_id, preset, path)


def parse_output_key(key: str) -> OutputKey | None:
    """Take the key of an upload's result or problem apart; None for any other key."""
    found = _OUTPUT.fullmatch(key)
    if found is None:
        return None
    return OutputKey(INPUT_PREFIX + found["source"], JobId(found["job"]), found["ext"])


def account_input_prefix(account_id: AccountId) -> str:
    """Return the prefix of everything the account uploads."""
    return f"{INPUT_PREFIX}{account_id}/"


def account_output_prefix(account_id: AccountId) -> str:
    """Return the prefix of everything made for the account."""
    return f"{OUTPUT_PREFIX}{account_id}/"


def input_key(account_id: AccountId, preset: str, path: str) -> str:
    """Return the key under which an account uploads `path` for `preset`."""
    return f"{account_input_prefix(account_id)}{preset}/{path}"


def mask_key(image_key: str) -> str:
    """Return the key of the mask that belongs to an image."""
    return image_key + MASK_SUFFIX


def masked_image_key(key: str) -> str | None:
    """Return the key of the image that a mask belongs to; None when `key` is no mask's."""
    image = key.removesuffix(MASK_SUFFIX)
    return None if image == key or image.endswith("/") else image


def result_key(source: UploadKey, job_id: JobId, extension: str) -> str:
    """Return the key of an upload's result; `extension` has no dot."""
    prefix = account_output_prefix(source.account_id)
    return f"{prefix}{source.preset}/{source.path}.{job_id}.{extension}"


def api_result_key(account_id: AccountId, job_id: JobId, extension: str) -> str:
    """Return the key of the result of a job from the API; `extension` has no dot."""
    return f"{account_output_prefix(account_id)}api/{job_id}.{extension}"


def problem_key(source_key: str, job_id: JobId) -> str:
    """Return the key of the document that says why an upload has no result.

    Any key under `in/` may be given, malformed ones too: what is over `MAX_KEY_BYTES` or
    `MAX_NAME_BYTES` is cut off, and segments `.` and `..` are written with %2E, so that
    the document lies under the same account's prefix wherever a store resolves them.
    """
    parts = _cut(source_key.removeprefix(INPUT_PREFIX), MAX_KEY_BYTES).split("/")
    parts[-1] = _cut(parts[-1], MAX_NAME_BYTES)
    path = "/".join(_DOTS.get(part, part) for part in parts)
    return f"{OUTPUT_PREFIX}{path}.{job_id}.{PROBLEM_EXTENSION}"


def staged_key(account_id: AccountId, upload_id: UploadId) -> str:
    """Return the key under which the API keeps an upload until its job takes it."""
    return f"{STAGED_PREFIX}{account_id}/{upload_id}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, size: int) -> str:
    """Return `text` without what is over `size` bytes of UTF-8."""
    return text.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore")
