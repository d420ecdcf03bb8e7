"""Who the operator is to the tertiary cluster: a token in the kubeconfig, or a program that fetches one (kubelogin).

The program is run here and not by lightkube, which knows two of its versions and lets what goes wrong with it out as a
traceback. It writes to the operator's terminal what it wants of them (a code to type in); what it answers stays in
memory until it expires. Of its answer only a token is used: a client certificate belongs to a shared admin account.
Sources: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins,
https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ (ExecCredential: status.token,
status.expirationTimestamp; KUBERNETES_EXEC_INFO), https://azure.github.io/kubelogin/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lightkube.config.models import User, UserExec

from chalicelib.core.outcome import NoData

WITHIN_S: Final = 180.0
"""Time to type a code into a browser."""
EARLY: Final = timedelta(minutes=2)
LONGEST: Final = timedelta(minutes=45)
"""How long a token is used that does not say when it expires: Entra's live for an hour or more."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token, and until when it is used."""

    token: str
    until: datetime


def fetched(program: UserExec, now: datetime) -> Fetched | NoData:
    """Runs the kubeconfig's program once; NoData says in a sentence why it gave no token, and what to do."""
    name = program.command
    asked = {"apiVersion": program.apiVersion, "kind": "ExecCredential", "spec": {"interactive": sys.stdin.isatty()}}
    env = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(asked), **{v.name: v.value for v in program.env or ()}}
    try:
        done = subprocess.run(
            [name, *(program.args or ())], env=env, stdout=subprocess.PIPE, check=False, timeout=WITHIN_S
        )
    except FileNotFoundError:
        hint = f": {program.installHint}" if program.installHint else "; install it"
        return NoData(because=f"{name!r}, which the kubeconfig gets its token from, is not on this machine{hint}")
    except subprocess.TimeoutExpired:
        return NoData(because=f"{name!r} gave no token within {WITHIN_S:.0f} s; log in by hand, and begin again")
    except OSError as error:
        return NoData(because=f"{name!r}, which the kubeconfig gets its token from, could not be run: {error.strerror}")
    if done.returncode != 0:
        because = f"{name!r} gave no token and ended with {done.returncode}; what it says stands on its terminal"
        return NoData(because=f"{because}; are you logged in there (az login)?")
    try:
        status = json.loads(done.stdout)["status"]
        token, ends = status["token"], status.get("expirationTimestamp")
        until = datetime.fromisoformat(ends).astimezone(UTC) - EARLY if ends else now + LONGEST
    except (ValueError, KeyError, TypeError):
        return NoData(because=f"what {name!r} answered is no ExecCredential with a token; nothing of it is shown")
    return Fetched(str(token), until)


def without_program(token: str) -> User:
    """A user of a kubeconfig with this token in the program's place."""
    return User(token=token)
