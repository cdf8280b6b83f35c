"""What the pipeline relies on in the object store, asked of the real one and of its model."""

import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import urllib3
from minio.versioningconfig import VersioningConfig

from infra.object_store import (
    PAGE,
    AccessDenied,
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
    S3ObjectStore,
    StoreError,
    StoreUnavailable,
    from_settings,
)
from infra.settings import Settings
from infra.stack import Stack
from infra.stack.isolation import Bucket
from tests.simulation.store_model import ModelStore

PNG = "image/png"
HOUR = timedelta(hours=1)
ODD_KEYS = [
    "in/acc_1/x4/summer 2026/a b.png",
    "in/acc_1/x4/a+b.png",
    "in/acc_1/x4/100%.png",
    "in/acc_1/x4/a%2Fb%20c.png",
    "in/acc_1/x4/照片/小猫.jpg",
    "in/acc_1/x4/a?b#c&d=e;f@g:h,i$j!k'(l)*~.png",
    "in/acc_1/x4/😀 é.png",
]


def open_store(settings: Settings, bucket: str, **changes: str) -> S3ObjectStore:
    return from_settings(settings.model_copy(update={"bucket": bucket, **changes}))


@pytest.fixture
def store_settings(stack: Stack) -> Settings:
    return stack.settings()


@pytest.fixture
def s3(store_settings: Settings, bucket: Bucket) -> S3ObjectStore:
    """The real store, for what its model leaves out: links, versions, credentials."""
    return open_store(store_settings, bucket.name)


@pytest.fixture(params=["s3", "model"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "model":
        return ModelStore(lambda: datetime.now(UTC))
    real: S3ObjectStore = request.getfixturevalue("s3")
    return real


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    data = bytes(range(256)) * 100
    etag = store.put("out/acc_1/x4/a.png", data, PNG)
    assert etag == hashlib.md5(data, usedforsecurity=False).hexdigest()
    found = store.head("out/acc_1/x4/a.png")
    assert (found.key, found.etag, found.size) == ("out/acc_1/x4/a.png", etag, len(data))
    assert (found.content_type, found.version_id) == (PNG, None)
    assert abs(datetime.now(UTC) - found.last_modified) < timedelta(minutes=1)
    assert store.get("out/acc_1/x4/a.png", max_bytes=len(data), if_match=etag) == data


def test_an_object_over_16_mib_is_one_put_with_a_plain_etag(store: ObjectStore) -> None:
    data = bytes(17 * 1024 * 1024)
    etag = store.put("out/big.png", data, PNG)
    assert etag == hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_an_empty_object_can_be_kept(store: ObjectStore) -> None:
    store.put("empty", b"", PNG)
    assert store.head("empty").size == 0
    assert store.get("empty", max_bytes=0) == b""


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_are_text_and_survive_every_call(store: ObjectStore, key: str) -> None:
    etag = store.put(key, b"abcdef", PNG)
    assert store.head(key).etag == etag
    assert store.get_range(key, 1, 3, if_match=etag) == b"bc"
    assert [(each.key, each.etag) for page in store.list("in/") for each in page] == [(key, etag)]
    store.delete(key)
    with pytest.raises(ObjectMissing):
        store.head(key)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_survive_in_links(s3: ObjectStore, key: str) -> None:
    s3.put(key, b"abcdef", PNG)
    assert urllib3.request("GET", s3.presigned_get(key, HOUR)).data == b"abcdef"


def test_a_range_includes_its_start_and_not_its_end(store: ObjectStore) -> None:
    store.put("a", b"0123456789", PNG)
    assert store.get_range("a", 0, 1) == b"0"
    assert store.get_range("a", 3, 7) == b"3456"
    assert store.get_range("a", 8, 100) == b"89"
    assert store.get_range("a", 0, 10) == b"0123456789"
    with pytest.raises(ValueError, match="no bytes"):
        store.get_range("a", 5, 5)


def test_an_object_that_is_shorter_than_thought_has_changed(store: ObjectStore) -> None:
    store.put("a", b"0123456789", PNG)
    with pytest.raises(ObjectChanged):
        store.get_range("a", 10, 20)


def test_an_object_with_another_etag_has_changed(store: ObjectStore) -> None:
    before = store.put("a", b"before", PNG)
    store.put("a", b"after", PNG)
    with pytest.raises(ObjectChanged):
        store.get_range("a", 0, 4, if_match=before)
    with pytest.raises(ObjectChanged):
        store.get("a", max_bytes=100, if_match=before)


def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.head("nothing")
    with pytest.raises(ObjectMissing):
        store.get("nothing", max_bytes=100, if_match="0" * 32)
    with pytest.raises(ObjectMissing):
        store.get_range("nothing", 0, 4)
    store.delete("nothing")


def test_an_object_over_the_callers_limit_is_not_read(store: ObjectStore) -> None:
    store.put("a", b"0123456789", PNG)
    with pytest.raises(ObjectTooLarge, match="10 bytes"):
        store.get("a", max_bytes=9)


def test_a_version_can_be_read_after_it_was_written_over(s3: ObjectStore, bucket: Bucket) -> None:
    bucket.client.set_bucket_versioning(bucket.name, VersioningConfig("Enabled"))
    s3.put("a", b"first", PNG)
    first = s3.head("a")
    s3.put("a", b"second", PNG)
    assert first.version_id is not None
    assert s3.head("a", first.version_id).etag == first.etag
    assert s3.get("a", max_bytes=9, if_match=first.etag, version_id=first.version_id) == b"first"
    with pytest.raises(ObjectMissing):
        s3.get("a", max_bytes=9, version_id="0" * 32)


def test_a_listing_comes_in_ordered_pages_and_can_go_on_after_a_key(store: ObjectStore) -> None:
    names = [f"in/acc_1/x4/{number:05}.png" for number in range(PAGE + 1)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: store.put(key, b"x", PNG), [*names, "in/acc_2/x4/a.png"]))
    pages = list(store.list("in/acc_1/"))
    assert [len(page) for page in pages] == [PAGE, 1]
    assert [each.key for page in pages for each in page] == names
    rest = [each.key for page in store.list("in/acc_1/", names[-3]) for each in page]
    assert rest == names[-2:]
    assert list(store.list("in/acc_3/")) == []


def test_one_store_serves_many_threads(store: ObjectStore) -> None:
    def there_and_back(number: int) -> bool:
        data = str(number).encode() * 500
        etag = store.put(f"t/{number}", data, PNG)
        return store.get(f"t/{number}", max_bytes=9000, if_match=etag) == data

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(there_and_back, range(300)))


