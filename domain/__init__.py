"""The rules, and the tables they own; no HTTP, no Kafka, no pixels."""
