"""A storm's report, for a person to read."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.e2e.chaos.storm import Report, told
from tests.e2e.chaos.strikes import TARGETS_S, Measured

_SHOWN = 200


def show(report: Report, console: Console) -> None:
    """Print what was done, what was measured against its target, and what was wrong."""
    console.rule(f"seed {report.seed}: {report.jobs} jobs, {report.seconds:.0f} s")
    console.print(f"faults: {_counts(report.faults)}; {sum(report.faults.values())} in all")
    uploads, orders = len(report.observed.sent.uploads), len(report.observed.sent.orders)
    console.print(f"{uploads} uploads got 200, {orders} jobs were asked for over the API")
    console.print(f"on the way: {_counts(report.tally)}")
    console.print(f"{len(report.observed.jobs)} jobs ended: {_counts(report.states)}")
    console.print(_measurements(report))
    for finding in report.findings[:_SHOWN]:
        console.print(str(finding), style="red", markup=False, soft_wrap=True)
    if len(report.findings) > _SHOWN:
        console.print(f"… and {len(report.findings) - _SHOWN} more", style="red")
    by_rule = Counter(finding.rule for finding in report.findings)
    verdict = f"findings: {_counts(by_rule)}" if report.findings else "0 findings"
    console.print(verdict, style="bold red" if report.findings else "bold green")


def _measurements(report: Report) -> Table:
    table = Table(title=f"Recovery; all was quiet {report.settled_s:.1f} s after the last fault")
    table.add_column("what")
    table.add_column("target", justify="right")
    table.add_column("met")
    for measured in sorted(report.measured, key=lambda m: (m.fault.kind, m.fault.target)):
        target = TARGETS_S.get(measured.fault.kind)
        table.add_row(told(measured), f"{target:g} s" if target else "", _met(measured, target))
    return table


def _met(measured: Measured, target: float | None) -> str:
    if target is None:
        return ""
    return "yes" if measured.all_s is not None and measured.all_s <= target else "no"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
