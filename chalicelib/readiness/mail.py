"""Email and the status page, asked without sending or publishing anything.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html (`SendingEnabled`; in the sandbox,
`ProductionAccessEnabled` false, mail reaches verified addresses alone), …/API_GetEmailIdentity.html
(`VerifiedForSendingStatus`; an address may send by itself or by its domain), and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chalicelib.actions.contract import AwsOp, Op, Reader
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused

READS: Final[tuple[Op, ...]] = (
    AwsOp(service="sesv2", operation="get_account", resources=("*",)),
    AwsOp(service="sesv2", operation="get_email_identity", resources=("arn:aws:ses:{standby}:{account}:identity/*",)),
    AwsOp(service="s3", operation="head_bucket", resources=("arn:aws:s3:::{status_bucket}",), iam=("s3:ListBucket",)),
)


def email(sender: str, region: str, reader: Reader) -> Verdict:
    """Whether SES would take a mail of this sender, for anybody."""
    account = reader.aws("sesv2", region, "get_account")
    if isinstance(account, NoData):
        return account
    if isinstance(account, Refused):
        return NoData(because=f"SES does not say whether it sends: {account.because} ({account.code})")
    if not account.get("SendingEnabled"):
        return Lacking(because=f"SES in {region} sends nothing for this account ({account.get('EnforcementStatus')})")
    if not account.get("ProductionAccessEnabled"):
        return Lacking(because=f"SES in {region} is in the sandbox: mail reaches verified addresses alone")
    asked = [
        reader.aws("sesv2", region, "get_email_identity", EmailIdentity=who)
        for who in (sender, sender.rpartition("@")[2])
    ]
    if any(isinstance(a, Mapping) and a.get("VerifiedForSendingStatus") for a in asked):
        return Ready(because=f"SES in {region} sends, and {sender} is verified")
    for answer in asked:
        # Who may not look has not seen that it is missing.
        if isinstance(answer, NoData) or (isinstance(answer, Refused) and answer.code != "NotFoundException"):
            return NoData(because=answer.because)
    return Lacking(because=f"sender {sender} is not verified in {region}, by itself or by its domain")


def page(bucket: str, region: str, reader: Reader) -> Verdict:
    """Whether the status page has its bucket."""
    found = reader.aws("s3", region, "head_bucket", Bucket=bucket)
    match found:
        case NoData():
            return found
        # An answer without a body has the status for its code.
        case Refused(code="404" | "NoSuchBucket"):
            return Lacking(because=f"bucket {bucket!r} of the status page does not exist")
        case Refused(code=code, because=because):
            return Lacking(because=f"bucket {bucket!r} of the status page is refused: {because} ({code})")
    return Ready(because=f"bucket {bucket!r} is there")
