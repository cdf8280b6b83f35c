"""Object-store credentials of accounts, by the AWS IAM API, which SeaweedFS speaks too.

Each account is one IAM user named by its id, with one inline policy and one key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.stored_objects import AccessDenied, StoreError, StoreUnavailable
from schemas import keys
from schemas.ids import ACCOUNT_ID_PATTERN, AccountId

if TYPE_CHECKING:
    from infra.settings import Settings

_ACCOUNT_ID = re.compile(ACCOUNT_ID_PATTERN)
_POLICY = "own-prefixes"
_TIMES_OUT = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2})
_THROTTLED = ("Throttling", "ConcurrentModification")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a client signs its requests with. The secret is told once, here."""

    access_key: str
    secret_key: str = field(repr=False)


class _Absent(StoreError):  # noqa: N818 - a state, and mostly no failure
    """The user, its key or its policy is not there, or already is."""


class ObjectCredentials:
    """Gives accounts keys to their own prefixes of one bucket, and takes them away.

    Needs root credentials of the store. Every method may be called from any thread, and
    raises `AccessDenied` when the root credentials are refused, `StoreUnavailable` when
    trying again is worth while, and else `StoreError`.
    """

    def __init__(
        self, *, endpoint: str, access_key: str, secret_key: str, region: str, bucket: str
    ) -> None:
        self._bucket = bucket
        self._iam = botocore.session.get_session().create_client(
            "iam",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=_TIMES_OUT,
        )

    def issue(self, account_id: AccountId) -> AccessKey:
        """Give an account a key: the only one it has from then on.

        Every key it had before ends, so issuing again is how a key is replaced, and is
        also what to do after an error half way: user and policy are brought to the same
        state each time. Between an old key's end and the new one's beginning there is a
        moment without either.
        """
        document = json.dumps(policy(self._bucket, account_id))
        with suppress(_Absent), _told(account_id):
            self._iam.create_user(UserName=account_id)
        with _told(account_id):
            self._iam.put_user_policy(
                UserName=account_id, PolicyName=_POLICY, PolicyDocument=document
            )
            self._end_keys(account_id)
            made = self._iam.create_access_key(UserName=account_id)["AccessKey"]
        return AccessKey(str(made["AccessKeyId"]), str(made["SecretAccessKey"]))

    def revoke(self, account_id: AccountId) -> None:
        """End every key of an account at once, and forget its user; no error when it has none."""
        with suppress(_Absent), _told(account_id):
            self._end_keys(account_id)
        with suppress(_Absent), _told(account_id):
            self._iam.delete_user_policy(UserName=account_id, PolicyName=_POLICY)
        with suppress(_Absent), _told(account_id):
            self._iam.delete_user(UserName=account_id)

    def _end_keys(self, account_id: AccountId) -> None:
        # AWS allows two keys a user, so one page holds them all.
        for key in self._iam.list_access_keys(UserName=account_id)["AccessKeyMetadata"]:
            self._iam.delete_access_key(UserName=account_id, AccessKeyId=key["AccessKeyId"])


def from_settings(settings: Settings) -> ObjectCredentials:
    """Return the credentials of the store that the settings name; makes no request."""
    return ObjectCredentials(
        endpoint=settings.iam_endpoint or settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        bucket=settings.bucket,
    )


def policy(bucket: str, account_id: AccountId) -> dict[str, object]:
    """Return what an account may do, as an IAM policy document.

    Write its uploads, read its results, list both; nothing else. Each prefix ends in a
    slash, so that `acc_1` is not the beginning of `acc_10`. Raises `ValueError` for what is
    no account id: a `*` in it would open every prefix.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ValueError(f"{account_id!r} is no account id")
    inputs = keys.account_input_prefix(account_id)
    outputs = keys.account_output_prefix(account_id)
    objects = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{objects}/{inputs}*"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{objects}/{outputs}*"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": objects,
                "Condition": {"StringLike": {"s3:prefix": [f"{outputs}*", f"{inputs}*"]}},
            },
        ],
    }


@contextmanager
def _told(account_id: AccountId) -> Iterator[None]:
    """Turn botocore's errors into `StoreError`s."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ("EntityAlreadyExists", "NoSuchEntity"):
            raise _Absent(code) from error
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        message = f"credentials of {account_id}: {error}"
        if status == HTTPStatus.FORBIDDEN:
            raise AccessDenied(message) from error
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _THROTTLED:
            raise StoreUnavailable(message) from error
        raise StoreError(message) from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"credentials of {account_id}: {error}") from error
