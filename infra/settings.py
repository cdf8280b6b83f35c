"""Every setting of picmend, read from `PICMEND_*` environment variables.

Processes get them from the environment and from nowhere else; `picmend up` writes that
environment for the servers it starts.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.operations import OperationName
from schemas.sizes import MAX_RESULT_PIXELS

Network = IPv4Network | IPv6Network


def _listed(value: object) -> object:
    """Take a list as an environment can hold it: parts with commas between."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


class Settings(BaseSettings):
    """The settings of one picmend process, validated at start."""

    model_config = SettingsConfigDict(env_prefix="PICMEND_", frozen=True, extra="ignore")

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port,...")
    kafka_replication: int = Field(1, ge=1, description="Brokers that hold each partition")
    database_url: SecretStr = Field(
        SecretStr("postgresql://picmend_app@127.0.0.1:5432/picmend"),
        description="Postgres as the application's role, which owns nothing",
    )
    migrations_url: SecretStr | None = Field(
        None, description="Postgres as the owner of the schema; only migrations use it"
    )
    s3_endpoint: str = Field("http://127.0.0.1:8333", description="Object store, http(s)://host")
    s3_public_endpoint: str | None = Field(
        None, description="The object store's address as clients reach it, for presigned links"
    )
    iam_endpoint: str | None = Field(
        None, description="The store's AWS IAM API; the S3 endpoint itself when not set"
    )
    s3_access_key: SecretStr = SecretStr("picmend")
    s3_secret_key: SecretStr = SecretStr("picmend-secret")
    s3_region: str = "us-east-1"
    bucket: str = Field("uploads", description="The bucket of in/, out/ and staged/")

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (),
        description="Networks whose X-Forwarded-For is believed: 10.0.0.0/8,2001:db8::/32",
    )
    country_database: Path | None = Field(
        None, description="A CSV of network,country by which clients' countries are told"
    )
    monitor_host: str = Field("127.0.0.1", description="Where /metrics and /health listen")
    monitor_port: int = Field(0, ge=0, le=65535, description="Their port; 0: any free one")
    traces_endpoint: str | None = Field(
        None,
        description="Where traces go by OTLP/HTTP, http://host:4318/v1/traces; nowhere if unset",
    )
    data_dir: Path = Field(Path(".picmend"), description="State, logs and work files")
    log_level: str = "INFO"

    database_pool: int = Field(8, ge=2, description="Connections one process may hold")
    reconciler_enabled: bool = Field(
        True, description="List in/ to find uploads whose events the store lost"
    )
    reconciler_interval_s: float = Field(60.0, gt=0)
    job_lifetime_days: int = Field(7, ge=1)
    upload_age_days: float = Field(
        30.0, gt=0, description="How old an upload may be by its own date; a listing's may be older"
    )
    upload_ahead_minutes: float = Field(
        60.0, ge=0, description="How far ahead of this clock an upload may be dated"
    )
    lease_s: float = Field(15.0, gt=0)
    lease_renewal_s: float = Field(5.0, gt=0)
    network_slots: int = Field(
        2,
        ge=1,
        description="Jobs one worker runs at once, per operation: one is fetched, decoded, encoded"
        " and stored while another is in the network",
    )
    pixels_in_hand: int = Field(
        MAX_RESULT_PIXELS,
        gt=0,
        description="Pixels of the pictures that one worker runs at once, over all operations,"
        " and of their results; one that has more is alone",
    )
    identity_slots: int = Field(32, ge=1, description="identity jobs one worker runs at once")
    network_threads: int | None = Field(
        None, ge=1, description="Threads that networks run on; as many as cores when not set"
    )
    models: Path | None = Field(None, description="The folder of models that the operator supplies")
    aigc_producer: str | None = Field(
        None,
        max_length=200,
        description="Who is named in the AIGC label of results (GB 45438-2025); no label if unset",
    )
    mask_wait_hours: float = Field(24.0, gt=0)
    max_image_bytes: int = Field(64 * 1024 * 1024, gt=0, description="Cap of one upload")

    refused_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of a window's messages that a consumer may refuse before it stands"
        " still: hostile input is rare, so a tenth is a defect of ours or of a producer",
    )
    refused_least: int = Field(
        20, ge=0, description="Refused messages in a window that never make it stand still"
    )
    refused_window_s: float = Field(60.0, gt=0, description="Seconds of that window")
    refused_in_a_row: int = Field(
        100,
        ge=1,
        description="Refused messages of one partition in a row before it stands still: a flood"
        " that the good messages of other partitions would hide",
    )
    refused_pause_s: float = Field(
        15.0, gt=0, lt=120, description="Seconds until a consumer that stands still tries again"
    )

    def slots(self) -> dict[OperationName, int]:
        """Return how many jobs of each operation one worker runs at once."""
        slots = dict.fromkeys(OperationName, self.network_slots)
        return slots | {OperationName.IDENTITY: self.identity_slots}


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings.

    Raises `pydantic.ValidationError`, which names each wrong variable and its value.
    """
    return Settings()
