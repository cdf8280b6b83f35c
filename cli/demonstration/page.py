"""The before/after page: one folder that needs no network, no server and no script to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

from cli.demonstration.outcome import Outcome
from cli.demonstration.proof import Proof
from cli.demonstration.samples import MEDIA_TYPES, Sample
from cli.demonstration.terminal import amount, movements
from domain.billing import money
from domain.billing.model import Statement
from schemas.ids import JobId

PAGE: Final = "index.html"
_BEFORE, _AFTER, _REFUSED = "before", "after", "refused"

_PRESETS: Final = {
    "upscale-photo-x4": ("Photographs, four times larger", "Real-ESRGAN x4plus"),
    "upscale-fast-x4": ("Four times larger, fast", "Real-ESRGAN animevideov3"),
    "upscale-anime-x4": ("Four times larger, for drawings", "Real-ESRGAN x4plus-anime"),
    "inpaint": ("What a mask marks, filled", "OpenCV"),
    "inpaint-alpha": ("Holes, filled", "OpenCV"),
}


@dataclass(frozen=True, slots=True)
class Files:
    """Where an upload's files lie, relative to the page."""

    before: str
    after: str | None


def write_files(output: Path, found: Sequence[Outcome]) -> dict[JobId, Files]:
    """Write uploads, masks, results and problem files; return where. Raises `OSError`.

    Files of an earlier run are replaced, and removed where this run has none.
    """
    for folder in (_BEFORE, _AFTER, _REFUSED):
        (output / folder).mkdir(parents=True, exist_ok=True)
    written = {}
    for each in found:
        sample, came = each.sent.sample, each.arrived
        for extension in MEDIA_TYPES:
            (output / _AFTER / f"{sample.name}.{extension}").unlink(missing_ok=True)
        (output / _REFUSED / f"{sample.name}.problem.json").unlink(missing_ok=True)
        before = f"{_BEFORE}/{sample.name}.{sample.path.rpartition('.')[2]}"
        (output / before).write_bytes(sample.body)
        if sample.mask is not None:
            (output / _BEFORE / f"{sample.name}.mask.png").write_bytes(sample.mask)
        after = None
        if came is not None:
            folder = _REFUSED if came.is_problem else _AFTER
            after = f"{folder}/{sample.name}.{came.extension}"
            (output / after).write_bytes(came.body)
        written[each.sent.job_id] = Files(before, after)
    return written


def write_page(
    output: Path,
    found: Sequence[Outcome],
    *,
    files: Mapping[JobId, Files],
    statement: Statement,
    proof: Proof,
    faults: Sequence[str],
) -> Path:
    """Write the page beside the files and return its path. Raises `OSError`."""
    here = resources.files("cli.demonstration")
    unit = statement.unit
    succeeded = [each for each in found if each.size is not None]
    text = Template((here / "page.html").read_text("utf-8")).substitute(
        style=(here / "page.css").read_text("utf-8"),
        script=(here / "page.js").read_text("utf-8"),
        lead=escape(
            f"{len(succeeded)} of {len(found)} uploads restored, "
            f"{money.to_text(proof.charged, unit)} charged, the ledger sums to {proof.ledger_sum}."
        ),
        sections="\n".join(
            _section(
                preset,
                [each for each in succeeded if each.sent.sample.preset == preset],
                files,
                unit,
            )
            for preset in _PRESETS
        ),
        refused="\n".join(_refusal(each, files) for each in found if each.size is None),
        proof=_proof(faults),
        unit=escape(unit),
        statement="\n".join(_rows(statement, found)),
    )
    path = output / PAGE
    path.write_text(text, "utf-8")
    return path


def _section(preset: str, found: Sequence[Outcome], files: Mapping[JobId, Files], unit: str) -> str:
    if not found:
        return ""
    title, by = _PRESETS[preset]
    cards = "\n".join(_card(each, files[each.sent.job_id], unit) for each in found)
    return (
        f"<section><h2>{escape(title)} <small><code>{escape(preset)}</code> · {escape(by)}"
        f'</small></h2>\n<div class="cards">\n{cards}\n</div></section>'
    )


def _card(each: Outcome, files: Files, unit: str) -> str:
    sample = each.sent.sample
    if not isinstance(sample, Sample) or each.size is None or files.after is None:
        return ""
    shows = sample.photograph.shows
    width, height = each.size
    seconds = "" if each.seconds is None else f" · {each.seconds:.1f} s"
    facts = (
        f"{sample.size[0]}×{sample.size[1]} → {width}×{height}{seconds} · "
        f"{money.to_text(each.price, unit)}"
    )
    return f"""<figure>
<div class="pair" style="--ratio: {width} / {height}">
<div class="side before"><span class="tag">before</span>
<img src="{quote(files.before)}" alt="{escape(f"Before: {shows}; {sample.damage}")}"></div>
<div class="side after"><span class="tag">after</span>
<img src="{quote(files.after)}" alt="{escape(f"After: {shows}, restored")}"></div>
<input type="range" min="0" max="100" value="50" aria-label="{
        escape(f"How much of {sample.photograph.title} is shown before its restoration")
    }">
</div>
<figcaption><strong>{escape(sample.photograph.title)}</strong>, {escape(sample.damage)}
<span class="facts">{escape(facts)}</span>
<span class="facts"><a href="{quote(files.before)}">upload</a> ·
<a href="{quote(files.after)}">result</a> · {escape(sample.photograph.credit)}</span></figcaption>
</figure>"""


def _refusal(each: Outcome, files: Mapping[JobId, Files]) -> str:
    name, after = each.sent.sample.path, files[each.sent.job_id].after
    why = f"{each.state or 'no job'} {each.code}".strip()
    link = f' <a href="{quote(after)}">The problem file</a> says why.' if after else ""
    price = "Nothing was charged." if not each.price else ""
    return f"<p><code>{escape(name)}</code>: {escape(why)}. {price}{link}</p>"


def _proof(faults: Sequence[str]) -> str:
    if faults:
        return '<ul class="faults">' + "".join(f"<li>{escape(f)}</li>" for f in faults) + "</ul>"
    return (
        "<p>Every succeeded job was charged exactly once and nothing else was charged; no hold "
        "is open; all entries of the ledger sum to zero, and each of its rules holds.</p>"
    )


def _rows(statement: Statement, found: Sequence[Outcome]) -> list[str]:
    names = {each.sent.job_id: each.sent.sample.path for each in found}
    unit = statement.unit
    return [
        "<tr>"
        f"<td>{each.at:%H:%M:%S}</td><td>{escape(each.kind)}</td>"
        f"<td>{escape(names.get(each.job_id, each.job_id) if each.job_id else '')}</td>"
        f"<td>{amount(each.available, unit) if each.available else ''}</td>"
        f"<td>{amount(each.held, unit) if each.held else ''}</td>"
        f"<td>{amount(each.available_after, unit)}</td>"
        "</tr>"
        for each in movements(statement)
    ]
