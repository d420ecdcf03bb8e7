"""What the night needs, looked at before anything is asked or done: what is there, what is missing, what is not known.

A sentence each, for whoever stands before the screen at three in the morning, and the same beforehand, by day, for
whoever wants to know that it would work. It only looks: a look that brought nothing is `unknown` and never `there`.
What only AWS knows stays unknown, however well everything here answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from chalicelib.actions.contract import CloudflareOp, KubeOp, Op, Reader
from chalicelib.clients.kubernetes import Clusters, whoami
from chalicelib.core.authority import proven_as
from chalicelib.core.elsewhere import read_marker
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from chalicelib.policy.outage import Outage
from chalicelib.policy.platform import Cluster
from drctl.offline.book import Copy, NoCopy, said_of
from drctl.offline.hearing import principal
from drctl.offline.secrets import Secrets

BACKUPS: Final = "velero.io/v1 backups"
READS: Final[tuple[Op, ...]] = (
    KubeOp(verb="list", group="velero.io", resource="backups", where="tertiary"),
    CloudflareOp(verb="get"),
    CloudflareOp(verb="list"),
)
State = Literal["missing", "there", "silent", "unknown"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing. `missing` keeps the night from going on until somebody mends it; `silent` is a channel by which nobody
    is told; `unknown` is told and lived with.
    """

    what: str
    state: State
    because: str


def seen(
    policy: Policy,
    outage: Outage,
    row: Cluster,
    *,
    reader: Reader,
    clusters: Clusters,
    secrets: Secrets,
    incidents: Sequence[str],
    now: datetime,
) -> tuple[Seen, ...]:
    """All that can be looked at from here. `incidents` are those open in this machine's own book."""
    return (
        who(policy, row, clusters),
        *kept_secrets(policy, outage, secrets),
        record(policy, outage, reader),
        marker(outage, reader, incidents),
        copies(policy, row, reader, now),
    )


def book(copy: Copy | NoCopy, policy: Policy, now: datetime) -> Seen:
    """The copy that the book begins with, how old it is, and what may have changed since."""
    if isinstance(copy, NoCopy):
        return Seen("the book's copy", "missing", copy.because)
    return Seen("the book's copy", "there", "; ".join(said_of(copy, policy, now)))


def who(policy: Policy, row: Cluster, clusters: Clusters) -> Seen:
    """Whose kubeconfig this is, by the cluster's own word."""
    what = f"the cluster {row.name}"
    known = whoami(clusters, row.name)
    if isinstance(known, Refused | NoData):
        return Seen(what, "missing", f"{known.because}; nothing is restored and nobody is proven without it")
    person = proven_as(principal(row.name, known), policy)
    if isinstance(person, str):
        return Seen(what, "missing", f"it answers, and knows you as {known!r}: {person}")
    return Seen(what, "there", f"it answers, and knows you as {known!r}: {person.name}")


def kept_secrets(policy: Policy, outage: Outage, secrets: Secrets) -> tuple[Seen, ...]:
    """What the operator's file holds of what policy names: without the first two nothing goes on, without a channel's
    that channel is silent.
    """
    wanted = {
        outage.cloudflare.token_secret: ("the Cloudflare token", ("token",)),
        outage.database.credentials_secret: ("the database's user", ("username", "password")),
    }
    found = [_kept(secrets, name, what, fields, "missing") for name, (what, fields) in wanted.items()]
    there = []
    for channel in policy.notifications.channels:
        match channel:
            case PagerDutyChannel(secret=name):
                found.append(_kept(secrets, name, f"the key of {channel.name}", ("routing_key",), "silent"))
            case SlackChannel(secret=name):
                found.append(_kept(secrets, name, f"the token of {channel.name}", ("bot_token",), "silent"))
            case _:
                there.append(channel.name)
    if there:
        because = f"{', '.join(there)} stand in AWS: nobody is told by them, and that is recorded"
        found.append(Seen("mail and the status page", "silent", because))
    return tuple(found)


def _kept(secrets: Secrets, name: str, what: str, fields: Sequence[str], otherwise: State) -> Seen:
    for field in fields:
        held = secrets.field(name, field)
        if isinstance(held, NoData):
            return Seen(what, otherwise, held.because)
    return Seen(what, "there", f"{name!r} lies in the operator's file")


