"""Errors as Neutron's clients know them: a status, a type's name, a sentence.

The names and sentences are Neutron's own (neutron_lib.exceptions), because clients and their
users match on them; the sentence always says which thing and why.
"""

from __future__ import annotations

from typing import Final

from sdnctl.store import CommitFailed, Exhausted, StoreError, Taken


class ApiError(Exception):
    """An answer that is not a success: ``status``, Neutron's ``kind`` and ``message``."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message

    def body(self) -> dict[str, dict[str, str]]:
        """What is sent."""
        return {"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}}

    def identity_body(self) -> dict[str, dict[str, str | int]]:
        """What is sent where identity v3 is served."""
        return {"error": {"code": self.status, "title": self.kind, "message": self.message}}


def bad_request(message: str) -> ApiError:
    """The request makes no sense, whatever the state."""
    return ApiError(400, "HTTPBadRequest", message)


def invalid_value(name: str, reason: object) -> ApiError:
    """An attribute's value is wrong in itself."""
    text = str(reason).rstrip(".")
    if len(text) > 300:
        text = f"{text[:300]}..."
    return bad_request(f"Invalid input for {name}. Reason: {text}.")


def bad(resource: str, reason: str) -> ApiError:
    """A request for a resource that does not fit the state, as Neutron's plugins say it."""
    return ApiError(400, "BadRequest", f"Bad {resource} request: {reason}.")


def invalid_input(message: str) -> ApiError:
    """Well-formed values that do not fit together or do not fit the state."""
    return ApiError(400, "InvalidInput", f"Invalid input for operation: {message.rstrip('.')}.")


_NOT_FOUND: Final = {
    "SecurityGroup": "Security group {} does not exist",
    "SecurityGroupRule": "Security group rule {} does not exist",
    "AddressGroup": "Address group {} could not be found.",
    "DefaultSecurityGroupRule": "Default Security Group rule {} does not exist",
}
"""Sentences that are not like the others."""
_WORDS = {
    "SubnetPool": "Subnet pool",
    "AddressScope": "Address scope",
    "RbacPolicy": "RBAC policy",
    "QosPolicy": "QoS policy",
    "FloatingIP": "Floating IP",
    "PortForwarding": "Port Forwarding",
}
"""Types of resources that are not called as they are written."""


def not_found(name: str, id_: str) -> ApiError:
    """``name`` is the type of a resource, as in ``Network``."""
    if name in _NOT_FOUND:
        return ApiError(404, f"{name}NotFound", _NOT_FOUND[name].format(id_))
    end = "" if name in {"Router", "BGPVPN", "FloatingIP"} else "."
    words = _WORDS.get(name, name)
    return ApiError(404, f"{name}NotFound", f"{words} {id_} could not be found{end}")


def no_such_path() -> ApiError:
    """Nothing is served there."""
    return ApiError(404, "HTTPNotFound", "The resource could not be found.")


def not_allowed() -> ApiError:
    """Something is served there, but not by that method."""
    return ApiError(405, "HTTPMethodNotAllowed", "The method is not allowed for this resource.")


def conflict(kind: str, message: str) -> ApiError:
    """The state does not allow it."""
    return ApiError(409, kind, message)


def unavailable(message: str) -> ApiError:
    """Not now."""
    return ApiError(503, "ServiceUnavailable", message)


def of_store(error: StoreError) -> ApiError:
    """The answer to a request that the store refused."""
    match error:
        case Taken(claim=claim, holder=holder) if claim.space == "security_group_rule":
            return conflict(
                "SecurityGroupRuleExists",
                f"Security group rule already exists. Rule id is {holder[1]}.",
            )
        case Taken(claim=claim, holder=holder) if claim.space == "default_rule":
            return conflict(
                "DefaultSecurityGroupRuleExists",
                f"Default Security group rule already exists. Rule id is {holder[1]}.",
            )
        case Taken(claim=claim, holder=holder):
            return _taken(claim.space, claim.scope, str(claim.value), f"{holder[0]} {holder[1]}")
        case Exhausted(space=space) if space.startswith("address"):
            return conflict(
                "IpAddressGenerationFailure",
                f"No more IP addresses available for {space.removeprefix('address of ')}.",
            )
        case Exhausted(space=space):
            return unavailable(f"No {space.replace('_', ' ')} is left to allocate.")
        case CommitFailed():
            return unavailable("The store could not write; nothing was changed.")
        case _:
            return ApiError(500, "HTTPInternalServerError", "The store failed.")


def _taken(space: str, scope: str, value: str, holder: str) -> ApiError:
    match space:
        case "mac":
            return conflict(
                "MacAddressInUse",
                f"Unable to complete operation for network {scope}. "
                f"The mac address {value} is in use.",
            )
        case "address":
            return conflict(
                "IpAddressAlreadyAllocated",
                f"IP address {value} already allocated in subnet {scope}.",
            )
        case "vlan":
            return conflict(
                "DuplicateSubPort",
                f"segmentation_type vlan and segmentation_id {value} already in use on trunk "
                f"{scope}.",
            )
        case "default_qos_policy":
            return conflict(
                "QoSPolicyDefaultAlreadyExists",
                f"A default QoS policy exists for project {value}.",
            )
        case "trunk_port":
            return conflict(
                "ParentPortInUse",
                f"Port {value} is currently in use and is not eligible for use as a parent port.",
            )
        case "vni":
            return conflict(
                "TunnelIdInUse",
                f"Unable to create the network. The tunnel ID {value} is in use by {holder}.",
            )
        case _:
            name = space.replace("_", " ")
            return conflict(
                f"{name.title().replace(' ', '')}InUse",
                f"The {name} {value} is in use by {holder}.",
            )
