"""Network ACLs on the wire: what is refused, and what a rule lets through."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.ec2 import Acl, Ec2

REGION, ACCOUNT, ACL = "us-east-1", "111122223333", "acl-0123456789abcdef0"
PORT = 5432


class Stand:
    """One ACL of two subnets, and a boto3 client."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.ec2 = Ec2(on_change=lambda acl: self.changed.append(acl.identifier))
        self.acl: Acl = self.ec2.add(REGION, ACL, ("subnet-1", "subnet-2"), account=ACCOUNT, vpc="vpc-1")
        self.client = make_client(Aws({"ec2": self.ec2}), "ec2", REGION, account=ACCOUNT)

    def deny(self, **more: Any) -> Any:
        entry = {
            "NetworkAclId": ACL,
            "RuleNumber": 1,
            "Protocol": "6",
            "RuleAction": "deny",
            "Egress": False,
            "CidrBlock": "0.0.0.0/0",
            "PortRange": {"From": PORT, "To": PORT},
        }
        return self.client.create_network_acl_entry(**{k: v for k, v in (entry | more).items() if v is not None})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"NetworkAclId": "acl-0000"}, "InvalidNetworkAclID.NotFound"),
        ({"RuleNumber": 0}, "InvalidParameterValue"),
        ({"RuleNumber": 32767}, "InvalidParameterValue"),
        ({"RuleAction": "drop"}, "InvalidParameterValue"),
        ({"CidrBlock": None}, "MissingParameter"),
        ({"CidrBlock": "10.0.0.0/99"}, "InvalidParameterValue"),
        ({"Ipv6CidrBlock": "::/0"}, "InvalidParameterCombination"),
        ({"PortRange": None}, "MissingParameter"),
        ({"RuleNumber": 100}, "NetworkAclEntryAlreadyExists"),
    ],
)
def test_an_entry_that_ec2_would_not_take_is_refused_with_its_code(more: dict[str, Any], code: str) -> None:
    stand = Stand()
    with pytest.raises(ClientError) as refused:
        stand.deny(**more)
    assert refused.value.response["Error"]["Code"] == code
    assert stand.acl.lets_in(PORT)
    assert stand.changed == []


def test_a_twenty_first_rule_of_a_direction_is_refused() -> None:
    stand = Stand()
    for number in range(1, 20):
        stand.deny(RuleNumber=number)
    with pytest.raises(ClientError, match="NetworkAclEntryLimitExceeded"):
        stand.deny(RuleNumber=20)


def test_the_lowest_number_that_matches_decides() -> None:
    stand = Stand()
    assert stand.acl.lets_in(PORT)
    stand.deny(RuleNumber=200)
    assert stand.acl.lets_in(PORT)
    stand.deny(RuleNumber=50)
    assert not stand.acl.lets_in(PORT)
    assert stand.acl.lets_in(443)
    assert stand.changed == [ACL, ACL]


def test_what_nothing_matches_is_denied() -> None:
    stand = Stand()
    stand.client.delete_network_acl_entry(NetworkAclId=ACL, RuleNumber=100, Egress=False)
    assert not stand.acl.lets_in(PORT)


def test_acls_are_found_by_their_subnets_and_show_the_last_denial() -> None:
    stand = Stand()
    found = stand.client.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": ["subnet-2"]}])
    (acl,) = found["NetworkAcls"]
    assert {a["SubnetId"] for a in acl["Associations"]} == {"subnet-1", "subnet-2"}
    assert [e["RuleNumber"] for e in acl["Entries"] if not e["Egress"]] == [100, 32767]
    nowhere = [{"Name": "association.subnet-id", "Values": ["subnet-9"]}]
    assert stand.client.describe_network_acls(Filters=nowhere)["NetworkAcls"] == []


