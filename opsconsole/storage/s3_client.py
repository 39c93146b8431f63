"""A client of one bucket: no files or variables of the machine's user, no proxy, no redirect, checked addresses."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

from opsconsole.outbound import may_reach
from opsconsole.storage.s3_problems import StoreProblem, problem

CONNECT_SECONDS, READ_SECONDS = 10, 60
TRIES = 5  # of each request, with growing pauses
PART_BYTES = 16 << 20  # all parts of an upload have one size, for some servers insist on it
MOST_PARTS = 10_000  # of one upload, by the S3 manual


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an S3 store is, and how it is opened.

    `endpoint` is empty for AWS itself. `prefix` ends in "/" or is empty. `conditional` says whether the server heeds
    `If-None-Match: *`; None lets the store find out. `networks` are those that are not public and may be reached.
    """

    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    path_style: bool = True
    certificates: str = ""  # a file of certificate authorities; empty: those that are usually trusted
    quota_bytes: int | None = None
    conditional: bool | None = None
    part_bytes: int = PART_BYTES
    networks: tuple[str, ...] = ()
    tries: int = TRIES
    seconds: float = 0.0  # for a connection, and for each answer; 0: as long as transfers wait


def connect(place: Place) -> Any:
    """The client of a place; places on one server share it. Raises StoreProblem for an address not to be reached."""
    _check_endpoint(place)
    return _client(replace(place, bucket="", prefix="", quota_bytes=None, conditional=None, part_bytes=0))


@lru_cache(maxsize=32)
def _client(place: Place) -> Any:
    session = botocore.session.Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    client = boto3.session.Session(botocore_session=session).client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint or None,
        aws_access_key_id=place.access_key,
        aws_secret_access_key=place.secret_key,
        verify=place.certificates or True,
        config=Config(
            connect_timeout=place.seconds or CONNECT_SECONDS,
            read_timeout=place.seconds or READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": place.tries},
            s3={"addressing_style": "path" if place.path_style else "virtual"},
            proxies={},
            ignore_configured_endpoint_urls=True,
            request_checksum_calculation="when_required",  # ours are SHA-256, and told by us
            response_checksum_validation="when_required",
        ),
    )
    sender = _Sender(place)
    client.meta.events.register_first("before-send.s3", sender.send)
    return client


def _check_endpoint(place: Place) -> None:
    """Refuse what cannot be right before anything is sent: another scheme, an address that may not be reached."""
    if not place.endpoint:
        return
    parts = urlsplit(place.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise problem("store_not_s3", "The endpoint is no address that begins with https://.")
    if parts.username or parts.query or parts.fragment:
        raise problem("store_not_s3", "The endpoint carries more than scheme, host, port and path.")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = {str(item[4][0]) for item in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)}
    except (OSError, ValueError, UnicodeError):
        raise problem("store_dns", f"The host {parts.hostname} of the endpoint is not known.") from None
    for address in sorted(found):
        require_reachable(address, place.networks)
        if parts.scheme == "http" and not _is_listed(address, place.networks):
            raise problem("store_tls", f"The endpoint {parts.hostname} is public and would be spoken to without TLS.")


def _is_listed(address: str, networks: Sequence[str]) -> bool:
    return bool(networks) and may_reach(address, networks) and not may_reach(address, ())


def require_reachable(address: str, networks: Sequence[str]) -> None:
    if not may_reach(address, networks):
        raise problem("store_address", f"The endpoint leads to {address}, which is no public address.")


class _Sender:
    """Sends the requests of one client over connections whose far end was looked at before a byte goes out."""

    def __init__(self, place: Place) -> None:
        self._session = URLLib3Session(
            verify=place.certificates or True,
            proxies={},
            timeout=(place.seconds or CONNECT_SECONDS, place.seconds or READ_SECONDS),
        )
        pools = {"http": _pool(AWSHTTPConnectionPool, AWSHTTPConnection, place.networks),
                 "https": _pool(AWSHTTPSConnectionPool, AWSHTTPSConnection, place.networks)}  # fmt: skip
        self._session._manager.pool_classes_by_scheme = pools

    def send(self, request: Any, **_: Any) -> Any:
        try:
            return self._session.send(request)
        except HTTPClientError as error:
            if isinstance(cause := error.kwargs.get("error"), StoreProblem):
                raise cause from None  # the same address would be refused again
            raise


def _pool(pool: type, connection: type, networks: Sequence[str]) -> type:
    def checked(self: Any) -> socket.socket:
        opened: socket.socket = connection._new_conn(self)  # type: ignore[attr-defined]
        try:
            require_reachable(str(opened.getpeername()[0]), networks)
        except StoreProblem:
            opened.close()
            raise
        return opened

    looked_at = type(f"Checked{connection.__name__}", (connection,), {"_new_conn": checked})
    return type(f"Checked{pool.__name__}", (pool,), {"ConnectionCls": looked_at})
