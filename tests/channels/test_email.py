"""Mail through a real boto3 client: refusals by code, then what recipients see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from moto import mock_aws

from chalicelib.channels.email import EmailChannel
from chalicelib.core.outcome import Doubtful, Made, Refused
from chalicelib.policy.notifications import NoticeEvent
from tests.channels.answers import client, json_answer
from tests.channels.stories import ASK, CUSTOMERS, INCIDENT, message, page


class Ses:
    """Keeps every mail; answers in turn with `answers`, then takes everything."""

    def __init__(self, *answers: AWSResponse | Exception | None) -> None:
        self.answers = list(answers)
        self.mails: list[dict[str, Any]] = []

    def __call__(self, request: Any) -> AWSResponse | Exception:
        self.mails.append(json.loads(request.body))
        given = self.answers.pop(0) if self.answers else None
        return given or json_answer(200, {"MessageId": f"m{len(self.mails)}"})


def channel(ses: Any, *recipients: str) -> EmailChannel:
    return EmailChannel(
        "email-on-call",
        ses=ses,
        sender="dr@example.com",
        recipients=recipients or ("on-call@example.com",),
        platform="NEURECTOMY",
        status_url="https://status.example.com",
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "SendingPausedException"),
        (400, "MessageRejected"),
        (400, "AccountSuspendedException"),
        (400, "MailFromDomainNotVerifiedException"),
        (404, "NotFoundException"),
        (400, "BadRequestException"),
        (403, "AccessDeniedException"),
    ],
)
def test_a_refusal_is_told_by_its_code(status: int, code: str) -> None:
    ses = Ses(json_answer(status, {"message": "no"}, code=code))
    outcome = channel(client("sesv2", ses)).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "TooManyRequestsException"),
        (400, "LimitExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
    ],
)
def test_an_answer_that_asks_to_come_back_is_doubtful_and_tried_once(status: int, code: str) -> None:
    ses = Ses(json_answer(status, {"message": "later"}, code=code))
    outcome = channel(client("sesv2", ses)).send(message(), page())
    assert isinstance(outcome, Doubtful)
    assert code in outcome.because
    assert len(ses.mails) == 1


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="https://email.example"), ReadTimeoutError(endpoint_url="https://x")],
)
def test_no_answer_is_doubtful(error: Exception) -> None:
    ses = Ses(error)
    assert isinstance(channel(client("sesv2", ses)).send(message(), page()), Doubtful)
    assert len(ses.mails) == 1


def test_what_was_never_sent_is_refused() -> None:
    outcome = channel(client("sesv2", Ses(NoCredentialsError()))).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "NoCredentialsError"


def test_a_channel_without_recipients_is_refused() -> None:
    empty = EmailChannel("e", ses=None, sender="a@example.com", recipients=(), platform="N", status_url="https://x")
    outcome = empty.send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "NoRecipients"


@pytest.fixture
def moto_ses() -> Iterator[Any]:
    with mock_aws():
        yield client("sesv2")


def test_a_sender_that_is_not_verified_is_refused_by_the_service(moto_ses: Any) -> None:
    outcome = channel(moto_ses).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "MessageRejected"


def test_a_verified_sender_is_taken_by_the_service(moto_ses: Any) -> None:
    moto_ses.create_email_identity(EmailIdentity="dr@example.com")
    assert isinstance(channel(moto_ses).send(message(), page()), Made)


def test_mail_about_a_finding_calls_it_no_incident() -> None:
    ses = Ses()
    channel(client("sesv2", ses)).send(message(NoticeEvent.FINDING_RAISED), page())
    text = ses.mails[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert f"Finding: {INCIDENT}" in text
    assert f"Incident: {INCIDENT}" not in text


def test_internal_mail_names_the_incident_and_what_to_type() -> None:
    ses = Ses()
    told = message(NoticeEvent.APPROVAL_NEEDED, asks=(ASK,))
    outcome = channel(client("sesv2", ses), "a@example.com", "b@example.com").send(told, page())
    assert outcome == Made(because=f"SES took mail {told.id!r} for 2 recipients as m1")
    (mail,) = ses.mails
    assert mail["Destination"] == {"ToAddresses": ["a@example.com", "b@example.com"]}
    simple = mail["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "[high] Region failure at us-east-1: detected"
    assert simple["Headers"] == [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    for body in (simple["Body"]["Text"]["Data"], simple["Body"]["Html"]["Data"]):
        assert f"drctl approve {INCIDENT} --step promote" in body
        assert "Three observers agree that us-east-1 is down." in body


def test_customers_see_neither_one_another_nor_anything_internal() -> None:
    ses = Ses()
    told = message(NoticeEvent.RECOVERY_STARTED, **CUSTOMERS, asks=(ASK,))
    channel(client("sesv2", ses), "a@example.com", "b@example.com").send(told, page())
    (mail,) = ses.mails
    assert mail["Destination"] == {"BccAddresses": ["a@example.com", "b@example.com"]}
    whole = json.dumps(mail["Content"])
    assert "we are moving to our standby location" in whole
    for internal in (INCIDENT, "us-east-1", "us-west-2", "region-failure", "responding", "drctl", "promote"):
        assert internal not in whole


def test_what_stands_in_a_message_is_text_in_the_html() -> None:
    ses = Ses()
    channel(client("sesv2", ses)).send(message(lines=("<img src=x onerror=alert(1)> & more",)), page())
    html = ses.mails[0]["Content"]["Simple"]["Body"]["Html"]["Data"]
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; more" in html


def test_recipients_go_out_by_fifty_and_each_is_written_to_once() -> None:
    ses = Ses()
    everyone = [f"p{n}@example.com" for n in range(120)]
    assert isinstance(channel(client("sesv2", ses), *everyone, "p0@example.com").send(message(), page()), Made)
    groups = [m["Destination"]["ToAddresses"] for m in ses.mails]
    assert [len(g) for g in groups] == [50, 50, 20]
    assert [a for g in groups for a in g] == everyone


def test_some_written_to_and_some_refused_is_doubtful_and_the_others_still_get_theirs() -> None:
    ses = Ses(None, json_answer(400, {"message": "no"}, code="MessageRejected"))
    outcome = channel(client("sesv2", ses), *(f"p{n}@example.com" for n in range(120))).send(message(), page())
    assert isinstance(outcome, Doubtful)
    assert outcome.because.startswith("70 of 120 recipients were written to; then")
    assert len(ses.mails) == 3


def test_all_refused_is_refused() -> None:
    refusals = [json_answer(400, {"message": "no"}, code="SendingPausedException") for _ in range(2)]
    outcome = channel(client("sesv2", Ses(*refusals)), *(f"p{n}@example.com" for n in range(60))).send(
        message(), page()
    )
    assert isinstance(outcome, Refused)


def test_nothing_is_fetched_by_a_mail() -> None:
    ses = Ses()
    channel(client("sesv2", ses)).send(message(), page())
    html = unquote(ses.mails[0]["Content"]["Simple"]["Body"]["Html"]["Data"])
    assert "src=" not in html
    assert "<link" not in html
