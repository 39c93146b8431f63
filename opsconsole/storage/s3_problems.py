"""What a server that speaks S3, or the way to it, refuses: classes of failure, each with the next step.

A server's own words are not repeated: they may quote keys. Its code is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, NameResolutionError

from opsconsole.exceptions import OperationFailed

NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
UNKNOWN_CONDITION = frozenset({"NotImplemented", "501", "InvalidArgument", "InvalidRequest", "BadRequest", "400"})
INTERRUPTED = (boto.HTTPClientError, boto.ConnectionError, HTTPError, boto.IncompleteReadError)

ASK = "then press Check on the page of the store, or run `manage.py store check`."
_NEXT = {
    "store_dns": "Correct the host name of the endpoint, or the name service of this machine, " + ASK,
    "store_unreachable": "Look whether the server runs, its port, and firewalls between here and there, " + ASK,
    "store_timeout": "Look at the network and at the load of the server, " + ASK,
    "store_tls": "Renew the server's certificate, or name the file of the authority that signed it, " + ASK,
    "store_address": "Name a public host, or add its network to STORE_PRIVATE_NETWORKS and restart the console, " + ASK,
    "store_credentials": "Give the store a valid access key and secret, " + ASK,
    "store_permission": "Let the key list the bucket and get, put and delete objects in it, and abort uploads, " + ASK,
    "store_bucket": "Create the bucket, or correct its name, " + ASK,
    "store_region": "Correct the region of the store (the server says another one is right), " + ASK,
    "store_clock": "Set the clock of this machine (an S3 server takes 15 minutes at most), " + ASK,
    "store_busy": "Wait a moment and ask again; if it stays, look at the status of the service.",
    "store_not_s3": "Correct the endpoint: it must lead to the S3 interface, not to a page for people, " + ASK,
    "store_interrupted": "Look at the network between here and the server, then ask for the operation again.",
    "store_too_large": "Back up with a format that writes more than one object, or with larger parts.",
    "store_changed": "Find out who else writes to the bucket; the console never changes an object.",
    "store_refused": "Look the code up in the manual of the service, " + ASK,
    "disk_full": "Free space in the store or raise its limit, then ask for the operation again.",
}
_CODES = {
    "NoSuchBucket": "store_bucket",
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "InvalidSecurity",
         "AuthFailure", "UnrecognizedClientException"), "store_credentials"),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401"), "store_permission"),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), "store_clock"),
    **dict.fromkeys(
        ("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307",
         "IllegalLocationConstraintException"), "store_region"),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "OperationAborted"), "store_busy"),
    **dict.fromkeys(("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"), "disk_full"),
}  # fmt: skip


class StoreProblem(OperationFailed):
    """A store cannot be reached or used; `code` is one of the classes above."""


def problem(code: str, why: str) -> StoreProblem:
    return StoreProblem(code, why, _NEXT[code])


@contextmanager
def answers(what: str, seconds: float = 0) -> Iterator[None]:
    """Turn what boto raises while doing `what` into FileNotFoundError, FileExistsError or StoreProblem.

    `seconds` are those that an answer was waited for, where these are not the usual ones.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _answered(what, error) from error
    except (boto.BotoCoreError, HTTPError) as error:
        raise _unanswered(what, error, seconds) from error


def code_of(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(what: str, error: boto.ClientError) -> Exception:
    code, status = code_of(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in NOT_THERE:
        return FileNotFoundError(what)
    if code in TAKEN:
        return FileExistsError(what)
    found = _CODES.get(code) or ("store_busy" if status >= 500 else "store_refused")
    return problem(found, f"The store's server refused {what} ({code}).")


def _unanswered(what: str, error: Exception, seconds: float) -> StoreProblem:
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(error, boto.SSLError):
        return problem("store_tls", f"The certificate of the store's server is not accepted, at {what}.")
    if isinstance(error, boto.ConnectTimeoutError | boto.ReadTimeoutError):
        how_long = f"within {seconds:g} s" if seconds else "in time"
        return problem("store_timeout", f"The store's server did not answer {how_long}, at {what}.")
    if isinstance(error, boto.EndpointConnectionError | boto.HTTPClientError) and isinstance(
        cause, NameResolutionError
    ):
        return problem("store_dns", f"The host of the store's endpoint is not known, at {what}.")
    if isinstance(error, ResponseParserError | boto.ParamValidationError):
        return problem("store_not_s3", f"What answers at the endpoint does not speak S3, at {what}.")
    if isinstance(error, boto.EndpointConnectionError):
        return problem("store_unreachable", f"Nothing answers at the endpoint, at {what}.")
    return problem("store_interrupted", f"The connection to the store broke, at {what}.")
