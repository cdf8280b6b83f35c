"""Every metric of picmend: its name, its labels, and what it means.

Whoever counts imports the metric from here, and prepares the labelled children that it needs
once, not with each message. No label tells of an account or a job: each has a closed set of
values. `TABLE` is what `docs/guide/metrics.md` shows.

Metrics made by `_scraped` are read from the servers when `/metrics` is asked for, by
`streams.scraped`. Every streams process tells the same numbers of those: of several, take the
`max`, never the `sum`.
"""

from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it untyped


class Kind(StrEnum):
    """What can be asked of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class JobStage(StrEnum):
    """The stages of a job's way from upload to charge; each begins where the one before ended."""

    REQUESTED = "requested"
    ADMITTED = "admitted"
    DISPATCHED = "dispatched"
    STARTED = "started"
    FINISHED = "finished"
    ENDED = "ended"
    CHARGED = "charged"


class AttemptOutcome(StrEnum):
    """How an attempt ended for the worker that ran it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    LEASE_LOST = "lease_lost"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as the guide shows it. `process` says which processes tell it."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    process: str
    meaning: str

    def family(self) -> GaugeMetricFamily:
        """Return an empty family to put what was read into."""
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)


_described: list[Described] = []

_QUICK_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
_MESSAGES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)


def _describe(
    name: str, kind: Kind, labels: tuple[str, ...], process: str, meaning: str
) -> Described:
    _described.append(Described(name, kind, labels, process, meaning))
    return _described[-1]


def _counter(name: str, *labels: str, process: str, meaning: str) -> Counter:
    _describe(name, Kind.COUNTER, labels, process, meaning)
    return Counter(name, meaning, labels)


def _gauge(name: str, *labels: str, process: str, meaning: str) -> Gauge:
    _describe(name, Kind.GAUGE, labels, process, meaning)
    return Gauge(name, meaning, labels)


def _histogram(
    name: str, *labels: str, buckets: tuple[float, ...], process: str, meaning: str
) -> Histogram:
    _describe(name, Kind.HISTOGRAM, labels, process, meaning)
    return Histogram(name, meaning, labels, buckets=buckets)


def _scraped(name: str, *labels: str, meaning: str) -> Described:
    return _describe(name, Kind.GAUGE, labels, "streams, read at the scrape", meaning)


# Consumers ------------------------------------------------------------------------------------

LAG_MESSAGES: Final = _scraped(
    "picmend_consumer_lag_messages",
    "group",
    "topic",
    meaning="Messages of a topic that a consumer group has not committed.",
)
LAG_SECONDS: Final = _scraped(
    "picmend_consumer_lag_seconds",
    "group",
    "topic",
    meaning="Age of the oldest message that the group has not committed; 0 when there is none.",
)
HALTED: Final = _gauge(
    "picmend_consumer_halted",
    "stage",
    process="streams, worker",
    meaning="1 while a consumer stands still because too much of its input was refused, else 0.",
)
DEAD_LETTERS: Final = _counter(
    "picmend_dead_letters_total",
    "topic",
    "reason",
    process="streams, worker",
    meaning="Messages put on a dead-letter topic, by the topic that they came from.",
)
WORLD_WAITS: Final = _counter(
    "picmend_world_waits_total",
    "stage",
    process="streams, worker",
    meaning="Pauses because a server was away or denied something; what was in hand came again.",
)
BATCH_MESSAGES: Final = _histogram(
    "picmend_batch_messages",
    "stage",
    buckets=_MESSAGES,
    process="streams",
    meaning="Messages that a stage took, or the relay sent, at once.",
)
BATCH_SECONDS: Final = _histogram(
    "picmend_batch_seconds",
    "stage",
    buckets=_QUICK_S,
    process="streams",
    meaning="Time that such a batch took, waits for servers included.",
)

# Jobs -----------------------------------------------------------------------------------------

JOBS: Final = _scraped(
    "picmend_jobs", "state", meaning="Jobs that have not ended, by the state they are in."
)
OLDEST_JOB: Final = _scraped(
    "picmend_oldest_job_seconds",
    "state",
    meaning="Time since the oldest job in a state was admitted (queued, review), dispatched or"
    " started; 0 when there is none.",
)
OLDEST_UNENDED: Final = _scraped(
    "picmend_oldest_unended_job_seconds",
    meaning="Time since the upload, or request, of the oldest job that has not ended.",
)
OUTBOX_MESSAGES: Final = _scraped(
    "picmend_outbox_messages", meaning="Messages in the outbox that were not sent yet."
)
OUTBOX_OLDEST: Final = _scraped(
    "picmend_outbox_oldest_seconds",
    meaning="Age of the oldest message in the outbox; 0 when it is empty.",
)
STALE_HOLDS: Final = _scraped(
    "picmend_stale_holds",
    meaning="Holds still open over 60 s behind the end of their job: a usage event is late.",
)
LEDGER_SUM: Final = _scraped(
    "picmend_ledger_sum",
    meaning="Sum of all balances of the ledger, in minor units; anything but 0 is a broken ledger.",
)
WORKER_SLOTS: Final = _scraped(
    "picmend_worker_slots",
    "operation",
    meaning="Jobs that the workers that live can run at once, by operation.",
)
IN_FLIGHT: Final = _scraped(
    "picmend_jobs_in_flight",
    "operation",
    meaning="Jobs with the workers, on their way or running, by operation.",
)
IN_FLIGHT_CAP: Final = _scraped(
    "picmend_jobs_in_flight_cap",
    "operation",
    meaning="How many jobs the dispatcher lets be with the workers, by operation; the sum is its"
    " cap for all together.",
)
FULL_ACCOUNTS: Final = _scraped(
    "picmend_full_accounts",
    "operation",
    meaning="Accounts with jobs of an operation at the workers that may have no more there, by"
    " their limits of jobs in flight or because they are slowed down.",
)
TRANSITIONS: Final = _counter(
    "picmend_job_transitions_total",
    "state",
    "by",
    process="streams",
    meaning="Transitions of jobs told on job-events, by the state they led to and who made them;"
    " a redelivered event counts again.",
)
STAGE_SECONDS: Final = _histogram(
    "picmend_job_stage_seconds",
    "stage",
    buckets=_LONG_S,
    process="streams; worker (dispatched, started, finished)",
    meaning="Time from the end of the stage before to the end of this one, for each job: upload,"
    " requested, admitted, dispatched, started, finished, ended, charged (or released).",
)
JOB_SECONDS: Final = _histogram(
    "picmend_job_seconds",
    buckets=_LONG_S,
    process="streams",
    meaning="Time from the upload, or request, of a job to its charge or release.",
)
QUOTA_REFUSALS: Final = _counter(
    "picmend_quota_refusals_total",
    "quota",
    process="streams, api",
    meaning="Jobs that a limit of their account refused, by which: uploads as job-events tells it"
    " (a redelivered event counts again), requests for jobs as they are answered.",
)

# Work -----------------------------------------------------------------------------------------

CLAIMS: Final = _counter(
    "picmend_claims_total", process="worker", meaning="Attempts that workers claimed."
)
CLAIM_REFUSALS: Final = _counter(
    "picmend_claim_refusals_total",
    process="worker",
    meaning="Attempts that workers asked for and did not get: not current any more, ended,"
    " expired, or of an account that may not run.",
)
ATTEMPTS: Final = _counter(
    "picmend_attempts_total",
    "operation",
    "outcome",
    process="worker",
    meaning="Attempts that ended, by how: `lease_lost` and `abandoned` report nothing; their jobs"
    " are given back, or the sweeper repairs what they leave.",
)
LEASE_LOSSES: Final = _counter(
    "picmend_lease_losses_total",
    process="worker",
    meaning="Leases that a living worker found taken away.",
)
RENEWAL_FAILURES: Final = _counter(
    "picmend_lease_renewal_failures_total",
    process="worker",
    meaning="Leases that could not be renewed because the database did not answer.",
)
SWEPT: Final = _counter(
    "picmend_swept_jobs_total",
    "reason",
    "outcome",
    process="streams",
    meaning="Jobs that the sweeper put back in line (`requeued`) or ended: `expired`, `unclaimed`,"
    " or `lease`, whose worker died, hung or was cut off.",
)
RECONCILER_PASSES: Final = _counter(
    "picmend_reconciler_passes_total",
    process="streams",
    meaning="Listings of `in/` that the reconciler began.",
)
RECONCILER_FOUND: Final = _counter(
    "picmend_reconciler_found_total",
    process="streams",
    meaning="Uploads that the reconciler found without a job: their events were lost or late.",
)

# API ------------------------------------------------------------------------------------------

API_SECONDS: Final = _histogram(
    "picmend_api_request_seconds",
    "method",
    "route",
    "status",
    buckets=_QUICK_S,
    process="api",
    meaning="Time to answer, by route template and status class (`2xx`); waits that the client"
    " asked for (`Prefer: wait`) included.",
)
API_REFUSALS: Final = _counter(
    "picmend_api_refusals_total",
    "code",
    process="api",
    meaning="Requests answered with a problem, by its code.",
)
API_ENTER_SECONDS: Final = _histogram(
    "picmend_api_enter_seconds",
    buckets=_QUICK_S,
    process="api",
    meaning="Time in which a request's key was looked up and its rate counted.",
)
API_FACTS_DROPPED: Final = _counter(
    "picmend_api_facts_dropped_total",
    process="api",
    meaning="Facts about requests that were not counted: too many subjects at once, or a database"
    " that was away too long or refused them.",
)

# Misuse ---------------------------------------------------------------------------------------

FINDINGS: Final = _counter(
    "picmend_findings_total",
    "rule",
    "mode",
    process="streams",
    meaning="Steps that findings of rules against misuse took: the first, and each next one.",
)
RULE_ERRORS: Final = _counter(
    "picmend_rule_errors_total",
    "rule",
    process="streams",
    meaning="Subjects for which a rule against misuse failed.",
)
JUDGED: Final = _counter(
    "picmend_judged_subjects_total",
    process="streams",
    meaning="Accounts, keys and networks that were judged, each as often as something changed.",
)
RESTRICTED: Final = _scraped(
    "picmend_restricted",
    "kind",
    "step",
    meaning="Accounts, keys and networks (`kind`) against which a step is in force, by findings or"
    " by operators.",
)
SUSPENDED_ACCOUNTS: Final = _scraped(
    "picmend_suspended_accounts",
    meaning="Accounts that are suspended as a whole, by whomever.",
)
UNJUDGED_OLDEST: Final = _scraped(
    "picmend_unjudged_facts_oldest_seconds",
    meaning="Time since the oldest fact was counted that was not judged; 0 when there is none.",
)

# The outside ----------------------------------------------------------------------------------

STORE_ERRORS: Final = _counter(
    "picmend_object_store_errors_total",
    "kind",
    process="all",
    meaning="Calls that the object store did not answer (`unavailable`), denied (`denied`) or"
    " answered as nobody expected (`other`); absent or changed objects are no errors.",
)
PRODUCER_ERRORS: Final = _counter(
    "picmend_producer_errors_total",
    process="streams, worker",
    meaning="Batches of messages that Kafka did not take.",
)
SCRAPE_ERRORS: Final = _counter(
    "picmend_scrape_errors_total",
    "source",
    process="streams",
    meaning="Scrapes that had to do without what a source (`database`, `ledger`, `kafka`) tells.",
)
DATA_FREE: Final = _scraped(
    "picmend_data_free_bytes", meaning="Bytes free on the disk that holds `PICMEND_DATA_DIR`."
)
PROCESS: Final = _gauge(
    "picmend_process_info",
    "process",
    "version",
    process="all",
    meaning="Always 1: which process this is, and its version of picmend.",
)

TABLE: Final = tuple(_described)
"""Every metric there is, in the order of this file."""


def introduce(process: str) -> None:
    """Tell which process this is."""
    PROCESS.labels(process, version("picmend")).set(1)
