"""The common parts of all events' data."""

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAX_BODY_BYTES: Final = 512 * 1024  # of a message; an upload with all its fields at their limits has 400 KB

Text255 = Annotated[str, Field(max_length=255)]
Text4096 = Annotated[str, Field(max_length=4096)]
Tenant = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
DomainText = Annotated[
    str, Field(min_length=1, max_length=1024, description="host name or wildcard, as people write it")
]
JsonObject = dict[str, JsonValue]


class Data(BaseModel):
    """The data of one type of event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]

    @property
    def key(self) -> str:
        """The subject of the event, as in CloudEvents; events of one key are published in order."""
        for name in ("domain", "certificate_id"):
            if value := getattr(self, name, None):
                return str(value)
        return self.type


class PublicRequest(Data):
    """The data of a public type: a request from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tenant: Tenant = ""
