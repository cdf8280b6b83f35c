"""Rules against misuse: one file each, pure functions of facts and parameters."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from domain.admission.rules import (
    account_farm,
    broken_files,
    burst,
    forbidden_content,
    hammering,
    key_guessing,
    repeated_pictures,
    scraping,
    stray_key,
)
from domain.admission.rules.rule import Rule

# Each rule's parameters are of its own type; who reads them from the database goes by
# `Rule.parameters`.
_ALL: Final[tuple[Rule[Any], ...]] = (
    burst.RULE,
    repeated_pictures.RULE,
    broken_files.RULE,
    stray_key.RULE,
    account_farm.RULE,
    scraping.RULE,
    hammering.RULE,
    key_guessing.RULE,
    forbidden_content.RULE,
)
RULES: Final[Mapping[str, Rule[Any]]] = MappingProxyType({rule.name: rule for rule in _ALL})
"""Every rule, by name."""