def record(policy: Policy, outage: Outage, reader: Reader) -> Seen:
    """Where the record at Cloudflare leads now, and so that the token may read it."""
    name, row = policy.platform.traffic.record, outage.cloudflare
    held = reader.cloudflare(row.zone, row.record)
    match held:
        case NoData(because=because) | Refused(because=because):
            return Seen("the record at Cloudflare", "missing", f"{because}; people cannot be led away without it")
        case found if found.get("name") != name or found.get("type") != "CNAME":
            because = f"{row.record} is the {found.get('type')} {found.get('name')!r}, policy means the CNAME {name!r}"
            return Seen("the record at Cloudflare", "missing", because)
        case found:
            because = f"{name} leads to {found.get('content')}"
            if row.by_day and found.get("content") not in (row.by_day.record, row.target):
                because += f", by day expected {row.by_day.record}: Cloudflare's answers stay when a region fails over"
            return Seen("the record at Cloudflare", "there", because)


def marker(outage: Outage, reader: Reader, incidents: Sequence[str]) -> Seen:
    """Whether an engine on another machine acts already. Nothing else tells: two machines' files know nothing of each
    other.
    """
    what, row = "another operator's engine", outage.cloudflare
    found = reader.cloudflare_named(row.zone, "TXT", row.marker)
    if isinstance(found, NoData | Refused):
        return Seen(what, "unknown", f"whether one acts already is not known: {found.because}; ask each other")
    left = [mark for r in found if (mark := read_marker(str(r.get("content", ""))))]
    others = [mark for mark in left if mark.incident not in incidents]
    if others:
        because = f"{others[0].by} acts for {others[0].incident} since {others[0].at}, by {row.marker}"
        return Seen(what, "missing", f"{because}: go on at that machine, or take the record away if it is dead")
    none = "none has left its marker yet: one that has only begun is not seen, so say in the room who runs it"
    return Seen(what, "there", f"this one acts, by {row.marker}" if left else none)


def copies(policy: Policy, row: Cluster, reader: Reader, now: datetime) -> Seen:
    """How old the newest good backup on the air-gapped copies is, by the Velero there."""
    what = f"the air-gapped copies ({row.backup_location})"
    found = reader.kube(row.name, BACKUPS, namespace=row.velero_namespace)
    if isinstance(found, NoData | Refused):
        return Seen(what, "unknown", f"how old they are is not known: {found.because}")
    listed = found if isinstance(found, Sequence) else ()
    done = {at: b for b in listed if _good(b, row) and (at := b["status"].get("completionTimestamp"))}
    if not done:
        return Seen(what, "missing", f"the Velero there knows no Completed backup of them, of {len(listed)} in all")
    newest = max(done, key=datetime.fromisoformat)
    age = policy.real(now - datetime.fromisoformat(newest))
    name = done[newest]["metadata"]["name"]
    return Seen(what, "there", f"the newest good one is {name}, {age} old; the database's dumps are others, see below")


def _good(backup: Mapping[str, Any], row: Cluster) -> bool:
    status: Mapping[str, Any] = backup.get("status") or {}
    return backup["spec"].get("storageLocation") == row.backup_location and status.get("phase") == "Completed"


def never_known(policy: Policy, serving: str, wrote_at: datetime | None, now: datetime) -> tuple[Seen, ...]:
    """What no look from here brings. `serving` is where the traffic went by the copy, `wrote_at` the primary's last
    heartbeat in it.
    """
    primary, replica = policy.platform.database.primary, policy.platform.database.replica
    holds = primary if serving == primary.region else replica
    last = (
        f"its last heartbeat in the copy is of {wrote_at:%Y-%m-%d %H:%M:%S} UTC, {policy.real(now - wrote_at)} ago"
        if wrote_at
        else "the copy holds no heartbeat of it"
    )
    return (
        Seen(
            "who may still be writing",
            "unknown",
            f"{holds.instance!r} in {holds.region} may take writes as ever: nothing of AWS is fenced from here; {last}",
        ),
        Seen(
            "what AWS's side has done since", "unknown", "it may have promoted, moved the traffic or opened incidents"
        ),
        Seen(
            "how much data is lost",
            "unknown",
            "from the newest dump on: the step find-dump says which moment that holds, and the seconds since",
        ),
    )
