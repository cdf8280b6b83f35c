"""Settings of rules in the database: versions, what picmend comes with, what cannot be read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from domain.admission import rule_store
from domain.admission.rulebook import Change, RuleSettingError
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Mode
from tests.integration.pipeline.pipeline_world import World


def test_what_picmend_comes_with_is_version_1_however_often_it_is_written(world: World) -> None:
    unwritten = rule_store.load(world.conn)
    assert {each.version for each in unwritten.settings.values()} == {rule_store.UNWRITTEN}
    for _ in range(2):
        rule_store.write_defaults(world.conn, world.clock.now())
    book = rule_store.load(world.conn)
    assert {each.version for each in book.settings.values()} == {1}
    assert {key: each.setting for key, each in book.settings.items()} == {
        (rule.name, plan): setting
        for rule in RULES.values()
        for plan, setting in rule.defaults.items()
    }


def test_a_plan_without_a_setting_has_that_of_all_others_until_it_has_its_own(
    world: World,
) -> None:
    world.conn.execute("INSERT INTO plans (name, weight) SELECT 'school', 2")
    assert rule_store.load(world.conn).of("burst", "school").plan == "*"
    change = Change(mode=Mode.SHADOW)
    written = rule_store.write(
        world.conn, "burst", "school", change, by="ops", at=world.clock.now()
    )
    of_all = rule_store.load(world.conn).of("burst", "standard")
    assert (written.version, written.setting.mode) == (1, Mode.SHADOW)
    assert written.setting.parameters == of_all.setting.parameters
    assert of_all.setting.mode is Mode.ENFORCED
    world.conn.rollback()


def test_what_is_refused_leaves_the_version_before_in_force(world: World) -> None:
    rule_store.write_defaults(world.conn, world.clock.now())
    before = rule_store.load(world.conn)
    for change in (
        Change(parameters={"window": "PT0S"}),
        Change(parameters={"at_least": "many"}),
        Change(ladder=[{"step": "review"}, {"step": "flag", "after": "PT1M"}]),
        Change(ladder=[{"step": "suspend_operation"}]),
    ):
        with pytest.raises(RuleSettingError, match=r"burst: (parameters|ladder): "):
            rule_store.write(world.conn, "burst", "free", change, by="ops", at=world.clock.now())
    assert rule_store.load(world.conn) == before


def test_a_version_that_cannot_be_read_is_told_and_the_one_before_counts(world: World) -> None:
    rule_store.write_defaults(world.conn, world.clock.now())
    world.conn.execute(
        "INSERT INTO abuse_rules SELECT rule, plan, 2, mode, severity, '{\"gone\": 1}', ladder,"
        " fail_closed, 'a newer one', at FROM abuse_rules WHERE rule = 'burst' AND plan = 'free'"
    )
    book = rule_store.load(world.conn)
    assert book.of("burst", "free").version == 1
    (told,) = book.unreadable
    assert "free 2" in told
    assert "gone = 1" in told


def test_of_two_that_write_at_once_one_is_told_to_call_again(world: World) -> None:
    rule_store.write_defaults(world.conn, world.clock.now())
    world.conn.commit()

    def write(conn: psycopg.Connection, by: str) -> None:
        change = Change(mode=Mode.SHADOW)
        rule_store.write(conn, "burst", "*", change, by=by, at=world.clock.now())

    def second() -> None:
        with world.connect() as conn:
            write(conn, "second")

    with world.connect() as first, ThreadPoolExecutor(1) as threads:
        write(first, "first")
        writing = threads.submit(second)
        world.until_blocked()
        first.commit()
        with pytest.raises(RuleSettingError, match="wrote version 2; call again"):
            writing.result(timeout=30)
    assert rule_store.load(world.conn).of("burst", "standard").by == "first"
