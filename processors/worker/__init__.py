"""The processor worker: the only part of `processors` that knows servers and the domain."""
