"""One job, account, catalogue and candidate, from which a test changes what it is about."""

from datetime import UTC, datetime, timedelta

from domain.accounts.model import Account, AccountKind, AccountState
from domain.catalogue.model import Catalogue, Operation, Preset, Price, Pricing
from domain.jobs.model import Header, Job, StoredObject
from domain.pipeline.resolve import Candidate
from schemas.ids import AccountId, JobId
from schemas.operations import (
    IdentityParameters,
    ImageFormat,
    InpaintParameters,
    OperationName,
    Parameters,
    UpscaleParameters,
)
from schemas.states import JobState, Origin

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT_ID = AccountId("acc_7k2q")
JOB_ID = JobId("job_" + "a2" * 16)

ACCOUNT = Account(ACCOUNT_ID, "Ada", AccountKind.COMPANY, AccountState.ACTIVE, "CNY", AT)

CANDIDATE = Candidate(
    job_id=JOB_ID,
    account_id=ACCOUNT_ID,
    origin=Origin.OBJECT,
    preset="upscale-photo-x4",
    parameters=None,
    bucket="uploads",
    source=StoredObject(f"in/{ACCOUNT_ID}/upscale-photo-x4/a.jpg", "0e"),
    source_bytes=1000,
    mask=None,
    facts=Header(ImageFormat.JPEG, 1200, 1000, has_alpha=False),
    requested_at=AT,
)

JOB = Job(
    id=JOB_ID,
    seq=1,
    account_id=ACCOUNT_ID,
    origin=Origin.OBJECT,
    environment="live",
    retry_of=None,
    preset="identity",
    parameters=IdentityParameters(),
    bucket="uploads",
    source=StoredObject(f"in/{ACCOUNT_ID}/identity/a/照片 1.jpg", "0e"),
    source_bytes=1000,
    mask=None,
    header=Header(ImageFormat.JPEG, 40, 30, has_alpha=False),
    state=JobState.RUNNING,
    version=3,
    attempt=2,
    lease_losses=1,
    code=None,
    detail="",
    cancel_requested=False,
    worker="worker-1",
    lease_until=AT + timedelta(seconds=15),
    amount=1,
    unit="CNY",
    requested_at=AT,
    admitted_at=AT,
    expires_at=AT + timedelta(days=7),
    dispatched_at=AT,
    started_at=AT,
    ended_at=None,
    result=None,
    report=None,
)


def operation(name: OperationName, pricing: Pricing = Pricing.MEGAPIXEL) -> Operation:
    """Return an operation with limits that a small picture can reach."""
    return Operation(name, max_bytes=5000, max_pixels=2_000_000, max_side=3000, pricing=pricing)


def preset(name: str, parameters: Parameters, owner: str | None = None) -> Preset:
    """Return a preset; everyone's, unless it has an owner."""
    return Preset(name, owner, parameters)


def price(name: OperationName, amount: int) -> Price:
    """Return a price in CNY."""
    return Price(name, "CNY", amount, AT)


def catalogue(*presets: Preset, prices: tuple[Price, ...] | None = None) -> Catalogue:
    """Return a catalogue of all operations with the built-in presets and `presets`."""
    offered = (
        preset("upscale-photo-x4", UpscaleParameters()),
        preset("inpaint", InpaintParameters()),
        preset("inpaint-alpha", InpaintParameters(mask="alpha")),
        preset("identity", IdentityParameters()),
        *presets,
    )
    if prices is None:
        prices = (
            price(OperationName.UPSCALE, 2000),
            price(OperationName.INPAINT, 1000),
            price(OperationName.IDENTITY, 1),
        )
    operations = (
        operation(OperationName.UPSCALE),
        operation(OperationName.INPAINT),
        operation(OperationName.IDENTITY, Pricing.JOB),
    )
    return Catalogue(
        operations={each.name: each for each in operations},
        presets={(each.account_id, each.name): each for each in offered},
        prices={(each.operation, each.unit): each for each in prices},
    )