def test_an_unknown_filter_and_an_absent_entry_are_refused() -> None:
    stand = Stand()
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        stand.client.describe_network_acls(Filters=[{"Name": "colour", "Values": ["red"]}])
    with pytest.raises(ClientError, match=r"InvalidNetworkAclEntry\.NotFound"):
        stand.client.delete_network_acl_entry(NetworkAclId=ACL, RuleNumber=7, Egress=False)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"InstanceIds": ["web-1"]}, "InvalidInstanceID.Malformed"),
        ({"InstanceIds": ["i-0123456789abcdef0"]}, "InvalidInstanceID.NotFound"),
        ({"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue"),
    ],
)
def test_instances_that_are_not_known_or_not_asked_for_rightly_are_refused(asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        Stand().client.describe_instances(**asked)
    assert refused.value.response["Error"]["Code"] == code


def test_an_instance_says_its_state_and_a_terminated_one_has_no_name_any_more() -> None:
    stand = Stand()
    made = stand.ec2.instances.launch(REGION, ACCOUNT, "us-east-1a")
    named = [{"Name": "private-dns-name", "Values": [made.name]}]
    (found,) = stand.client.describe_instances(Filters=named)["Reservations"]
    assert found["Instances"][0]["State"] == {"Code": 16, "Name": "running"}
    stand.ec2.instances.turn(made.identifier, "terminated")
    assert stand.client.describe_instances(Filters=named)["Reservations"] == []
    (gone,) = stand.client.describe_instances(InstanceIds=[made.identifier])["Reservations"]
    assert gone["Instances"][0]["State"] == {"Code": 48, "Name": "terminated"}
    elsewhere = make_client(Aws({"ec2": stand.ec2}), "ec2", "us-west-2", account=ACCOUNT)
    assert elsewhere.describe_instances()["Reservations"] == []


QUARANTINE = "sg-0123456789abcdef0"


def test_an_interface_s_groups_are_replaced_as_a_whole_and_shown_with_its_instance() -> None:
    stand = Stand()
    made = stand.ec2.instances.launch(REGION, ACCOUNT, "us-east-1a")
    stand.ec2.instances.interfaces.known.add((REGION, QUARANTINE))
    (found,) = stand.client.describe_instances(InstanceIds=[made.identifier])["Reservations"][0]["Instances"]
    (interface,) = found["NetworkInterfaces"]
    stand.client.modify_network_interface_attribute(
        NetworkInterfaceId=interface["NetworkInterfaceId"], Groups=[QUARANTINE]
    )
    (found,) = stand.client.describe_instances(InstanceIds=[made.identifier])["Reservations"][0]["Instances"]
    assert found["NetworkInterfaces"][0]["Groups"] == [{"GroupId": QUARANTINE, "GroupName": QUARANTINE}]
    stand.ec2.instances.turn(made.identifier, "terminated")
    (found,) = stand.client.describe_instances(InstanceIds=[made.identifier])["Reservations"][0]["Instances"]
    assert found["NetworkInterfaces"] == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"NetworkInterfaceId": "eni-x"}, "InvalidNetworkInterfaceId.Malformed"),
        ({"NetworkInterfaceId": "eni-0123456789abcdef0"}, "InvalidNetworkInterfaceID.NotFound"),
        ({"Groups": ["sg-0000000000000000f"]}, "InvalidSecurityGroupID.NotFound"),
        ({"Groups": [QUARANTINE] * 6}, "SecurityGroupsPerInterfaceLimitExceeded"),
        ({"Groups": []}, "MissingParameter"),
        ({"Description": {"Value": "mine"}}, "InvalidParameterCombination"),
    ],
)
def test_groups_that_ec2_would_not_give_an_interface_are_refused(more: dict[str, Any], code: str) -> None:
    stand = Stand()
    made = stand.ec2.instances.launch(REGION, ACCOUNT, "us-east-1a")
    stand.ec2.instances.interfaces.known.add((REGION, QUARANTINE))
    (interface,) = stand.ec2.instances.interfaces.of(made.identifier)
    before = interface.groups
    with pytest.raises(ClientError) as refused:
        stand.client.modify_network_interface_attribute(
            **{"NetworkInterfaceId": interface.identifier, "Groups": [QUARANTINE]} | more
        )
    assert refused.value.response["Error"]["Code"] == code
    assert interface.groups == before


def test_a_security_group_shows_its_rules_and_an_unknown_one_is_refused() -> None:
    stand = Stand()
    stand.ec2.instances.interfaces.known.add((REGION, QUARANTINE))
    (found,) = stand.client.describe_security_groups(GroupIds=[QUARANTINE])["SecurityGroups"]
    assert (found["IpPermissions"], found["IpPermissionsEgress"]) == ([], [])
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        stand.client.describe_security_groups(GroupIds=["sg-0000000000000000f"])


