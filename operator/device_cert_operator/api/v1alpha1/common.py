"""What both kinds share: the base model, rules, bounded text, references, conditions."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from device_cert_operator.api.durations import PATTERN

GROUP = "devicecert.io"
VERSION = "v1alpha1"
_LABEL = "[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?"
DNS_NAME = rf"^{_LABEL}(\.{_LABEL})*\.?$"
HOST = rf"^(([0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*|{_LABEL}(\.{_LABEL})*\.?)$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class Model(BaseModel):
    """camelCase outside; fields that are not known are left alone."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


def rules(*pairs: tuple[str, str]) -> ConfigDict:
    """CEL rules beside the model they belong to: (rule, message that says what to do)."""
    return ConfigDict(json_schema_extra=rules_on(*pairs))


def rule(expression: str, message: str) -> dict[str, Any]:
    """A CEL rule on a field, for `Field(json_schema_extra=…)`."""
    return rules_on((expression, message))


def between(field: str, least: str, most: str) -> dict[str, Any]:
    """A rule on a duration; what is none gets the same sentence, not CEL's."""
    return rule(
        f"self.matches('^([0-9]+[hms]){{1,3}}$') && duration(self) >= duration('{least}') && "
        f"duration(self) <= duration('{most}')",
        f"{field} must be between {least} and {most}, written such as 30s, 5m or 1h30m",
    )


def rules_on(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Several CEL rules on a field."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


Text = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME)]
Duration = Annotated[str, Field(min_length=2, max_length=20, pattern=PATTERN)]
Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Sha256 = Annotated[str, Field(max_length=71, pattern="^(sha256:)?[0-9a-fA-F]{64}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=-1, le=2147483647)]


class SecretRef(Model):
    """A Secret in the same namespace."""

    name: Name = Field(description="Name of the Secret.")


class Condition(Model):
    """A condition as the Kubernetes API conventions define it."""

    type: Text = Field(description="Name of the condition.")
    status: Annotated[str, Field(json_schema_extra={"enum": ["True", "False", "Unknown"]})] = Field(
        description="True, False or Unknown."
    )
    reason: Text | None = Field(None, description="Why, in one word.")
    message: LongText | None = Field(None, description="Why, and the next move.")
    observed_generation: int | None = Field(None, description="Generation of the spec that it is about.")
    last_transition_time: Time | None = Field(None, description="When status changed last.")


class Served(Model):
    """What a certificate says, as far as people ask for it."""

    fingerprint: Text | None = Field(None, description="SHA-256 over the DER, hex.")
    subject: LongText | None = Field(None, description="RFC 4514.")
    issuer: LongText | None = Field(None, description="RFC 4514.")
    serial_number: Text | None = Field(None, description="Hex.")
    not_before: Time | None = Field(None, description="Valid from.")
    not_after: Time | None = Field(None, description="Valid until.")
    dns_names: list[Text] | None = Field(None, description="Of its subject alternative name.", max_length=64)
    ip_addresses: list[Text] | None = Field(None, description="Of its subject alternative name.", max_length=64)


class RevisionRef(Model):
    """A revision of a certificate: a Secret and what is in it."""

    number: Count | None = Field(None, description="Counts up with each certificate issued.")
    secret_name: Text | None = Field(None, description="Secret that holds it.")
    fingerprint: Text | None = Field(None, description="SHA-256 over the DER, hex.")


CONDITIONS: dict[str, Any] = {
    "description": "What holds, and why; Ready, Reconciling and Stalled as kstatus reads them.",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
