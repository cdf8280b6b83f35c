from pathlib import Path

import pytest

from infra.stack.errors import StackError
from infra.stack.external import external_stack

WHOLE = {
    "PICMEND_KAFKA_BOOTSTRAP": "k:9092",
    "PICMEND_DATABASE_URL": "postgresql://p/picmend",
    "PICMEND_S3_ENDPOINT": "http://s:8333",
}


def test_nothing_named_means_no_external_stack(tmp_path: Path) -> None:
    assert external_stack({"PATH": "/bin"}, tmp_path) is None


def test_all_three_addresses_make_a_stack_that_owns_no_server(tmp_path: Path) -> None:
    stack = external_stack({**WHOLE, "PICMEND_BUCKET": "mine", "HOME": "/"}, tmp_path)
    assert stack is not None
    assert stack.servers == ()
    assert stack.settings().kafka_bootstrap == "k:9092"
    assert stack.settings().bucket == "mine"
    assert "HOME" not in stack.environment


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_half_named_servers_are_an_error_that_names_what_is_missing(
    tmp_path: Path, missing: str
) -> None:
    with pytest.raises(StackError, match=f"but {missing} is not"):
        external_stack({k: v for k, v in WHOLE.items() if k != missing}, tmp_path)