def test_a_link_to_put_takes_exactly_the_size_and_type_it_was_signed_for(
    s3: ObjectStore,
) -> None:
    link = s3.presigned_put("staged/acc_1/upl_1", HOUR, PNG, 4)
    for headers, body in [(PNG, b"12345"), (PNG, b"123"), ("text/html", b"1234")]:
        refused = urllib3.request("PUT", link, body=body, headers={"Content-Type": headers})
        assert refused.status == 403
    taken = urllib3.request("PUT", link, body=b"1234", headers={"Content-Type": PNG})
    assert taken.status == 200
    assert s3.head("staged/acc_1/upl_1").size == 4


def test_a_link_to_put_without_size_takes_any(s3: ObjectStore) -> None:
    link = s3.presigned_put("staged/acc_1/upl_1", HOUR)
    assert urllib3.request("PUT", link, body=b"whatever").status == 200


def test_a_link_holds_for_its_own_object_and_method(s3: ObjectStore) -> None:
    s3.put("out/a.png", b"a", PNG)
    link = s3.presigned_get("out/a.png", HOUR)
    assert urllib3.request("PUT", link, body=b"b").status == 403
    assert urllib3.request("GET", link.replace("out/a.png", "out/b.png")).status == 403


def test_a_link_to_get_can_name_the_file(s3: ObjectStore) -> None:
    s3.put("out/a.png", b"a", PNG)
    answer = urllib3.request("GET", s3.presigned_get("out/a.png", HOUR, "小猫 1.png"))
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''%E5%B0%8F%E7%8C%AB%201.png"


def test_links_name_the_public_endpoint_when_there_is_one(
    store_settings: Settings, bucket: Bucket
) -> None:
    s3 = open_store(store_settings, bucket.name, s3_public_endpoint="https://files.example:8443")
    for link in (s3.presigned_get("a", HOUR), s3.presigned_put("a", HOUR)):
        address = urlsplit(link)
        assert (address.scheme, address.netloc) == ("https", "files.example:8443")
        assert address.path == f"/{bucket.name}/a"


def test_a_link_for_more_than_a_week_is_refused_here(s3: ObjectStore) -> None:
    with pytest.raises(ValueError, match="7 days"):
        s3.presigned_get("a", timedelta(days=8))


def test_a_wrong_secret_is_denied(store_settings: Settings, bucket: Bucket) -> None:
    stranger = S3ObjectStore(
        endpoint=store_settings.s3_endpoint,
        access_key=store_settings.s3_access_key.get_secret_value(),
        secret_key="wrong",
        bucket=bucket.name,
    )
    with pytest.raises(AccessDenied):
        stranger.head("a")
    with pytest.raises(AccessDenied):
        stranger.put("a", b"a", PNG)
    with pytest.raises(AccessDenied):
        list(stranger.list("in/"))


def test_a_missing_bucket_says_nothing_of_its_objects(store_settings: Settings) -> None:
    store = open_store(store_settings, "no-such-bucket")
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        store.get("a", max_bytes=9)
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        list(store.list("in/"))


def test_a_store_that_is_not_there_is_unavailable_at_once(store_settings: Settings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        store = open_store(store_settings, "uploads", s3_endpoint=endpoint)
        before = datetime.now(UTC)
        with pytest.raises(StoreUnavailable):
            store.head("a")
        assert datetime.now(UTC) - before < timedelta(seconds=2)


@pytest.mark.parametrize("key", ["in/acc_1/../acc_2/a.png", "in/./a.png", "in/a\0b.png", "n" * 256])
def test_keys_that_stores_do_not_keep_are_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(StoreError):
        store.put(key, b"a", PNG)


@pytest.mark.parametrize("endpoint", ["localhost:8333", "ftp://localhost", "http://", "http://a/b"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        S3ObjectStore(endpoint=endpoint, access_key="a", secret_key="b", bucket="c")