def test_the_termination_of_an_instance_is_refused_by_an_attribute_and_a_terminated_one_keeps_its_own() -> None:
    stand = Stand()
    made = stand.ec2.instances.launch(REGION, ACCOUNT, "us-east-1a")
    ask = {"InstanceId": made.identifier, "Attribute": "disableApiTermination"}
    assert stand.client.describe_instance_attribute(**ask)["DisableApiTermination"] == {"Value": False}
    protect: dict[str, Any] = {"InstanceId": made.identifier, "DisableApiTermination": {"Value": True}}
    stand.client.modify_instance_attribute(**protect)
    assert stand.client.describe_instance_attribute(**ask)["DisableApiTermination"] == {"Value": True}
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        stand.client.modify_instance_attribute(**protect | {"InstanceId": "i-0123456789abcdef0"})
    stand.ec2.instances.turn(made.identifier, "terminated")
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        stand.client.modify_instance_attribute(**protect)


def test_a_subnet_s_association_moves_to_another_acl_and_gets_another_id() -> None:
    stand = Stand()
    closed = stand.ec2.add_closed(REGION, "acl-0123456789abcdef1", account=ACCOUNT, vpc="vpc-1")
    first, second = stand.client.describe_network_acls(NetworkAclIds=[ACL])["NetworkAcls"][0]["Associations"]
    moved = {"AssociationId": first["NetworkAclAssociationId"], "NetworkAclId": closed.identifier}
    made = stand.client.replace_network_acl_association(**moved)["NewAssociationId"]
    (there,) = stand.client.describe_network_acls(NetworkAclIds=[closed.identifier])["NetworkAcls"][0]["Associations"]
    assert (there["SubnetId"], there["NetworkAclAssociationId"]) == ("subnet-1", made)
    (left,) = stand.client.describe_network_acls(NetworkAclIds=[ACL])["NetworkAcls"][0]["Associations"]
    assert left == second
    assert not closed.lets_in(PORT)
    with pytest.raises(ClientError, match=r"InvalidAssociationID\.NotFound"):
        stand.client.replace_network_acl_association(**moved)


def test_a_subnet_gets_no_acl_of_another_vpc() -> None:
    stand = Stand()
    other = stand.ec2.add_closed(REGION, "acl-0123456789abcdef1", account=ACCOUNT, vpc="vpc-2")
    first, _ = stand.client.describe_network_acls(NetworkAclIds=[ACL])["NetworkAcls"][0]["Associations"]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        stand.client.replace_network_acl_association(
            AssociationId=first["NetworkAclAssociationId"], NetworkAclId=other.identifier
        )


def test_snapshots_of_an_instance_bear_their_tags_and_are_locked_once_for_so_many_days() -> None:
    stand = Stand()
    made = stand.ec2.instances.launch(REGION, ACCOUNT, "us-east-1a")
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "incident", "Value": "one"}]}]
    taken = {"InstanceSpecification": {"InstanceId": made.identifier}, "TagSpecifications": tags}
    (info,) = stand.client.create_snapshots(**taken)["Snapshots"]
    assert info["VolumeId"].startswith("vol-")
    ours = [{"Name": "tag:incident", "Values": ["one"]}]
    (found,) = stand.client.describe_snapshots(OwnerIds=["self"], Filters=ours)["Snapshots"]
    assert (found["SnapshotId"], found["State"]) == (info["SnapshotId"], "pending")
    lock = {"SnapshotId": info["SnapshotId"], "LockMode": "compliance", "LockDuration": 30}
    assert stand.client.lock_snapshot(**lock)["LockState"] == "compliance"
    (locked,) = stand.client.describe_locked_snapshots(SnapshotIds=[info["SnapshotId"]])["Snapshots"]
    assert locked["LockDuration"] == 30
    for wrong, code in (
        ({"SnapshotId": "snap-0123456789abcdef0"}, r"InvalidSnapshot\.NotFound"),
        ({"LockMode": "none"}, "InvalidParameterValue"),
        ({"LockDuration": 36_501}, "InvalidParameterValue"),
    ):
        with pytest.raises(ClientError, match=code):
            stand.client.lock_snapshot(**lock | wrong)
    stand.ec2.instances.turn(made.identifier, "terminated")
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        stand.client.create_snapshots(**taken)
