"""One notice on its way to one channel: begun, answered, or not sent after all; of an incident or of a finding.

Rules. A notice is `sending` before its channel is asked, so that a crash leaves a doubt and never a gap. A refusal is
for good, and owes the notice to the fallback; a doubt is tried again, more and more slowly, and ends as a failure.
Nothing here knows what a notice says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from chalicelib.core.incident import NoticeRecord, NoticeState
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.core.plan import Rules

TELL_TRIES: Final = 5
TELL_AGAIN: Final = timedelta(seconds=5)
TELL_TIMEOUT: Final = timedelta(seconds=5)
"""What one try may take."""
_UNDER_WAY: Final = (NoticeState.SENDING, NoticeState.DOUBTFUL)


def begun(known: NoticeRecord | None, due_at: datetime, now: datetime) -> NoticeRecord:
    """The record of a notice that is about to be sent."""
    return NoticeRecord(
        state=NoticeState.SENDING,
        due_at=due_at,
        at=now,
        tries=(known.tries if known else 0) + 1,
        message_at=known.message_at if known else now,
        because="being sent" if known is None else f"being sent again: {known.because}",
    )


def ended(record: NoticeRecord | None, outcome: Outcome, rules: Rules, now: datetime) -> NoticeRecord | None:
    """The record after its channel answered, or did not; None when nobody is sending it."""
    if record is None or record.state is not NoticeState.SENDING:
        return None
    again: datetime | None = None
    match outcome:
        case Made():
            state = NoticeState.SENT
        case Refused():
            state = NoticeState.FAILED
        case Doubtful():
            state = NoticeState.FAILED if record.tries >= TELL_TRIES else NoticeState.DOUBTFUL
            again = now + TELL_AGAIN * 2 ** (record.tries - 1) / rules.policy.speed
        case _:
            assert_never(outcome)
    late = f", {(now - record.due_at).total_seconds():.0f} s after its deadline" if now > record.due_at else ""
    return replace(record, state=state, at=now, again_at=again, because=outcome.because + late)


def without(notices: Mapping[str, NoticeRecord], key: str, now: datetime) -> Mapping[str, NoticeRecord] | None:
    """The records when this notice was begun and then not sent; None when nobody was sending it."""
    notice = notices.get(key)
    if notice is None or notice.state is not NoticeState.SENDING:
        return None
    left = {k: v for k, v in notices.items() if k != key}
    if notice.tries > 1:
        left[key] = replace(notice, state=NoticeState.DOUBTFUL, tries=notice.tries - 1, again_at=now)
    return left


def under_way(notices: Mapping[str, NoticeRecord]) -> dict[str, NoticeRecord]:
    """Those of which nobody knows whether they were delivered."""
    return {k: n for k, n in notices.items() if n.state in _UNDER_WAY}


def lapsed(record: NoticeRecord, now: datetime) -> NoticeRecord:
    """The record of a notice that a stopped worker left on its way, and that nobody is owed any more."""
    because = f"it may have been delivered, and is no longer owed; {record.because}"
    return replace(record, state=NoticeState.LAPSED, at=now, again_at=None, because=because)
