"""Who asks: the one place where a request gets its labels, and who may bind to a network.

Only a key in a header counts; nothing in a body, a query or a cookie does. A caller without a key
gets the anonymous labels. What a caller with an unknown key gets depends on whether there are keys:

- Where keys are configured, an unknown one is refused. Somebody who believes to be identified, and
  silently is not, would take missing pages for pages that don't exist.
- Where none is, every key is ignored: OpenAI clients can't be told to send none, and fill in a
  placeholder. A front-end for everybody, beside one with a key of its own, is given a key that maps
  to the anonymous labels.
"""

import hashlib
import hmac
from ipaddress import ip_address
from typing import Protocol

from starlette.requests import Request

from rag.core.definitions.campus import ApiKey, Identity
from rag.core.errors import AccessRefused, BadInput
from rag.core.records import Labels
from rag.core.settings import secret

MIN_KEY_CHARS = 16


class Identify(Protocol):
    """Decides by the request alone what the asker may see."""

    def __call__(self, request: Request) -> Labels:
        """The asker's labels.

        Raises:
            AccessRefused: the request claims an identity that is not known here.
        """


class KeyIdentity:
    """Labels by API key, in `X-API-Key` or as bearer token; the former wins where both are sent.

    Raises:
        BadInput: a key's variable is not set, or its value can't serve as a key.
    """

    def __init__(self, definition: Identity) -> None:
        self._anonymous: Labels = frozenset(definition.anonymous)
        self._labels: dict[bytes, Labels] = {}
        for key in definition.api_keys:
            self._labels[self._digest_of(key)] = frozenset(key.labels)

    def __call__(self, request: Request) -> Labels:
        """The asker's labels.

        Raises:
            AccessRefused: keys are configured, and the one shown is not among them.
        """
        shown = _shown(request)
        if not shown or not self._labels:
            return self._anonymous
        found = self._find(_digest(shown))
        if found is None:
            raise AccessRefused(
                "This API key is not known here.", mend="Mend the key, or leave it out."
            )
        return found

    def _find(self, digest: bytes) -> Labels | None:
        """Compare with every key, so that the time taken tells nothing about any of them."""
        found: Labels | None = None
        for known, labels in self._labels.items():
            if hmac.compare_digest(known, digest):
                found = labels
        return found

    def _digest_of(self, key: ApiKey) -> bytes:
        value = secret(key.key_env) or ""
        if len(value) < MIN_KEY_CHARS or value.split() != [value]:
            raise BadInput(
                f"The value of {key.key_env}, the key of “{key.name}”, can't be an API key.",
                mend=f"Use at least {MIN_KEY_CHARS} characters and no white space.",
            )
        digest = _digest(value.encode())
        if digest in self._labels:
            raise BadInput(
                f"{key.key_env}, the key of “{key.name}”, holds the same value as another one.",
                mend="Give every caller a key of their own.",
            )
        return digest


def check_binding(host: str, identity: Identity, *, allow_open: bool) -> None:
    """Let an endpoint that knows nobody serve this machine only, unless that is wanted.

    Raises:
        BadInput: beyond loopback, without a configured key and without the explicit flag.
    """
    if allow_open or identity.api_keys or is_loopback(host):
        return
    raise BadInput(
        f"“{host}” can be reached from other machines, but no identity is configured.",
        mend="Configure http.identity.api_keys in rag.yaml, bind to 127.0.0.1, "
        "or start with --allow-open to let everybody ask.",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. Names other than localhost are not looked up.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(request: Request) -> bytes:
    """The key that the request shows; header values are bytes, which HTTP reads as Latin-1."""
    own = request.headers.get("x-api-key", "").strip()
    if own:
        return own.encode("latin-1")
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    return token.strip().encode("latin-1") if scheme.lower() == "bearer" else b""


def _digest(value: bytes) -> bytes:
    """All of one length, because a comparison may tell the lengths of what it compares."""
    return hashlib.sha256(value).digest()
