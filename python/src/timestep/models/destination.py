"""Where an Ollama model runs: this machine, a given host or Ollama Cloud.

A name that ends in `-cloud` or `:cloud` means Ollama Cloud. The key in OLLAMA_API_KEY goes
there and to no other host.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agents import UserError

from timestep.errors import ConfigurationError
from timestep.settings import text

CLOUD = "https://ollama.com"
LOCAL = "http://localhost:11434"
NO_KEY = "ollama"  # the client insists on a key; a local server ignores it
_PORTS = {"http": 80, "https": 443}
_BARE_IPV6 = re.compile(r"[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*", re.IGNORECASE)
_CLOUD_SUFFIX = re.compile(r"[-:]cloud$", re.IGNORECASE)


@dataclass(frozen=True)
class Destination:
    """The host, the model's name there and the key that is sent along."""

    root: str
    model: str
    key: str = field(repr=False)

    @property
    def cloud(self) -> bool:
        """Whether the host belongs to Ollama Cloud."""
        return is_cloud_host(self.root)


def find_destination(
    name: str | None, *, api_key: str | None, base_url: str | None, key_means_cloud: bool
) -> Destination:
    """Return where the model runs.

    Args:
        name: The model's name without a provider prefix, for example "gpt-oss:20b-cloud".
        api_key: The key that was passed to the provider.
        base_url: The host that was passed to the provider.
        key_means_cloud: Whether a plain name goes to Ollama Cloud when a key was passed.

    Raises:
        UserError: There is no name, or Ollama Cloud is meant and there is no key.
        ConfigurationError: The host cannot be read.
    """
    if not name or not _CLOUD_SUFFIX.sub("", name):
        raise UserError(f"{name!r} names no Ollama model: write one, for example 'gpt-oss:20b'.")
    root = _root(name, api_key=api_key, base_url=base_url, key_means_cloud=key_means_cloud)
    if not is_cloud_host(root):
        return Destination(root, name, (base_url and api_key) or NO_KEY)
    key = api_key or text("OLLAMA_API_KEY")
    if key is None:
        raise UserError(
            f"{name!r} runs on Ollama Cloud, which needs a key and there is none: set "
            f"OLLAMA_API_KEY or pass api_key. To go through a local Ollama that is signed in, "
            f"pass base_url='{LOCAL}'."
        )
    return Destination(root, _CLOUD_SUFFIX.sub("", name), key)


def _root(name: str, *, api_key: str | None, base_url: str | None, key_means_cloud: bool) -> str:
    if base_url:
        return parse_host(base_url, "base_url")
    if is_cloud_name(name) or (api_key and key_means_cloud):
        return CLOUD
    return parse_host(text("OLLAMA_HOST") or LOCAL, "OLLAMA_HOST")


def is_cloud_name(name: str) -> bool:
    """Whether a model's name means Ollama Cloud."""
    return _CLOUD_SUFFIX.search(name) is not None


def is_cloud_host(root: str) -> bool:
    """Whether a host is ollama.com or lies below it."""
    return re.fullmatch(r"https://([^/]+\.)?ollama\.com", root) is not None


def parse_host(value: str, source: str) -> str:
    """Return a host as scheme, name and port, read as Ollama's own clients read OLLAMA_HOST.

    Args:
        value: For example "0.0.0.0", "box:8080", "https://box/ollama" or "[::1]".
        source: The name of the setting or argument, for the error.

    Raises:
        ConfigurationError: The value is no http or https host.
    """
    scheme, mark, rest = value.strip().partition("://")
    if not mark:
        scheme, rest = "http", value.strip()
    if _BARE_IPV6.fullmatch(rest):
        rest = f"[{rest}]"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port or (_PORTS[scheme.lower()] if mark else 11434)
        host = _reachable(parts.hostname or "127.0.0.1")
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"{source} is no http or https host with a port up to 65535. "
            "Write it as in 'http://localhost:11434'."
        ) from error
    if host == "ollama.com" or host.endswith(".ollama.com"):
        return f"https://{host}"  # never in the clear: a key goes there
    shown = "" if port == _PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/').removesuffix('/v1')}"


def _reachable(host: str) -> str:
    """Return a listening address as one that can be called, with the brackets of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if re.fullmatch(r"[a-z0-9_.-]+", host) is None:
            raise
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"
