"""What GuardDuty has found, and what of the platform it is about: looks only, and proposes what to contain.

Asked anew and not read from the event that opened the incident: more may have been found since. Policy's rows
(`findings` in signals.yaml) say which findings count. What nobody found is no proof that nothing is there: a person may
choose more than is proposed, and less. The moment to go back to lies before the earliest sign of all, GuardDuty's or
the incident's own: a burst of writes is often seen first. Sources:
https://docs.aws.amazon.com/guardduty/latest/APIReference/API_ListFindings.html (criteria; times in milliseconds),
…/API_GetFindings.html (at most 50 ids), …/API_Resource.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.first_sign import Sign, before, first_sign
from chalicelib.core.bounds import NONE, namespaces, spelled
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
AT_MOST: Final = 50
TOLD: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One finding: what GuardDuty calls it, since when, and what it is about in the primary's network and cluster."""

    type: str
    severity: float
    region: str
    first_seen: datetime
    instances: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Findings newest first, whether there are `more` of them, and the regions where GuardDuty is not on."""

    suspects: tuple[Suspect, ...]
    more: bool = False
    unwatched: tuple[str, ...] = ()


class BreachFound:
    """`with: {margin: 15m}`. Its facts propose: `proposed.instances`, `proposed.namespaces`, `proposed.subnets`,
    `proposed.as_of`.
    """

    name: ClassVar[str] = "breach-found"
    # The service knows no resource for these: the reference lists none.
    reads: ClassVar[tuple[Op, ...]] = tuple(
        AwsOp(service="guardduty", operation=operation, resources=("*",), where="primary")
        for operation in ("list_detectors", "list_findings", "get_findings")
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Found | Refused | NoData:
        suspects: list[Suspect] = []
        unwatched, more = [], False
        for region in dict.fromkeys(r for row in policy.signals.findings for r in row.regions):
            detectors = reader.aws("guardduty", region, "list_detectors")
            if not isinstance(detectors, Mapping):
                return detectors
            if not detectors["DetectorIds"]:
                unwatched.append(region)
            for detector in detectors["DetectorIds"]:
                found = _asked(target, policy, reader, region, str(detector))
                if isinstance(found, Refused | NoData):
                    return found
                rows, cut = found
                suspects, more = [*suspects, *rows], more or cut
        suspects.sort(key=lambda s: s.first_seen)
        return Found(tuple(suspects), more, tuple(unwatched))

    def next(self, target: Target, policy: Policy, facts: Found | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        off = f"; it is not on in {', '.join(facts.unwatched)}" if facts.unwatched else ""
        sign = first_sign(target)
        if facts.suspects and facts.suspects[0].first_seen <= sign.at:
            first = facts.suspects[0].first_seen
            sign = Sign(first, f"GuardDuty's first finding of {spelled(first)}")
        moment, rests = before(sign, target, policy)
        as_of = f"proposed is {spelled(moment)}, {rests}"
        if not facts.suspects:
            return Done(
                because=f"GuardDuty tells of nothing that policy counts{off}: a person says what to contain; {as_of}",
                facts={"proposed.as_of": spelled(moment)},
            )
        told = "; ".join(_sentence(s) for s in facts.suspects[:TOLD])
        rest = len(facts.suspects) - TOLD
        told += f"; and {rest} more" if rest > 0 else ""
        told += f"; only the newest {AT_MOST} were read" if facts.more else ""
        return Done(
            because=f"GuardDuty has {len(facts.suspects)}: {told}{off}; {as_of}",
            facts={
                "findings": float(len(facts.suspects)),
                "proposed.instances": _joined(i for s in facts.suspects for i in s.instances),
                "proposed.namespaces": _known(policy, facts.suspects),
                # A subnet cuts everybody off who stands in it: nobody proposes that but a person.
                "proposed.subnets": NONE,
                "proposed.as_of": spelled(moment),
                "buckets": _joined(b for s in facts.suspects for b in s.buckets),
            },
        )


def _asked(
    target: Target, policy: Policy, reader: Reader, region: str, detector: str
) -> tuple[list[Suspect], bool] | Refused | NoData:
    rows = [row for row in policy.signals.findings if region in row.regions]
    since = target.at - max(row.counts_for for row in rows)
    criteria = {
        "service.archived": {"Equals": ["false"]},
        "severity": {"GreaterThanOrEqual": int(min(row.severity for row in rows))},
        "updatedAt": {"GreaterThanOrEqual": int(since.timestamp() * 1000)},
    }
    listed = reader.aws(
        "guardduty",
        region,
        "list_findings",
        DetectorId=detector,
        FindingCriteria={"Criterion": criteria},
        SortCriteria={"AttributeName": "updatedAt", "OrderBy": "DESC"},
        MaxResults=AT_MOST,
    )
    if not isinstance(listed, Mapping):
        return listed
    if not listed["FindingIds"]:
        return [], False
    got = reader.aws("guardduty", region, "get_findings", DetectorId=detector, FindingIds=list(listed["FindingIds"]))
    if not isinstance(got, Mapping):
        return got
    found = [f for f in got["Findings"] if any(r.fits(f["Region"], f["Type"], float(f["Severity"])) for r in rows)]
    return [_suspect(f, policy) for f in found], bool(listed.get("NextToken"))


def _suspect(finding: Mapping[str, Any], policy: Policy) -> Suspect:
    resource: Mapping[str, Any] = finding.get("Resource") or {}
    service: Mapping[str, Any] = finding.get("Service") or {}
    here = finding["Region"] == policy.platform.regions.primary
    instance = (resource.get("InstanceDetails") or {}).get("InstanceId")
    workload = (resource.get("KubernetesDetails") or {}).get("KubernetesWorkloadDetails") or {}
    cluster = (resource.get("EksClusterDetails") or {}).get("Name")
    ours = cluster == policy.platform.clusters.primary.name and workload.get("Namespace")
    return Suspect(
        type=str(finding["Type"]),
        severity=float(finding["Severity"]),
        region=str(finding["Region"]),
        first_seen=datetime.fromisoformat(str(service.get("EventFirstSeen") or finding["CreatedAt"])),
        instances=(str(instance),) if instance and here else (),
        namespaces=(str(workload["Namespace"]),) if ours else (),
        buckets=tuple(str(b["Name"]) for b in resource.get("S3BucketDetails") or () if b.get("Name")),
    )


def _sentence(found: Suspect) -> str:
    about = ", ".join((*found.instances, *(f"namespace {n}" for n in found.namespaces), *found.buckets))
    where = f" at {about}" if about else ""
    return f"{found.type} ({found.severity:g} of 10){where} in {found.region} since {spelled(found.first_seen)}"


def _joined(names: Iterator[str]) -> str:
    return ",".join(sorted(set(names))) or NONE


def _known(policy: Policy, suspects: Sequence[Suspect]) -> str:
    """In policy's order, as a choice is kept; what is not policy's own cannot be chosen."""
    found = {n for s in suspects for n in s.namespaces}
    return ",".join(n for n in namespaces(policy) if n in found) or NONE
