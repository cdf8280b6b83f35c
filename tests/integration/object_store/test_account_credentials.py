"""What an account's own key opens, and what it does not, asked of the real store."""

import hashlib
import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.object_credentials import AccessKey, ObjectCredentials, from_settings
from infra.object_store import (
    PART_BYTES,
    AccessDenied,
    ObjectStore,
    S3ObjectStore,
    StoreUnavailable,
)
from infra.object_store import from_settings as store_from_settings
from infra.settings import Settings
from infra.stack import Stack
from infra.stack.isolation import Bucket
from schemas.ids import AccountId, new_account_id

PNG = "image/png"


@pytest.fixture
def store_settings(stack: Stack, bucket: Bucket) -> Settings:
    return stack.settings().model_copy(update={"bucket": bucket.name})


@pytest.fixture
def root(store_settings: Settings) -> Iterator[S3ObjectStore]:
    store = store_from_settings(store_settings)
    yield store
    store.close()


@pytest.fixture
def credentials(store_settings: Settings) -> ObjectCredentials:
    return from_settings(store_settings)


@pytest.fixture
def account(credentials: ObjectCredentials) -> Iterator[AccountId]:
    account = new_account_id()
    yield account
    credentials.revoke(account)


@pytest.fixture
def neighbour(credentials: ObjectCredentials, account: AccountId) -> Iterator[AccountId]:
    """An account whose id begins with all of the other's."""
    neighbour = AccountId(account + "0")
    yield neighbour
    credentials.revoke(neighbour)


@pytest.fixture
def open_as(store_settings: Settings) -> Iterator[Callable[[AccessKey], S3ObjectStore]]:
    opened: list[S3ObjectStore] = []

    def open_store(key: AccessKey) -> S3ObjectStore:
        opened.append(
            S3ObjectStore(
                endpoint=store_settings.s3_endpoint,
                access_key=key.access_key,
                secret_key=key.secret_key,
                bucket=store_settings.bucket,
            )
        )
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


OpenAs = Callable[[AccessKey], S3ObjectStore]


def keys_of(store: ObjectStore, prefix: str) -> list[str]:
    return [each.key for page in store.list(prefix) for each in page]


def test_an_account_writes_its_uploads_and_reads_its_results(
    credentials: ObjectCredentials,
    account: AccountId,
    root: ObjectStore,
    open_as: OpenAs,
) -> None:
    own = open_as(credentials.issue(account))
    etag = own.put(f"in/{account}/x4/小猫 a+b 100%.png", b"in", PNG)
    root.put(f"out/{account}/x4/cat.png", b"out", PNG)
    (listed,) = next(own.list(f"in/{account}/"))
    assert (listed.key, listed.etag, listed.size) == (
        f"in/{account}/x4/小猫 a+b 100%.png",
        etag,
        2,
    )
    assert own.get(f"out/{account}/x4/cat.png", max_bytes=9) == b"out"
    assert own.head(f"out/{account}/x4/cat.png").size == 3
    assert keys_of(own, f"out/{account}/") == [f"out/{account}/x4/cat.png"]


def test_an_account_uploads_in_parts(
    credentials: ObjectCredentials, account: AccountId, open_as: OpenAs, tmp_path: Path
) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(PART_BYTES + 1))
    own = open_as(credentials.issue(account))
    assert own.put_file(f"in/{account}/x4/big.png", file, PNG).endswith("-2")


@pytest.fixture
def with_neighbour(
    credentials: ObjectCredentials,
    account: AccountId,
    neighbour: AccountId,
    root: ObjectStore,
    open_as: OpenAs,
) -> tuple[S3ObjectStore, S3ObjectStore]:
    """Two accounts' stores, each with an upload and a result in it."""
    stores = open_as(credentials.issue(account)), open_as(credentials.issue(neighbour))
    for each in (account, neighbour):
        root.put(f"in/{each}/x4/cat.png", b"in", PNG)
        root.put(f"out/{each}/x4/cat.png", b"out", PNG)
    return stores


def test_the_neighbours_prefixes_are_closed_both_ways(
    account: AccountId,
    neighbour: AccountId,
    with_neighbour: tuple[S3ObjectStore, S3ObjectStore],
) -> None:
    for store, other in zip(with_neighbour, (neighbour, account), strict=True):
        for key in (f"in/{other}/x4/cat.png", f"out/{other}/x4/cat.png"):
            with pytest.raises(AccessDenied):
                store.get(key, max_bytes=9)
            with pytest.raises(AccessDenied):
                store.get_range(key, 0, 1)
            with pytest.raises(AccessDenied):
                store.head(key)
            with pytest.raises(AccessDenied):
                store.put(key, b"mine", PNG)
            with pytest.raises(AccessDenied):
                store.delete(key)
        for prefix in (f"in/{other}/", f"out/{other}/", f"in/{other}", f"out/{other}/x4/"):
            with pytest.raises(AccessDenied):
                keys_of(store, prefix)


def test_an_account_reads_no_uploads_writes_no_results_and_deletes_nothing(
    account: AccountId, with_neighbour: tuple[S3ObjectStore, S3ObjectStore]
) -> None:
    own, _ = with_neighbour
    with pytest.raises(AccessDenied):
        own.get(f"in/{account}/x4/cat.png", max_bytes=9)
    with pytest.raises(AccessDenied):
        own.put(f"out/{account}/x4/cat.png", b"mine", PNG)
    for key in (f"in/{account}/x4/cat.png", f"out/{account}/x4/cat.png"):
        with pytest.raises(AccessDenied):
            own.delete(key)
    with pytest.raises(AccessDenied):
        own.put(f"staged/{account}/upl_1", b"mine", PNG)
    with pytest.raises(AccessDenied):
        own.put("in/mine.png", b"mine", PNG)


