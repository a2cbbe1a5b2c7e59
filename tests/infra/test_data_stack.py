"""What is kept: the table and the bucket."""

from tests.infra.synthesis import Assembly


def rules(assembly: Assembly) -> dict[str, dict[str, object]]:
    bucket = assembly.only("Data", "AWS::S3::Bucket")["Properties"]
    return {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}


def test_the_table_is_keyed_by_two_strings_and_has_no_index(default: Assembly) -> None:
    table = default.only("Data", "AWS::DynamoDB::Table")["Properties"]
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ]
    assert "LocalSecondaryIndexes" not in table
    assert "GlobalSecondaryIndexes" not in table


def test_the_table_is_on_demand_recoverable_and_kept(default: Assembly) -> None:
    resource = default.only("Data", "AWS::DynamoDB::Table")
    table = resource["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["DeletionProtectionEnabled"] is True
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_bucket_is_private_and_kept_and_nothing_empties_it(default: Assembly) -> None:
    resource = default.only("Data", "AWS::S3::Bucket")
    bucket = resource["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert resource["DeletionPolicy"] == "Retain"
    assert not list(default.all("Custom::S3AutoDeleteObjects"))


def test_the_bucket_refuses_requests_without_tls(default: Assembly) -> None:
    policy = default.only("Data", "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"]
    conditions = {str(s["Condition"]) for s in policy["Statement"] if s["Effect"] == "Deny"}
    assert conditions == {
        "{'Bool': {'aws:SecureTransport': 'false'}}",
        "{'NumericLessThan': {'s3:TlsVersion': 1.2}}",
    }
    assert all(s["Principal"] == {"AWS": "*"} for s in policy["Statement"])


def test_artifacts_have_a_life_cycle(default: Assembly) -> None:
    assert rules(default)["stale-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rules(default)["noncurrent-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rules(default)["tiering"]["Transitions"] == [
        {"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 30}
    ]


def test_versions_and_tiering_may_be_declined(everything: Assembly) -> None:
    assert set(rules(everything)) == {"stale-uploads"}
    assert "VersioningConfiguration" not in everything.only("Data", "AWS::S3::Bucket")["Properties"]


def test_aws_owned_keys_cost_nothing(default: Assembly) -> None:
    assert not list(default.all("AWS::KMS::Key"))
    bucket = default.only("Data", "AWS::S3::Bucket")["Properties"]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_a_customers_key_rotates_and_encrypts_table_and_bucket(everything: Assembly) -> None:
    ((name, key),) = everything.resources("Data", "AWS::KMS::Key").items()
    assert key["Properties"]["EnableKeyRotation"] is True
    arn = {"Fn::GetAtt": [name, "Arn"]}
    table = everything.only("Data", "AWS::DynamoDB::Table")["Properties"]
    assert table["SSESpecification"] == {"KMSMasterKeyId": arn, "SSEEnabled": True, "SSEType": "KMS"}
    bucket = everything.only("Data", "AWS::S3::Bucket")["Properties"]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"KMSMasterKeyID": arn, "SSEAlgorithm": "aws:kms"}
    assert encryption["BucketKeyEnabled"] is True


def test_data_may_be_given_up_by_choice(everything: Assembly) -> None:
    assert (
        everything.only("Data", "AWS::DynamoDB::Table")["Properties"]["DeletionProtectionEnabled"] is False
    )
    assert everything.only("Data", "AWS::S3::Bucket")["DeletionPolicy"] == "Delete"


def test_both_are_told_as_outputs(default: Assembly) -> None:
    assert {"TableName", "BucketName"} <= default.templates["Data"]["Outputs"].keys()
