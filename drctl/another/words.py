"""Which words of the shipped policies are one platform's own, and what stands in their place for another.

The words are read from the shipped policies themselves, so a new name, bucket or secret that is made of them carries
over by itself. All are replaced in one pass: a platform may have the shipped one's regions, the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.policy import Policy
from drctl.another import regions
from drctl.another.asked import Asked


class Words:
    """`words(text)` is the text with every word of the old platform replaced."""

    def __init__(self, old: Policy, new: Asked) -> None:
        platform = old.platform
        azure = regions.azure(new.primary)
        pairs = {
            platform.traffic.zone: new.domain,
            platform.account: new.account,
            platform.display_name: new.display_name,
            platform.name: new.name,
            _camel(platform.name): _camel(new.name),
        }
        old_regions = (platform.regions.primary, platform.regions.standby, platform.regions.witness)
        for region, theirs in zip(old_regions, (new.primary, new.standby, new.witness), strict=True):
            pairs |= {region: theirs, regions.short(region): regions.short(theirs)}
        if tertiary := platform.regions.tertiary:
            pairs |= {tertiary.region: azure.name, tertiary.display: azure.display}
            if platform.clusters.tertiary:
                short = platform.clusters.tertiary.name.rpartition("-")[2]
                # A container registry's name in Azure has letters and digits only.
                plain = platform.name.replace("-", "") + short, new.name.replace("-", "") + azure.short
                pairs |= {short: azure.short, plain[0]: plain[1]}
        self._pairs: Mapping[str, str] = pairs
        self._any = re.compile("|".join(_whole(word) for word in sorted(pairs, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        return self._any.sub(lambda found: self._pairs[found[0]], text)


def _camel(name: str) -> str:
    """`big-shop` → `BigShop`, as CloudWatch namespaces are written."""
    return "".join(part.capitalize() for part in name.split("-"))


def _whole(word: str) -> str:
    """The word, and not a part of a longer one: `us-east-1` in `us-east-1a` and `Acme` in `AcmeDR` are whole."""
    after = (
        "(?![a-z])" if word[:1].isupper() else "(?![0-9])" if re.fullmatch(regions.SHAPE, word) else "(?![A-Za-z0-9])"
    )
    return f"(?<![A-Za-z0-9]){re.escape(word)}{after}"
