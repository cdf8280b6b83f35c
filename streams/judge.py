"""The judge: asks the rules against misuse of what has changed, and acts, alone."""

from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from domain.admission import known_store, rule_store
from domain.admission.facts import KEPT
from domain.admission.memory import Memory
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Mode
from domain.pipeline.judge import Judged, judge_once, let_go
from infra import metrics
from infra.clock import Clock
from infra.logs import logger

PRUNED_EVERY: Final = timedelta(hours=1)
PRUNED_AT_ONCE: Final = 5_000
PAUSE_TO_TURN: Final = 3.0
LONGEST_PAUSE_S: Final = 10.0

_log = logger(__name__)


class Judge:
    """Judges subjects whose facts have changed, ends what is over, and deletes old facts."""

    channel = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._memory = Memory()
        self._connection: Connection | None = None
        self._prune_at: datetime | None = None
        self._unreadable: tuple[str, ...] = ()
        self._took_s = 0.0
        modes = (Mode.SHADOW, Mode.ENFORCED)
        self._found = {
            (rule, mode): metrics.FINDINGS.labels(rule, mode) for rule in RULES for mode in modes
        }
        self._errors = {rule: metrics.RULE_ERRORS.labels(rule) for rule in RULES}

    @property
    def interval_s(self) -> float:
        """A second, or more behind a long turn: the agents of this process share its core."""
        return min(LONGEST_PAUSE_S, max(1.0, PAUSE_TO_TURN * self._took_s))

    def step(self, conn: Connection) -> bool:
        """Judge once; return whether there is more at once."""
        began = self._clock.now()
        if conn is not self._connection:
            # Another process may have judged meanwhile.
            self._memory.clear()
            with conn.transaction():
                rule_store.write_defaults(conn, self._clock.now())
            self._connection = conn
        with conn.transaction():
            judged = judge_once(conn, self._memory, clock=self._clock)
        let_go(conn, clock=self._clock)
        self._tell(judged)
        self._took_s = (self._clock.now() - began).total_seconds()
        return self._prune(conn) or judged.more

    def _prune(self, conn: Connection) -> bool:
        now = self._clock.now()
        if self._prune_at is not None and now < self._prune_at:
            return False
        with conn.transaction():
            pruned = known_store.prune(conn, now - KEPT, PRUNED_AT_ONCE)
        if pruned:
            return True
        self._prune_at = now + PRUNED_EVERY
        return False

    def _tell(self, judged: Judged) -> None:
        metrics.JUDGED.inc(judged.subjects)
        for finding in judged.taken:
            self._found[finding.rule, finding.mode].inc()
            _log.info(
                "abuse_found",
                account=finding.account_id,
                finding=finding.id,
                rule=finding.rule,
                mode=finding.mode,
                step=finding.step,
            )
        for rule, count in judged.errors.items():
            self._errors[rule].inc(count)
            _log.error("rule_fails", rule=rule, subjects=count)
        if judged.unreadable != self._unreadable:
            self._unreadable = judged.unreadable
            _log.error("rule_settings_unreadable", versions=judged.unreadable)
