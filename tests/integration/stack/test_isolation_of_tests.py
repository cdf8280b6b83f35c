import time

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer

from infra.settings import Settings
from infra.stack import Stack
from infra.stack.isolation import Broker, Bucket, Database, own_database


def test_each_test_gets_a_migrated_database_of_its_own(
    stack: Stack, database: Database, database_template: str
) -> None:
    with own_database(stack.settings(), database_template) as other:
        assert other.name != database.name
        for url in (database.owner_url, other.owner_url):
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT count(*) FROM alembic_version").fetchone()
                assert row == (1,)


def test_the_application_role_owns_nothing_and_cannot_make_tables(database: Database) -> None:
    with psycopg.connect(database.app_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
        ).fetchone()
        assert row == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (id int)")


def test_a_database_goes_away_even_with_the_application_still_connected(
    stack: Stack, database_template: str
) -> None:
    with own_database(stack.settings(), database_template) as own:
        left_open = psycopg.connect(own.app_url)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()


def test_a_topic_made_for_one_test_carries_its_messages(kafka: Broker) -> None:
    topic = kafka.new_topic()
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send(topic, value=b"one").get(10)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    started = time.monotonic()
    assert next(consumer).value == b"one"
    assert time.monotonic() - started < 10
    consumer.close()


def test_settings_name_the_tests_own_database_and_bucket(
    settings: Settings, database: Database, bucket: Bucket
) -> None:
    assert settings.database_url.get_secret_value() == database.app_url
    assert bucket.client.bucket_exists(settings.bucket)
