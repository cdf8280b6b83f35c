"""Reading and writing pictures; nothing here knows networks, Kafka or the object store."""
