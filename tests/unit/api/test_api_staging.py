import io
from contextlib import suppress

import psycopg
import pytest
from typing_extensions import override

from api.orders import Sent
from api.staging import staging
from infra.object_store import S3ObjectStore
from schemas.ids import AccountId

SENT = Sent(io.BytesIO(b"abc"), 3, "ab")
ACCOUNT = AccountId("acc_1")


class Shelf(S3ObjectStore):
    """Keeps the keys that were put and not deleted, and asks nobody."""

    def __init__(self) -> None:
        super().__init__(
            endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", bucket="uploads"
        )
        self.held: list[str] = []

    @override
    def put(self, key: str, data: bytes, content_type: str) -> str:
        self.held.append(key)
        return "etag"

    @override
    def delete(self, key: str) -> None:
        self.held.remove(key)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_a_job_has_taken_stays(shelf: Shelf) -> None:
    with staging(shelf, ACCOUNT) as place:
        taken = place.place(SENT, "image")
        place.keep(taken.object.key)

    assert shelf.held == [taken.object.key]
    assert taken.object.key.startswith("staged/acc_1/upl_")


def test_what_another_request_made_redundant_goes(shelf: Shelf) -> None:
    with staging(shelf, ACCOUNT) as place:
        place.place(SENT, "image")
        place.keep("staged/acc_1/upl_of_the_first")

    assert shelf.held == []


def test_a_refusal_leaves_nothing(shelf: Shelf) -> None:
    with suppress(ZeroDivisionError), staging(shelf, ACCOUNT) as place:
        place.place(SENT, "image")
        raise ZeroDivisionError

    assert shelf.held == []


def test_a_lost_database_may_have_taken_the_job_so_its_file_stays(shelf: Shelf) -> None:
    with suppress(psycopg.OperationalError), staging(shelf, ACCOUNT) as place:
        place.place(SENT, "image")
        raise psycopg.OperationalError("the answer to COMMIT was lost")

    assert len(shelf.held) == 1
