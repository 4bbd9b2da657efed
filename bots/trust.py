"""Whom a generator behind HTTPS trusts."""

import ssl
from pathlib import Path

from rag.core.errors import ConfigError


def trusted(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts the certificates in the file and no others.

    Raises:
        ConfigError: there is no such file, or no certificate in it.
    """
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"No certificate can be read from it: {error}.",
            file=ca_file,
            key="ca_file",
            mend="Name a file of PEM certificates.",
        ) from error
