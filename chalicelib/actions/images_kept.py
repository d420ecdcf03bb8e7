"""Takes the lifecycle policies of ECR's repositories away, so that no image expires, and puts them back.

ECR knows no pause: a repository has a policy or has none, and without one nothing expires. So its text is noted before
it is deleted, and exactly that text is put back, unless there is one again by then. An image that is pulled during a
rebuild, or is evidence of what an intruder pushed, is otherwise gone within a day of its policy's choosing it. A
policy belongs to the repository of one region and is replicated nowhere, so each region is asked. Sources:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/lp_creation.html (images expire within 24 hours; a policy acts in
its own region only, whatever is replicated),
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetLifecyclePolicy.html
(LifecyclePolicyNotFoundException, RepositoryNotFoundException), API_DeleteLifecyclePolicy.html,
API_PutLifecyclePolicy.html (a text of 100 to 30,720 characters).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import containment_of, silent
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck
from chalicelib.policy import Policy

EXPIRES: Final = "expires."
"""The fact of a repository's policy as it was, as text: `expires.us-east-1/shop/api`."""
NO_POLICY: Final = "LifecyclePolicyNotFoundException"
NO_REPOSITORY: Final = "RepositoryNotFoundException"
AT_MOST: Final = 24_000
"""Characters of all that is noted: it stands in the desk's book, which has 200 KB for every open incident."""
_READS: Final = (
    AwsOp(service="ecr", operation="get_lifecycle_policy", resources=("{primary_repositories}",), where="primary"),
    AwsOp(service="ecr", operation="get_lifecycle_policy", resources=("{standby_repositories}",)),
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """A repository's lifecycle policy in one region, '' where it has none; or why nobody said. `missing` is a
    repository that is not there.
    """

    repository: str
    region: str
    text: str = ""
    missing: bool = False
    unseen: Refused | NoData | None = None

    @property
    def name(self) -> str:
        return f"{self.region}/{self.repository}"


class ImagesKept:
    """One repository a call. One that does not answer keeps no other from being kept."""

    name: ClassVar[str] = "images-kept"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="ecr", operation="delete_lifecycle_policy", resources=("{primary_repositories}",), where="primary"
        ),
        AwsOp(service="ecr", operation="delete_lifecycle_policy", resources=("{standby_repositories}",)),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Expiry, ...]:
        return tuple(_looked(name, region, reader) for name, region in repositories(policy))

    def next(self, target: Target, policy: Policy, facts: tuple[Expiry, ...], now: datetime) -> Next:
        if not facts:
            return Done(because="policy names no repository whose images are kept")
        noted = {n: str(v) for n, v in target.facts.items() if n.startswith(EXPIRES)}
        for found in facts:
            if not found.text:
                continue
            key = f"{EXPIRES}{found.name}"
            # What stood there first is what is put back: whoever puts another one meanwhile may be the intruder.
            before = {key: found.text} | noted
            if sum(len(text) for text in before.values()) > AT_MOST:
                said = f"the lifecycle policy of {found.name} has {len(found.text)} characters"
                return Stuck(
                    because=f"{said}, and with the others more than the {AT_MOST} that are noted here: "
                    "keep its text, and delete it by hand"
                )
            return Act(
                because=f"images of {found.name} expire by its lifecycle policy",
                call=_delete(found),
                facts={**target.facts, **before},
            )
        if waits := _unseen(facts):
            return waits
        missing = ", ".join(found.name for found in facts if found.missing)
        also = f"; not there: {missing}" if missing else ""
        return Done(because=f"no image expires: {len(facts)} repositories have no lifecycle policy{also}")


class ImagesExpire:
    """Puts the text back that the other step has noted; a repository that has a policy again keeps it."""

    name: ClassVar[str] = "images-expire"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="ecr", operation="put_lifecycle_policy", resources=("{primary_repositories}",), where="primary"),
        AwsOp(service="ecr", operation="put_lifecycle_policy", resources=("{standby_repositories}",)),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Expiry, ...]:
        rows = repositories(policy)
        return tuple(_looked(n, region, reader) for n, region in rows if f"{EXPIRES}{region}/{n}" in target.facts)

    def next(self, target: Target, policy: Policy, facts: tuple[Expiry, ...], now: datetime) -> Next:
        for found in facts:
            if not found.text and not found.missing and found.unseen is None:
                return Act(
                    because=f"{found.name} has no lifecycle policy, and had one before this incident",
                    call=_put(found, str(target.facts[f"{EXPIRES}{found.name}"])),
                    facts=target.facts,
                )
        if waits := _unseen(facts):
            return waits
        changed = [f.name for f in facts if f.text and f.text != target.facts[f"{EXPIRES}{f.name}"]]
        also = f"; of another text than before, which is left: {', '.join(changed)}" if changed else ""
        names = ", ".join(found.name for found in facts) or "none"
        return Done(because=f"images expire as before; repositories whose policy had been taken away: {names}{also}")


def repositories(policy: Policy) -> tuple[tuple[str, str], ...]:
    """(repository, region) of whatever policy's containment names, in the primary's region and then the standby's."""
    regions, names = policy.platform.regions, containment_of(policy).repositories
    return tuple((name, region) for region in (regions.primary, regions.standby) for name in names)


def _looked(name: str, region: str, reader: Reader) -> Expiry:
    found = reader.aws("ecr", region, "get_lifecycle_policy", repositoryName=name)
    match found:
        case Refused(code=code) if code == NO_POLICY:
            return Expiry(name, region)
        case Refused(code=code) if code == NO_REPOSITORY:
            return Expiry(name, region, missing=True)
        case Refused() | NoData():
            return Expiry(name, region, unseen=found)
    return Expiry(name, region, str(found["lifecyclePolicyText"]))


def _unseen(facts: Sequence[Expiry]) -> Next | None:
    """A repository that nobody heard of is none without a policy."""
    for found in facts:
        match found.unseen:
            case Refused(because=because, code=code):
                return Stuck(because=f"{found.name}: {because} ({code})")
            case NoData(because=because):
                return silent(NoData(because=f"{found.name}: {because}"))
    return None


def _delete(found: Expiry) -> Call:
    return Call(
        system="aws",
        service="ecr",
        region=found.region,
        operation="delete_lifecycle_policy",
        params={"repositoryName": found.repository},
        until=f"{found.name} has no lifecycle policy",
        reversible=True,
    )


def _put(found: Expiry, text: str) -> Call:
    return Call(
        system="aws",
        service="ecr",
        region=found.region,
        operation="put_lifecycle_policy",
        params={"repositoryName": found.repository, "lifecyclePolicyText": text},
        until=f"{found.name} has the lifecycle policy that it had",
        reversible=True,
    )
