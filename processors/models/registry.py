"""Networks, loaded once per process when they are first asked for."""

import threading
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from processors.failures import ModelUnavailable
from processors.models.colouriser import Colouriser
from processors.models.cunet import CUNet
from processors.models.entries import Architecture, NcnnModel, NetworkEntry, SuppliedFile
from processors.models.face_restorer import FaceFinder, FaceRestorer
from processors.models.files import FileMissing, ModelStatus, read_verified, statuses
from processors.models.learned_fill import LearnedInpainter
from processors.models.manifest import NETWORKS
from processors.models.ncnn_weights import load_ncnn
from processors.models.own_process import claim_networks
from processors.models.rrdbnet import RRDBNet
from processors.models.srvgg import SRVGGNetCompact
from processors.models.supplied import SUPPLIED, Kind, SuppliedEntry
from processors.models.supplied_network import SuppliedNetwork, opened
from processors.models.torch_archive import load_archive
from processors.models.upconv import Upconv7
from schemas.operations import OperationName


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network in fp32 on the CPU, ready for inference, with what is known of it."""

    entry: NetworkEntry
    module: nn.Module


class Registry:
    """The networks of a manifest by name. Safe to share between threads.

    `models_dir` holds the files that the operator supplies; `supplied` are the models that are
    no networks of a known architecture, but files to be run as they are.
    """

    def __init__(
        self,
        entries: tuple[NetworkEntry, ...] = NETWORKS,
        models_dir: Path | None = None,
        supplied: tuple[SuppliedEntry, ...] = SUPPLIED,
    ) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._supplied = supplied
        self._models_dir = models_dir
        self._loaded: dict[str, LoadedNetwork] = {}
        self._opened: dict[str, SuppliedNetwork] = {}
        self._finder: FaceFinder | None = None
        self._lock = threading.Lock()

    def get(self, name: str) -> LoadedNetwork:
        """Return the network of that name, loading it on the first call.

        Raises `ModelUnavailable` when the name is unknown, or when its weights are missing,
        not those of the manifest (sha256), or do not fit the architecture, and
        `processors.models.own_process.ForkedAway` as everything here that loads.
        """
        # Before the lock: another thread of the parent may have held it.
        claim_networks()
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def inpainter(self) -> LearnedInpainter:
        """Return the first network for holes that is supplied, loading it on the first call.

        Raises `ModelUnavailable`: of a file that is there, when it is not the manifest's or
        cannot be run; and when none is there, naming every file that would do.
        """
        return LearnedInpainter(*self._supplied_for(OperationName.INPAINT))

    def colouriser(self) -> Colouriser:
        """Return the first network that colours and is supplied, as `inpainter` does."""
        return Colouriser(*self._supplied_for(OperationName.COLOURISE))

    def face_restorer(self) -> FaceRestorer:
        """Return the first network for faces that is supplied, with the one that finds them.

        Raises `ModelUnavailable` when either is missing or altered, or cannot be run.
        """
        entry, network = self._supplied_for(OperationName.FACES, Kind.GFPGAN, Kind.GFPGAN_ARCHIVE)
        with self._lock:
            if self._finder is None:
                finder = next((each for each in self._supplied if each.kind is Kind.YUNET), None)
                if finder is None:
                    raise ModelUnavailable("no model that finds faces is known")
                self._finder = FaceFinder(
                    read_verified(finder, finder.source.weights, self._models_dir)
                )
            return FaceRestorer(entry, network, self._finder)

    def _supplied_for(
        self, operation: OperationName, *kinds: Kind
    ) -> tuple[SuppliedEntry, SuppliedNetwork]:
        claim_networks()
        missing: list[FileMissing] = []
        with self._lock:
            for entry in self._supplied:
                if operation not in entry.operations or (kinds and entry.kind not in kinds):
                    continue
                try:
                    if entry.name not in self._opened:
                        content = read_verified(entry, entry.source.weights, self._models_dir)
                        self._opened[entry.name] = opened(entry, content)
                    return entry, self._opened[entry.name]
                except FileMissing as error:
                    missing.append(error)
        if not missing:
            raise FileMissing(f"no model for {operation} is known")
        # One folder holds them all, so one way to mend it is every one's.
        raise FileMissing("; or ".join(each.found for each in missing), missing[0].mend)

    def statuses(self) -> list[ModelStatus]:
        """Look at the files of every network and supplied model without loading any."""
        return statuses((*self._entries.values(), *self._supplied), self._models_dir)

    def check(self) -> None:
        """Verify the weights that come with an installed distribution, without loading any.

        Raises `ModelUnavailable` for the first that is missing or altered.
        """
        for status in self.statuses():
            if status.state != "ready" and isinstance(status.entry.source, NcnnModel):
                raise ModelUnavailable(status.detail)

    def _load(self, name: str) -> LoadedNetwork:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelUnavailable(
                f"there is no network {name!r}; known are {', '.join(self._entries)}"
            )
        module = built(entry)
        weights = read_verified(entry, entry.source.weights, self._models_dir)
        match entry.source:
            case NcnnModel(param=param):
                layers = read_verified(entry, param, self._models_dir)
                load_ncnn(module, layers.decode("ascii", "replace"), weights)
            case SuppliedFile():
                load_archive(module, weights)
        return LoadedNetwork(entry, module.eval().requires_grad_(requires_grad=False))


def built(entry: NetworkEntry) -> nn.Module:
    """Return the network of that architecture with weights that mean nothing yet."""
    match entry.architecture:
        case Architecture.RRDB_23:
            return RRDBNet(blocks=23)
        case Architecture.RRDB_6:
            return RRDBNet(blocks=6)
        case Architecture.SRVGG_16:
            return SRVGGNetCompact(convolutions=16, scale=entry.scale)
        case Architecture.SRVGG_32:
            return SRVGGNetCompact(convolutions=32, scale=entry.scale)
        case Architecture.UPCONV_7:
            return Upconv7()
        case Architecture.CUNET:
            return CUNet(entry.scale)
