"""What can be asked for, and what can go wrong."""

from fastapi import APIRouter, Response

from api.access import Caller
from api.documented import CALLED, problems
from api.headers import Language
from domain.catalogue import store as catalogue
from domain.catalogue.model import Catalogue, Preset
from schemas.api import ErrorEntry, ErrorList, PresetList, PresetPrice, PresetView
from schemas.errors import ErrorCode, http_status, type_uri
from schemas.operations import OperationName, takes_mask_file
from schemas.problems import wording

router = APIRouter(prefix="/v1", tags=["reference"])


@router.get("/errors", responses=problems(ErrorCode.INTERNAL_ERROR))
async def list_errors(response: Response, locale: Language) -> ErrorList:
    """List every code of a problem: what it means and what to do. Needs no key."""
    response.headers["Content-Language"] = locale.tag
    response.headers["Vary"] = "Accept-Language"
    entries = []
    for code in ErrorCode:
        words = wording(code, locale)
        entries.append(
            ErrorEntry(
                code=code,
                type=type_uri(code),
                status=http_status(code),
                title=words.title,
                remedy=words.remedy,
            )
        )
    return ErrorList(errors=tuple(entries))


@router.get("/presets", responses=problems(*CALLED))
def list_presets(caller: Caller) -> PresetList:
    """List what the account can ask for by name, with today's prices and limits."""
    with caller.session() as session:
        account = session.account
        offered = catalogue.load(session.conn, [account.id], caller.services.clock.now())
    # An account's own preset stands before the built-in one of the same name.
    names = sorted({name for _, name in offered.presets})
    found = [offered.preset(account.id, name) for name in names]
    return PresetList(
        presets=tuple(_view(preset, offered, account.unit) for preset in found if preset)
    )


def _view(preset: Preset, offered: Catalogue, unit: str) -> PresetView:
    operation = offered.operations[OperationName(preset.parameters.operation)]
    price = offered.prices.get((operation.name, unit))
    return PresetView(
        name=preset.name,
        operation=operation.name,
        parameters=preset.parameters,
        takes_mask=takes_mask_file(preset.parameters),
        price=(
            PresetPrice(amount=price.amount, unit=unit, per=operation.pricing.value)
            if price
            else None
        ),
        max_bytes=operation.max_bytes,
        max_pixels=operation.max_pixels,
        max_side=operation.max_side,
    )
