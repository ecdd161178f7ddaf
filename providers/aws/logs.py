"""What EC2 kept of an instance's console: the newest 64 KB, for as long as there is the instance. For diagnosis."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Final

from providers.aws.client import Call, Client
from providers.interface import LogChunk, NotFound, Refused, Unavailable

CHUNK_CHARS: Final = 64 << 10
_WHAT: Final = "for an instance's console"


async def console(client: Client, instance_id: str, after: int) -> AsyncIterator[LogChunk]:
    """Yield what came after ``after`` characters. Raises Unavailable where nothing answered."""
    said = await _read(client, instance_id)
    if said is None:
        return
    try:
        whole = base64.b64decode(said, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise Unavailable(f"AWS's answer when asked {_WHAT} could not be read") from None
    rest = whole[after:]
    for start in range(0, len(rest), CHUNK_CHARS):
        piece = rest[start : start + CHUNK_CHARS]
        yield LogChunk(after + start + len(piece), piece)


async def _read(client: Client, instance_id: str) -> str | None:
    """Return the console as base64: of now where the hypervisor can (all that we rent), else of the last change."""
    asked: dict[str, object] = {"InstanceId": instance_id, "Latest": True}
    try:
        said = await client.read(Call("ec2", "GetConsoleOutput", asked), _WHAT)
    except NotFound:
        return None
    except Refused:
        del asked["Latest"]
        try:
            said = await client.read(Call("ec2", "GetConsoleOutput", asked), _WHAT)
        except NotFound:
            return None
        except Refused as error:
            raise Unavailable(str(error)) from error
    output = said.get("Output")
    return output if isinstance(output, str) and output else None
