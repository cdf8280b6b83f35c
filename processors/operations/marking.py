"""What a result says of itself, made from its report."""

from importlib.metadata import PackageNotFoundError, version

from processors.images.provenance import AigcLabel, Provenance, digital_source
from processors.operations.result import Report
from schemas.operations import OperationName


def made_by(operation: str, report: Report, aigc: AigcLabel | None = None) -> Provenance:
    """Return the provenance of a result of `operation`, with the label where one is asked for."""
    name = OperationName(operation)
    learned = any(used.weights_sha256 is not None for used in report.models)
    return Provenance(
        operation=name,
        source=digital_source(name, learned=learned),
        version=_version(),
        models=tuple(dict.fromkeys(used.name for used in report.models)),
        aigc=aigc,
    )


def _version() -> str:
    try:
        return version("picmend")
    except PackageNotFoundError:
        # Run from a checkout that was never installed.
        return ""