@pytest.mark.parametrize("prefix", ["", "in/", "out/", "staged/"])
def test_an_account_lists_nothing_above_its_prefixes(
    prefix: str, with_neighbour: tuple[S3ObjectStore, S3ObjectStore]
) -> None:
    own, _ = with_neighbour
    with pytest.raises(AccessDenied):
        keys_of(own, prefix)


@pytest.mark.parametrize(
    "way", ["..", "%2E%2E", "..%2F..", "..%5C..", "x4/../../{other}", "x4//..//..//{other}"]
)
def test_no_way_round_through_dots_leads_into_the_neighbours_prefix(
    way: str,
    credentials: ObjectCredentials,
    account: AccountId,
    neighbour: AccountId,
    store_settings: Settings,
) -> None:
    key = credentials.issue(account)
    root = store_from_settings(store_settings)
    path = f"/{store_settings.bucket}/in/{account}/{way.format(other=neighbour)}/x4/evil.png"
    status = put_raw(store_settings.s3_endpoint, path, b"evil", key)
    assert status in {400, 403}
    assert keys_of(root, f"in/{neighbour}/") == []
    assert keys_of(root, "x4/") == []
    root.close()


def put_raw(endpoint: str, path: str, body: bytes, key: AccessKey) -> int:
    """PUT to exactly this path, which clients would tidy up or refuse."""
    request = AWSRequest(
        "PUT",
        endpoint + path,
        data=body,
        headers={"x-amz-content-sha256": hashlib.sha256(body).hexdigest()},
    )
    signer = S3SigV4Auth(Credentials(key.access_key, key.secret_key), "s3", "us-east-1")
    signer.add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=20)
    try:
        connection.request("PUT", path, body=body, headers=dict(request.headers))
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_account_cannot_issue_credentials(
    credentials: ObjectCredentials, account: AccountId, store_settings: Settings
) -> None:
    key = credentials.issue(account)
    own = ObjectCredentials(
        endpoint=store_settings.s3_endpoint,
        access_key=key.access_key,
        secret_key=key.secret_key,
        region="us-east-1",
        bucket=store_settings.bucket,
    )
    with pytest.raises(AccessDenied):
        own.issue(AccountId("acc_other"))


def test_issuing_again_ends_the_key_before(
    credentials: ObjectCredentials, account: AccountId, open_as: OpenAs
) -> None:
    first, second = credentials.issue(account), credentials.issue(account)
    assert first != second
    with pytest.raises(AccessDenied):
        open_as(first).put(f"in/{account}/x4/a.png", b"a", PNG)
    open_as(second).put(f"in/{account}/x4/a.png", b"a", PNG)


def test_a_revoked_key_opens_nothing_and_revoking_again_is_no_error(
    credentials: ObjectCredentials, account: AccountId, open_as: OpenAs
) -> None:
    own = open_as(credentials.issue(account))
    own.put(f"in/{account}/x4/a.png", b"a", PNG)
    credentials.revoke(account)
    with pytest.raises(AccessDenied):
        own.put(f"in/{account}/x4/b.png", b"b", PNG)
    credentials.revoke(account)
    open_as(credentials.issue(account)).put(f"in/{account}/x4/c.png", b"c", PNG)


def test_keys_issued_at_once_all_work(credentials: ObjectCredentials, open_as: OpenAs) -> None:
    accounts = [new_account_id() for _ in range(8)]
    try:
        with ThreadPoolExecutor(8) as threads:
            issued = list(threads.map(credentials.issue, accounts))
        for account, key in zip(accounts, issued, strict=True):
            open_as(key).put(f"in/{account}/x4/a.png", b"a", PNG)
    finally:
        for account in accounts:
            credentials.revoke(account)


@pytest.mark.parametrize("account_id", ["*", "acc_*", "acc_1/../acc_2", "", "ACC_1"])
def test_what_is_no_account_id_gets_no_policy(
    credentials: ObjectCredentials, account_id: str
) -> None:
    with pytest.raises(ValueError, match="no account id"):
        credentials.issue(AccountId(account_id))


def test_wrong_root_credentials_are_denied_and_an_absent_store_is_unavailable(
    store_settings: Settings,
) -> None:
    def with_changes(**changes: str) -> ObjectCredentials:
        options = {
            "endpoint": store_settings.s3_endpoint,
            "access_key": store_settings.s3_access_key.get_secret_value(),
            "secret_key": store_settings.s3_secret_key.get_secret_value(),
        } | changes
        return ObjectCredentials(**options, region="us-east-1", bucket="uploads")

    with pytest.raises(AccessDenied):
        with_changes(secret_key="wrong").issue(AccountId("acc_1"))
    with pytest.raises(StoreUnavailable):
        with_changes(endpoint="http://127.0.0.1:9").issue(AccountId("acc_1"))


def test_a_secret_does_not_show_in_the_keys_text() -> None:
    assert "hidden" not in repr(AccessKey("AKIA", "hidden"))
