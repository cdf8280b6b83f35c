"""Which files are to be restored, and where their results go."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.operations import WRITTEN, ImageFormat

MASK_SUFFIX: Final = ".mask.png"
"""What follows a picture's whole name in the name of its mask, as in the object store."""

_HIDDEN: Final = "."
_SUFFIXES: Final = frozenset(f".{form.value}" for form in ImageFormat) | {
    ".jpg",
    ".jpe",
    ".jfif",
    ".tif",
    ".heif",
}

_RESULTS: Final = frozenset(f".{form.extension}" for form in WRITTEN)
_APART: Final = "name another folder with -o, or give --suffix, such as _x4"


class SameResultError(ValueError):
    """Two inputs would have one result."""


class ResultsAmongInputsError(ValueError):
    """A result would lie where inputs are looked for, and be taken for one the next time."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to restore: `name` is the result's path below the output folder, without its end."""

    path: Path
    name: Path
    mask: Path | None = None

    def target(self, folder: Path, form: ImageFormat) -> Path:
        """Return where its result in that format goes."""
        return folder / self.name.with_name(f"{self.name.name}.{form.extension}")


def find_items(
    inputs: Sequence[Path], folder: Path, *, mask: Path | None, masked: bool, suffix: str = ""
) -> list[Item]:
    """Return what `inputs`, files and folders, ask for, each file once, in order.

    Below a folder that is every file with the end of a picture; hidden ones and those in the output
    folder are left out. `masked` operations take `mask` for all, or the file beside each that is
    named as it is, with `.mask.png` behind; a mask is no picture, unless it is named as one. Where
    two files of a folder differ in their end alone, the results keep it: `a.jpg.png`, `a.tif.png`.
    `suffix` ends each result's name before the dot; what a folder holds that ends so is a result,
    and left out. Raises `OSError` when an input cannot be read, `SameResultError` when two folders
    hold files of the same name, and `ResultsAmongInputsError` when a result would lie where inputs
    are looked for and no suffix tells it from them.
    """
    found = dict[Path, tuple[Path, Path]]()
    marks = mask.resolve() if masked and mask is not None else None
    for path, name in _found(inputs, folder, masked=masked):
        if path not in inputs and (path.resolve() == marks or _ends(path, suffix)):
            continue
        found.setdefault(path.resolve(), (path, name))
    # By the only names that they have: links may lead from the output folder to an input.
    parents = {name.parent for _, name in found.values()}
    places = {parent: (folder / parent).resolve() for parent in parents}
    if not suffix:
        _must_lie_apart(inputs, found.values(), folder, places)
    _leave_out_results(found, places, suffix)
    _must_differ(found.values())
    # Whole names count, too: beside `a.jpg` and `a.tif`, an `a.jpg.png` must keep its end.
    taken = Counter(each for _, name in found.values() for each in (name, name.with_suffix("")))
    return [
        Item(
            path,
            _ended(name if taken[name.with_suffix("")] > 1 else name.with_suffix(""), suffix),
            (mask or _beside(path)) if masked else None,
        )
        for path, name in found.values()
    ]


def _ends(path: Path, suffix: str) -> bool:
    return bool(suffix) and path.stem.endswith(suffix)


def _ended(name: Path, suffix: str) -> Path:
    return name.with_name(name.name + suffix)


def _found(inputs: Iterable[Path], folder: Path, *, masked: bool) -> Iterator[tuple[Path, Path]]:
    """Yield each file and its path below the input that it was found in."""
    output = folder.resolve()
    for given in inputs:
        if not given.is_dir():
            # Reading it says why, when there is none.
            given.stat()
            yield given, Path(given.name)
            continue
        for path in _below(given, output):
            if path.suffix.lower() in _SUFFIXES and not (masked and _is_mask(path)):
                yield path, path.relative_to(given)


def _below(top: Path, output: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(top, onerror=_raise):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(_HIDDEN) and Path(parent, name).resolve() != output
        )
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(_HIDDEN) and path.is_file():
                yield path


def _leave_out_results(
    found: dict[Path, tuple[Path, Path]], places: Mapping[Path, Path], suffix: str
) -> None:
    """Leave out what is named as the result of another is, if a suffix tells that it is one."""
    sources = dict[Path, Path]()
    for path, name in found.values():
        for stem in (name.stem, name.name):
            sources.setdefault(places[name.parent] / (stem + suffix), path)
    for resolved, (path, _) in list(found.items()):
        source = sources.get(resolved.with_suffix(""), path)
        if source == path or resolved.suffix not in _RESULTS:
            continue
        if not suffix:
            raise ResultsAmongInputsError(
                f"{path} lies where a result of {source} goes, and may be one; {_APART}"
            )
        del found[resolved]


def _must_lie_apart(
    inputs: Iterable[Path],
    found: Iterable[tuple[Path, Path]],
    folder: Path,
    places: Mapping[Path, Path],
) -> None:
    output = folder.resolve()
    tops = {given: given.resolve() for given in inputs if given.is_dir()}
    for path, name in found:
        place = places[name.parent]
        for given, top in tops.items():
            left_out = output != top and output.is_relative_to(top) and place.is_relative_to(output)
            if place.is_relative_to(top) and not left_out:
                raise ResultsAmongInputsError(
                    f"the result of {path} would lie among the pictures in {given}, and be taken "
                    f"for a picture the next time; {_APART}"
                )


def _must_differ(found: Iterable[tuple[Path, Path]]) -> None:
    first = dict[Path, Path]()
    for path, name in found:
        other = first.setdefault(name, path)
        if other != path:
            raise SameResultError(
                f"{other} and {path} would have the same result; restore them into two folders"
            )


def _is_mask(path: Path) -> bool:
    return (
        path.name.endswith(MASK_SUFFIX)
        and path.with_name(path.name.removesuffix(MASK_SUFFIX)).is_file()
    )


def _beside(path: Path) -> Path | None:
    mask = path.with_name(path.name + MASK_SUFFIX)
    return mask if mask.is_file() else None


def _raise(error: OSError) -> None:
    raise error
