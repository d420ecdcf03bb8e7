"""Rows for the actions of a bad deployment: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.application_rolled_back import Apps
from chalicelib.actions.applications import App, Deployed, Hold
from chalicelib.actions.canary_aborted import Canary
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import AT, DENIED, SILENT

PRIMARY: dict[str, str] = {"cluster": "primary"}
OLD, GOOD, HASTY, BAD, MENDED = (n * 7 for n in "01234")
SOURCE = {"repoURL": "https://git.example/shop.git", "path": "web"}
AUTOMATED = {"prune": True, "selfHeal": True}


def deployed(revision: str, ago: timedelta) -> Deployed:
    return Deployed(revision, AT - ago, {"revision": revision, "source": SOURCE})


HISTORY = (
    deployed(OLD, timedelta(days=3)),
    deployed(GOOD, timedelta(days=1)),
    # Replaced after four minutes: a bad try before the bad one.
    deployed(HASTY, timedelta(minutes=9)),
    deployed(BAD, timedelta(minutes=5)),
)
WELL = App(
    "web", "argocd", "17", "Healthy", AT - timedelta(days=1), head=GOOD, history=HISTORY[:2], automated=AUTOMATED
)
ILL = replace(WELL, health="Degraded", since=AT - timedelta(minutes=2), head=BAD, history=HISTORY)
OTHER = replace(WELL, name="other")
HOLD = Hold(BAD, GOOD, AUTOMATED)
HELD = replace(ILL, automated=None, hold=HOLD)
BACK = replace(HELD, phase="Succeeded", history=(*HISTORY, deployed(GOOD, timedelta(minutes=1))))
MISSED = replace(HELD, phase="Error", message="ComparisonError: failed to checkout revision")
CANARY = Canary("models", "ml", "9", "Degraded", "ProgressDeadlineExceeded: late", True, False, 2, 2)


def apps(*some: App, caught: tuple[str, ...] = ()) -> Apps:
    return Apps(some, frozenset(caught))


def asking(**more: str) -> dict[str, str]:
    return {**PRIMARY, **more}


ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("canary-aborted", PRIMARY, SILENT, Wait, "looking again"),
    ("canary-aborted", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("canary-aborted", PRIMARY, (), Done, "no canary of cluster"),
    ("canary-aborted", PRIMARY, (CANARY,), Act, "the canary is to be aborted, the pods of before go on"),
    ("canary-aborted", PRIMARY, (replace(CANARY, phase="Paused"),), Done, "goes forward (Paused) and is left alone"),
    ("canary-aborted", PRIMARY, (replace(CANARY, canary=False),), Done, "no canary of cluster"),
    ("canary-aborted", PRIMARY, (replace(CANARY, aborted=True, ready=1),), Wait, "1 of 2 pods serve"),
    ("canary-aborted", PRIMARY, (replace(CANARY, aborted=True),), Done, "Git still holds the bad one"),
    ("application-rolled-back", PRIMARY, SILENT, Wait, "looking again"),
    ("application-rolled-back", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("application-rolled-back", PRIMARY, apps(WELL), Done, "none of the 1 applications"),
    ("application-rolled-back", PRIMARY, apps(WELL, ILL), Act, "it is to go back to 1111111"),
    ("application-rolled-back", asking(stood="1m"), apps(ILL), Act, "it is to go back to 2222222"),
    ("application-rolled-back", asking(revision=OLD), apps(ILL), Act, "it is to go back to 0000000"),
    ("application-rolled-back", asking(revision="0000"), apps(ILL), Act, "it is to go back to 0000000"),
    (
        "application-rolled-back",
        asking(revision="abcdef0"),
        apps(ILL),
        Stuck,
        "revision 'abcdef0' is not in its history: nothing is moved; it knows 3333333, 2222222, 1111111, 0000000",
    ),
    ("application-rolled-back", asking(revision="found"), apps(ILL), Act, "it is to go back to 1111111"),
    ("application-rolled-back", asking(revision="none"), apps(ILL), Done, "nothing is to go back, as was chosen"),
    (
        "application-rolled-back",
        asking(revision=OLD),
        apps(WELL),
        Act,
        "'web' runs 1111111: it is to go back to 0000000",
    ),
    ("application-rolled-back", asking(revision=GOOD), apps(WELL), Done, "none of the 1 applications"),
    ("application-rolled-back", asking(revision=OLD), apps(WELL, ILL), Act, "'web' is Degraded since 3333333"),
    (
        "application-rolled-back",
        asking(revision=OLD),
        apps(WELL, OTHER),
        Stuck,
        "none of them is Degraded",
    ),
    (
        "application-rolled-back",
        asking(revision="abcdef0"),
        apps(WELL),
        Stuck,
        "is in the history of no application: n",
    ),
    ("application-rolled-back", asking(revision=BAD), apps(ILL), Stuck, "runs 3333333 already, which was chosen"),
    ("application-rolled-back", asking(revision=GOOD), apps(replace(BACK, health="Healthy"), OTHER), Done, "went back"),
    ("application-rolled-back", PRIMARY, apps(replace(ILL, history=())), Stuck, "there is nothing to go back to"),
    ("application-rolled-back", PRIMARY, apps(replace(ILL, history=HISTORY[3:])), Stuck, "no revision of its history"),
    ("application-rolled-back", asking(stood="5d"), apps(ILL), Stuck, "no revision of its history stood for 5d"),
    (
        "application-rolled-back",
        PRIMARY,
        apps(replace(ILL, history=HISTORY[:2], since=AT)),
        Stuck,
        "ran 1111111 for 1d before that: no deployment of the last 1h is to blame, nothing is moved",
    ),
    ("application-rolled-back", PRIMARY, apps(replace(ILL, since=None)), Act, "it is to go back to 1111111"),
    ("application-rolled-back", PRIMARY, apps(replace(ILL, busy=True, phase="Running")), Wait, "is at work on it"),
    ("application-rolled-back", PRIMARY, apps(ILL, caught=("web",)), Done, "the canary of application 'web' is abo"),
    ("application-rolled-back", PRIMARY, apps(replace(HELD, busy=True)), Wait, "Argo CD is at work on it"),
    ("application-rolled-back", PRIMARY, apps(MISSED), Stuck, "could not go back to 1111111, and nothing was moved: C"),
    ("application-rolled-back", PRIMARY, apps(BACK), Wait, "went back to 1111111 and is Degraded; looking again"),
    ("application-rolled-back", PRIMARY, apps(replace(BACK, health="Progressing")), Wait, "and is Progressing"),
    ("application-rolled-back", PRIMARY, apps(replace(BACK, since=AT)), Stuck, "it was not the deployment, or not on"),
    ("application-rolled-back", PRIMARY, apps(replace(BACK, health="Healthy")), Done, "went back to 1111111 and is H"),
    ("auto-sync-given-back", PRIMARY, SILENT, Wait, "looking again"),
    ("auto-sync-given-back", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("auto-sync-given-back", PRIMARY, (WELL,), Done, "automated sync of no application"),
    ("auto-sync-given-back", asking(revision="none"), (BACK,), Done, "nothing went back, as was chosen"),
    ("auto-sync-given-back", PRIMARY, (BACK,), Wait, "Git still holds 3333333"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, head=MENDED),), Act, "Git holds 4444444 for application 'web'"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, head=MENDED, busy=True),), Wait, "stays off"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, head=""),), Wait, "Git still holds 3333333"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, automated={}),), Act, "a person has switched automated sync"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, hold=Hold(BAD, GOOD, None)),), Act, "was off before"),
    ("auto-sync-given-back", PRIMARY, (replace(BACK, hold=Hold("", "", None)),), Wait, "cannot be read; a person"),
]
