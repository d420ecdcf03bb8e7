"""What a person says of a new platform, judged before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drctl.another import regions

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST: Final = 40
"""`<name>-backups-<region>` is a bucket, and a bucket's name has at most 63 characters; a function's has 64.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""
DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
NO_ACCOUNT: Final = "000000000000"
"""No account of AWS: what stands there until a person names theirs."""


class PlatformRefusedError(Exception):
    """A platform that cannot be; the text has a line for each thing that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Everything that one platform's policies are made with. `chosen` are the fields that nobody named."""

    name: str
    display_name: str
    account: str
    domain: str
    primary: str
    standby: str
    witness: str
    chosen: frozenset[str]

    @staticmethod
    def read(
        name: str,
        *,
        primary: str,
        standby: str,
        witness: str | None = None,
        account: str | None = None,
        domain: str | None = None,
        display_name: str | None = None,
    ) -> Asked:
        """PlatformRefusedError lists everything that is wrong: what, what is allowed, what was found."""
        wrong = [*_words(name, account, domain, display_name), *_regions(primary, standby, witness)]
        if wrong:
            raise PlatformRefusedError("\n".join(wrong))
        named = {"witness": witness, "account": account, "domain": domain, "display_name": display_name}
        return Asked(
            name=name,
            display_name=display_name or name.upper(),
            account=account or NO_ACCOUNT,
            # RFC 2606 keeps this top-level domain for examples: nobody's mail or traffic goes there.
            domain=domain or f"{name}.example",
            primary=primary,
            standby=standby,
            witness=witness or regions.witness(primary, standby),
            chosen=frozenset(k for k, v in named.items() if v is None),
        )


def _words(name: str, account: str | None, domain: str | None, display_name: str | None) -> list[str]:
    wrong = []
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        wrong.append(
            f"NAME is {name!r}; allowed: lower case, digits and single hyphens, starting with a letter, "
            f"at most {LONGEST} characters, for buckets and databases are named after it"
        )
    if account is not None and not re.fullmatch(r"\d{12}", account):
        wrong.append(f"--account is {account!r}; allowed: an AWS account, twelve digits")
    if domain is not None and not DOMAIN.fullmatch(domain):
        wrong.append(f"--domain is {domain!r}; allowed: a domain in lower case, like 'acme.example'")
    if display_name is not None and not display_name.strip():
        wrong.append("--display-name is empty; allowed: what the public calls the platform")
    return wrong


def _regions(primary: str, standby: str, witness: str | None) -> list[str]:
    wrong = []
    seen: dict[str, str] = {}
    for option, region in (("--primary", primary), ("--standby", standby), ("--witness", witness)):
        if region is None:
            continue
        try:
            regions.check(option, region)
        except regions.RegionUnknownError as error:
            wrong.append(str(error))
            continue
        if region in seen:
            wrong.append(
                f"{option} is {region!r}, which {seen[region]} is too; allowed: a region of its own, "
                f"for when one fails both would be gone"
            )
        seen.setdefault(region, option)
    return wrong
