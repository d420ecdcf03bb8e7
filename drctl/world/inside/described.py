"""DescribeAlarms as the query protocol tells it, which older SDKs speak and Lambda's boto3 with them.

MiniStack leaves out there what it tells by the newer protocols: the statistic, the period, the dimensions, the actions,
what missing data means. Source: botocore's service model, cloudwatch/2010-08-01, MetricAlarm and CompositeAlarm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

LISTS: Final = ("AlarmNames", "AlarmTypes")
TEXTS: Final = ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken")


def in_full(describe: Callable[..., Any], text_of: Callable[[Any, str], str], xml: Callable[..., Any]) -> Any:
    """`describe`, which answers (status, headers, body), with the whole of each alarm in the query protocol as well."""

    def described(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return describe(params, body, is_cbor, is_json)
        asked: dict[str, Any] = {name: text_of(params, name) for name in TEXTS if text_of(params, name)}
        for name in LISTS:
            numbered = (text_of(params, f"{name}.member.{n}") for n in range(1, 101))
            asked[name] = [found for found in numbered if found]
        answer = describe(params, asked, False, True)
        if answer[0] != 200:
            return describe(params, body, is_cbor, is_json)
        found = written(json.loads(answer[2]))
        return xml(200, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{found}</DescribeAlarmsResult>")

    return described


def written(value: object) -> str:
    """A value as the query protocol's XML has it: members of lists, elements of structures, nothing for none."""
    match value:
        case Mapping():
            return "".join(f"<{k}>{_told(k, v)}</{k}>" for k, v in value.items() if v is not None)
        case list():
            return "".join(f"<member>{written(v)}</member>" for v in value)
        case bool():
            return str(value).lower()
        case _:
            return escape(str(value))


def _told(name: str, value: object) -> str:
    if name.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat()
    return written(value)
