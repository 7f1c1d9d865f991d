"""A small certificate authority for the agent stream: one command for it, one a hypervisor.

Promise: private keys are written 0600 in directories 0700 and never leave them; a hypervisor's
certificate names it, and only it can use that name. Not a general PKI: an operator who has one
puts ca.pem, cert.pem and key.pem in the same places.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONTROLLER_NAME: Final = "sdnctl-controller"
"""What the controller's certificate names, wherever it runs; agents check for it."""

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 825
_MAX_NAME: Final = 64  # X.520 ub-common-name


class PkiError(Exception):
    """Something is missing, exists already, or cannot be a name."""


def init_ca(directory: Path) -> None:
    """Make an authority and the controller's own certificate in ``directory``."""
    if (directory / "ca.key").exists():
        raise PkiError(f"{directory} holds an authority already; it is left as it is")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sdnctl CA")])
    certificate = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(directory / "ca.key", key)
    _write_certificate(directory / "ca.pem", certificate)
    _issue(directory, directory, CONTROLLER_NAME, ExtendedKeyUsageOID.SERVER_AUTH)


def enrol(directory: Path, hypervisor: str, out: Path) -> None:
    """Issue ``hypervisor`` its certificate: ca.pem, cert.pem and key.pem in ``out``."""
    if not hypervisor or len(hypervisor) > _MAX_NAME or hypervisor == CONTROLLER_NAME:
        raise PkiError(f"{hypervisor!r} cannot name a hypervisor")
    if not (directory / "ca.key").exists():
        raise PkiError(f"{directory} holds no authority; run sdnctl-controller init-ca first")
    if (out / "key.pem").exists():
        raise PkiError(f"{out} holds a key already; it is left as it is")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    _issue(directory, out, hypervisor, ExtendedKeyUsageOID.CLIENT_AUTH)
    if out != directory:
        _write(out / "ca.pem", (directory / "ca.pem").read_bytes(), 0o644)


def server_credentials(directory: Path) -> grpc.ServerCredentials:
    """MTLS for the controller: only certificates of this authority are let in."""
    try:
        key, certificate, ca = (
            (directory / name).read_bytes() for name in ("key.pem", "cert.pem", "ca.pem")
        )
    except OSError as error:
        raise PkiError(f"the controller's certificate cannot be read: {error}") from error
    return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)


def _issue(directory: Path, out: Path, name: str, purpose: x509.ObjectIdentifier) -> None:
    ca = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{directory / 'ca.key'} is no key of this authority's kind")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, ca.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(out / "key.pem", key)
    _write_certificate(out / "cert.pem", certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        0o600,
    )


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Never readable by others, not even for the moment before a chmod."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
