"""Amazon GuardDuty: detectors, and the findings that each of them has.

Sources, named below by their short names:
- *list*: docs.aws.amazon.com/guardduty/latest/APIReference/API_ListFindings.html (criteria by the JSON name of a field;
  `updatedAt` in milliseconds; at most 50 a page), API_ListDetectors.html
- *get*: …/API_GetFindings.html (at most 50 ids; ids that there are not are left out), API_Finding.html
- *errors*: …/CommonErrors.html, and BadRequestException of these operations: a detector that the account does not own

A finding is kept as API_Finding has it, in boto3's names; EventBridge carries the same in lower camel case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import AwsError

PAGE: Final = 50
Params = Mapping[str, Any]
_FIELDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "severity": lambda f: float(f["Severity"]),
    "type": lambda f: f["Type"],
    "updatedAt": lambda f: datetime.fromisoformat(f["UpdatedAt"]).timestamp() * 1000,
    "service.archived": lambda f: str(f["Service"].get("Archived", False)).lower(),
}
"""The criteria that are known here."""


class GuardDuty:
    """Detectors by region and account; findings by detector."""

    def __init__(self) -> None:
        self.detectors: dict[tuple[str, str], str] = {}
        self.findings: dict[str, dict[str, dict[str, Any]]] = {}

    def switch_on(self, region: str, account: str) -> str:
        """A region's detector; the id has 32 hexadecimal digits."""
        made = self.detectors.setdefault((region, account), f"{len(self.detectors) + 1:032x}")
        self.findings.setdefault(made, {})
        return made

    def found(self, finding: Mapping[str, Any]) -> None:
        """A finding, new or occurring again. KeyError where GuardDuty is not on."""
        detector = self.detectors[finding["Region"], finding["AccountId"]]
        self.findings[detector][finding["Id"]] = dict(finding)

    def list_detectors(self, region: str, account: str, _params: Params) -> dict[str, Any]:
        there = self.detectors.get((region, account))
        return {"DetectorIds": [there] if there else []}

    def list_findings(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*list*: those that meet every criterion, sorted."""
        found = list(self._of(region, account, params).values())
        for name, condition in (params.get("FindingCriteria") or {}).get("Criterion", {}).items():
            if name not in _FIELDS:
                raise AwsError("BadRequestException", f"The request is rejected because {name} is not known here.")
            found = [f for f in found if _meets(_FIELDS[name](f), condition)]
        sort = params.get("SortCriteria") or {}
        if sort.get("AttributeName"):
            found.sort(key=_FIELDS[sort["AttributeName"]], reverse=sort.get("OrderBy") == "DESC")
        most = int(params.get("MaxResults") or PAGE)
        if not 1 <= most <= PAGE:
            raise AwsError("BadRequestException", "The request is rejected because maxResults is out-of-bounds.")
        after = int(params.get("NextToken") or 0)
        page = found[after : after + most]
        rest = {"NextToken": str(after + most)} if len(found) > after + most else {}
        return {"FindingIds": [f["Id"] for f in page], **rest}

    def get_findings(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*get*."""
        ids = params["FindingIds"]
        if len(ids) > PAGE:
            raise AwsError("BadRequestException", "The request is rejected because there are too many finding ids.")
        kept = self._of(region, account, params)
        return {"Findings": [kept[i] for i in ids if i in kept]}

    def _of(self, region: str, account: str, params: Params) -> dict[str, dict[str, Any]]:
        there = self.detectors.get((region, account))
        if there is None or there != params["DetectorId"]:
            text = "The request is rejected because the input detectorId is not owned by the current account."
            raise AwsError("BadRequestException", text)
        return self.findings[there]


def _meets(value: Any, condition: Mapping[str, Any]) -> bool:
    for name, wanted in condition.items():
        match name:
            case "Eq" | "Equals":
                held = value in wanted
            case "Neq" | "NotEquals":
                held = value not in wanted
            case "Gte" | "GreaterThanOrEqual":
                held = value >= wanted
            case "Lte" | "LessThanOrEqual":
                held = value <= wanted
            case "Gt" | "GreaterThan":
                held = value > wanted
            case "Lt" | "LessThan":
                held = value < wanted
            case other:
                raise AwsError("BadRequestException", f"The request is rejected because {other} is not known here.")
        if not held:
            return False
    return True
