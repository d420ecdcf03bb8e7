"""The people of policy in the local world: the keys by which its STS knows them, and the responder's own.

Each person has a temporary access key, as an assumed role has, made from their name, so that `drctl` in another
process has the same one. They are known on loopback only, and are as secret as this file.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

from botocore.credentials import Credentials

from chalicelib.policy import Policy
from chalicelib.policy.people import Person
from drctl.neighbours.sts import Key

SECRET: Final = "local"  # noqa: S105  # of every client of the local world, and of the functions in it
SESSION: Final = "somebody"
"""What stands where a principal's `*` leaves a name open."""


def arn_of(person: Person) -> str:
    """The principal that the local STS says the person is: the first ARN of policy's."""
    return next(p for p in person.principals if p.startswith("arn:")).replace("*", SESSION)


def key_of(person: Person) -> Key:
    """The person's key. An access key has 20 characters, a temporary one begins with ASIA
    (docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
    """
    seed = sha256(f"local world: {person.name}".encode()).digest()
    name = base64.b32encode(seed).decode()[:16]
    session = arn_of(person).rpartition("/")[2]
    return Key(
        access_key=f"ASIA{name}",
        secret=base64.b64encode(seed + seed[:6]).decode().rstrip("=")[:40],
        arn=arn_of(person),
        user_id=f"AROA{name}:{session}",
        token=base64.b64encode(b"local session of " + person.name.encode()).decode(),
    )


def credentials_of(person: Person) -> Credentials:
    """What the person signs with."""
    key = key_of(person)
    return Credentials(key.access_key, key.secret, key.token)


def keys(policy: Policy) -> tuple[Key, ...]:
    """All that the local STS knows: the people, and whoever has the account's number as access key, as in MiniStack."""
    account = policy.platform.account
    root = Key(access_key=account, secret=SECRET, arn=f"arn:aws:iam::{account}:root", user_id=account)
    return (root, *(key_of(person) for person in policy.people.people))


def speaker(policy: Policy, name: str) -> Person | None:
    """The person of that name; the first of policy when none is named; None for a stranger."""
    people = policy.people.people
    return next((p for p in people if p.name == name), None) if name else people[0]
