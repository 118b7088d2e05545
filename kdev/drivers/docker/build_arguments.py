"""The build arguments of an image as a builder gets them: from the configuration, the environment and config.json."""

from __future__ import annotations

from kdev.core.actions import Build
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import read_config

_PROXIES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}


def build_arguments(clients: Clients, action: Build) -> dict[str, str]:
    """One without a value takes it from the environment, and is left out when that has none."""
    environment = dict(clients.settings.environment)
    return {
        name: environment[name] if value is None else value
        for name, value in action.build_args
        if value is not None or name in environment
    }


def proxy_arguments(clients: Clients) -> dict[str, str]:
    """The proxies of config.json, which the docker CLI hands to every build. BuildKit's plugin does so by itself."""
    proxies = read_config(clients.settings.config).get("proxies")
    if not isinstance(proxies, dict):
        return {}
    found = proxies.get(clients.endpoint.host) or proxies.get("default")
    if not isinstance(found, dict):
        return {}
    return {
        spelling: str(found[key])
        for key, name in _PROXIES.items()
        if found.get(key)
        for spelling in (name, name.lower())
    }
