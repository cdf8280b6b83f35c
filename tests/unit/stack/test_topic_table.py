import pytest

from infra.kafka_topics import SOURCE_TOPICS, TOPICS
from schemas.topics import dlq


def test_every_topic_has_a_dead_letter_topic_of_one_partition() -> None:
    table = {topic.name: topic for topic in TOPICS}
    for source in SOURCE_TOPICS:
        assert source.partitions == 8
        assert table[dlq(source.name)].partitions == 1
        assert table[dlq(source.name)].retention.days == 30


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("object-events", 7),
        ("job-requests", 7),
        ("work.upscale", 7),
        ("work.inpaint", 7),
        ("work.identity", 7),
        ("job-results", 7),
        ("usage", 396),
        ("job-events", 30),
        ("abuse-findings", 396),
    ],
)
def test_topics_are_kept_as_long_as_promised(name: str, days: int) -> None:
    assert {topic.name: topic.retention.days for topic in TOPICS}[name] == days
