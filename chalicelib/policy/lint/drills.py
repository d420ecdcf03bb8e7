"""Rules about drills: that each can be done, and that what it moves is nobody's."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.plan import PlanError, plan
from chalicelib.core.rehearsal import rehearsal
from chalicelib.policy import Policy
from chalicelib.policy.airgap import S3Vault
from chalicelib.policy.lint.finding import Flaw, Whole, error, one_of, repeats
from chalicelib.policy.platform import ObjectSwitch


def drill_runbook_is_known(whole: Whole) -> Iterator[Flaw]:
    """Each row rehearses a runbook that there is, once."""
    rows = whole.policy.drills.rows
    known = [r.scenario for r in whole.policy.runbooks.runbooks]
    for i, row in enumerate(rows):
        if row.runbook not in known:
            because = f"there is no runbook {row.runbook!r} to rehearse"
            yield error("drills", "rows", i, "runbook", allowed=one_of(known), found=row.runbook, because=because)
    for i, first, name in repeats(r.runbook for r in rows):
        because = f"{name!r} already is rows[{first}]; how often it is rehearsed would be said twice"
        yield error("drills", "rows", i, "runbook", allowed="a runbook without a row", found=name, because=because)


def drill_can_be_done(whole: Whole) -> Iterator[Flaw]:
    """What has no step that can be aimed at copies is a tabletop; live is only what is planned."""
    policy = whole.policy
    for i, row in enumerate(policy.drills.rows):
        path = ("drills", "rows", i, "kind")
        if policy.runbook(row.runbook) is None or not policy.has_scenario(row.runbook):
            continue
        if row.kind == "live" and not policy.scenario(row.runbook).planned:
            because = f"{row.runbook} is no planned move, so nobody does it for practice"
            yield error(*path, allowed="copies, people", found=row.kind, because=because)
        if row.kind != "copies":
            continue
        try:
            rehearsal(plan(row.runbook, policy=policy), policy)
        except KeyError:
            continue  # a row that another names is missing, and the rule about that tells it
        except PlanError as refused:
            yield error(*path, allowed="people", found=row.kind, because=str(refused))


def drill_moves_what_nobody_uses(whole: Whole) -> Iterator[Flaw]:
    """The test record and its switch are none of the platform's own, and the services left out are its services."""
    policy = whole.policy
    drills, traffic = policy.drills, policy.platform.traffic
    names = [s.name for s in policy.services.services]
    for i, row in enumerate(drills.left_out):
        if row.service not in names:
            because = f"there is no service {row.service!r} to leave out"
            yield error("drills", "left_out", i, "service", allowed=one_of(names), found=row.service, because=because)
    test = drills.test_record
    if test is None:
        return
    path = ("drills", "test_record")
    if test.record == traffic.record or not test.record.endswith(f".{traffic.zone}"):
        because = "a drill sends it elsewhere, and the zone's name servers are asked for it"
        allowed = f"a record of {traffic.zone} other than {traffic.record}"
        yield error(*path, "record", allowed=allowed, found=test.record, because=because)
    real = traffic.switch
    if real.kind == "metric":
        for field in ("alarm", "metric"):
            mine, its = getattr(test.switch, field), getattr(real, field)
            if mine == its:
                because = "a drill that throws it would move people"
                yield error(*path, "switch", field, allowed=f"another {field}", found=mine, because=because)
        if test.switch.namespace != real.namespace:
            because = "the right to publish is one to the namespace of the traffic's switch"
            found = test.switch.namespace
            yield error(*path, "switch", "namespace", allowed=real.namespace, found=found, because=because)


def drill_folder_is_nobody_s(whole: Whole) -> Iterator[Flaw]:
    """What a drill writes, harms and deletes there for good is nobody else's, and no copy of it is left elsewhere.

    Replication does not follow the deletion of a version
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html).
    """
    policy, folder = whole.policy, whole.policy.drills.test_folder
    if folder is None:
        return
    path = ("drills", "test_folder")
    buckets = [r.bucket for r in policy.backups.restorable]
    copied = [r.source for r in policy.backups.replication]
    allowed = [b for b in buckets if b not in copied]
    if folder.bucket not in buckets:
        because = "what is put back there would prove nothing of a bucket that an incident puts back"
        yield error(*path, "bucket", allowed=one_of(allowed), found=folder.bucket, because=because)
    elif folder.bucket in copied:
        because = f"{folder.bucket!r} is replicated, and the versions that a drill deletes would stay in the copy"
        yield error(*path, "bucket", allowed=one_of(allowed), found=folder.bucket, because=because)
    for used, whose in _used(policy, folder.bucket):
        if folder.prefix.startswith(used) or used.startswith(folder.prefix):
            lies = f"{used!r} of {folder.bucket!r}" if used else f"the whole of {folder.bucket!r}"
            because = f"{lies} is {whose}, and a drill would write and delete in it"
            allowed_prefix = "a folder of its own, in which no prefix of policy lies and which lies in none"
            yield error(*path, "prefix", allowed=allowed_prefix, found=folder.prefix, because=because)


def _used(policy: Policy, bucket: str) -> Iterator[tuple[str, str]]:
    """The prefixes and keys of a bucket that policy knows, and whose each is; '' is the whole bucket."""
    platform, backups = policy.platform, policy.backups
    found = [(r.bucket, prefix, "put back in an incident") for r in backups.restorable for prefix in r.prefixes]
    found += [(r.bucket, r.key, f"Terraform's state {r.name}") for r in backups.terraform_states]
    found += [(r.destination, "", "a replica") for r in backups.replication]
    found.append((platform.responder.status_bucket, "", "the status page"))
    if platform.responder.operators_bucket:
        found.append((platform.responder.operators_bucket, "", "the operators' page"))
    if platform.containment:
        found.append((platform.containment.evidence.bucket, "", "evidence"))
        found += [(r.bucket, r.prefix, f"logs of {r.name}") for r in platform.containment.logs]
    if airgap := backups.airgap:
        found.append((airgap.source.bucket, airgap.source.prefix, "Velero's, and copied to the vaults"))
        found.append((airgap.dump.bucket, "", "the database's dumps"))
        found += [(r.bucket, "", f"vault {r.name}") for r in airgap.vaults if isinstance(r, S3Vault)]
    if isinstance(platform.traffic.switch, ObjectSwitch):
        found.append((platform.traffic.switch.bucket, platform.traffic.switch.key, "the traffic switch"))
    return ((prefix, whose) for held, prefix, whose in found if held == bucket)


def drill_window_is_open(whole: Whole) -> Iterator[Flaw]:
    """The window ends after it begins."""
    window = whole.policy.drills.window
    if window is not None and window.until <= window.from_:
        because = "the clock would never begin a drill"
        found, allowed = str(window.until), f"an hour after {window.from_}"
        yield error("drills", "window", "until", allowed=allowed, found=found, because=because)
