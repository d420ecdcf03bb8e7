"""What the heart, the witness and the responder's pulse come to ask of AWS: their roles are made from it, and their use
compared with it.
"""

from __future__ import annotations

from typing import Final

from chalicelib.actions.contract import AwsOp
from chalicelib.actions.fence_acl import FenceAcl

_TABLE: Final = ("arn:aws:dynamodb:{standby}:{account}:table/{table}",)
HEART: Final = (
    AwsOp(service="dynamodb", operation="get_item", resources=_TABLE, items=("beats",)),
    AwsOp(service="dynamodb", operation="update_item", resources=_TABLE, items=("beats",)),
    AwsOp(
        service="rds",
        operation="describe_db_instances",
        resources=("arn:aws:rds:{primary}:{account}:db:{primary_instance}",),
        where="primary",
    ),
    AwsOp(
        service="secretsmanager",
        operation="get_secret_value",
        resources=("arn:aws:secretsmanager:{primary}:{account}:secret:{credentials_secret}-??????",),
        where="primary",
    ),
    *(op for op in (*FenceAcl.reads, *FenceAcl.calls) if isinstance(op, AwsOp)),
)
WITNESS: Final = (
    AwsOp(service="dynamodb", operation="get_item", resources=_TABLE, items=("beats", "desk")),
    AwsOp(service="dynamodb", operation="put_item", resources=_TABLE, items=("inbox",)),
    AwsOp(service="dynamodb", operation="update_item", resources=_TABLE, items=("beats",)),
    AwsOp(
        service="lambda",
        operation="invoke",
        resources=("arn:aws:lambda:{standby}:{account}:function:{wake}",),
        iam=("lambda:InvokeFunction",),
    ),
)
# It knows no resource, so the namespace is its bound (CloudWatch's service authorization reference).
SYNTHETIC: Final = AwsOp(
    service="cloudwatch",
    operation="put_metric_data",
    resources=("*",),
    condition=("cloudwatch:namespace", "{own_namespace}"),
)
QUEUES: Final = (
    AwsOp(
        service="sqs",
        operation="get_queue_attributes",
        resources=(
            "arn:aws:sqs:{standby}:{account}:{failed_queue}",
            "arn:aws:sqs:{standby}:{account}:{undelivered_queue}",
        ),
    ),
)
