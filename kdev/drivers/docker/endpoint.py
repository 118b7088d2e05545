"""Where the Docker Engine is: DOCKER_HOST, a docker context or the default socket, as the docker CLI would choose.

On the hot path: no SDK, nothing heavy. It reads the docker configuration folder and never the process environment.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from kdev.errors import TargetError

DEFAULT_HOST = "unix:///var/run/docker.sock"


class DockerSettings(NamedTuple):
    """What the environment says about Docker. `config` is the folder of config.json.

    `environment` is what programs that we start (docker, ssh, credential helpers) get as theirs, and where a build
    argument without a value finds one; it is a sorted tuple of pairs.
    """

    host: str = ""
    context: str = ""
    tls_verify: bool = False
    cert_path: str = ""
    api_version: str = ""
    config: str = ""
    environment: tuple[tuple[str, str], ...] = ()


class Endpoint(NamedTuple):
    """An engine's address and how to trust it. `ca`, `cert` and `key` are files, "" when there is none.

    `context` names the docker context it came from, "" for DOCKER_HOST and for the default.
    """

    host: str
    tls: bool = False
    verify: bool = True
    ca: str = ""
    cert: str = ""
    key: str = ""
    context: str = ""


def settings_from(environment: Mapping[str, str], home: str) -> DockerSettings:
    """The settings that `environment` holds, read as the docker CLI reads them."""
    return DockerSettings(
        host=environment.get("DOCKER_HOST", ""),
        context=environment.get("DOCKER_CONTEXT", ""),
        tls_verify=bool(environment.get("DOCKER_TLS_VERIFY", "")),
        cert_path=environment.get("DOCKER_CERT_PATH", ""),
        api_version=environment.get("DOCKER_API_VERSION", ""),
        config=environment.get("DOCKER_CONFIG", "") or os.path.join(home, ".docker"),
        environment=tuple(sorted(environment.items())),
    )


def resolve(settings: DockerSettings) -> Endpoint:
    """The engine that `settings` mean. DOCKER_HOST wins over DOCKER_CONTEXT, and that over config.json.

    Raises TargetError when a context is named that does not exist or cannot be read.
    """
    if settings.host:
        return _from_host(settings)
    name = settings.context or _current_context(settings.config)
    if not name or name == "default":
        return _from_host(settings._replace(host=DEFAULT_HOST)) if settings.tls_verify else Endpoint(DEFAULT_HOST)
    return _from_context(settings.config, name)


def read_config(folder: str) -> Mapping[str, object]:
    """config.json in `folder`; {} when there is none. TargetError when it is not a JSON object."""
    path = os.path.join(folder, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise TargetError(f"cannot read {path}: {error}", hint="repair the file or move it away") from error
    if not isinstance(content, dict):
        raise TargetError(f"{path} is not a JSON object", hint="repair the file or move it away")
    return content


def _from_host(settings: DockerSettings) -> Endpoint:
    host = settings.host if "://" in settings.host else f"tcp://{settings.host}"
    # As for the docker CLI: a certificate folder alone does not turn TLS on, DOCKER_TLS_VERIFY does; with no folder
    # named, the certificates are looked for beside config.json.
    if not settings.tls_verify or not host.startswith("tcp://"):
        return Endpoint(host)
    folder = settings.cert_path or settings.config
    return Endpoint(
        host, tls=True, verify=True,
        ca=_existing(folder, "ca.pem"), cert=_existing(folder, "cert.pem"), key=_existing(folder, "key.pem"),
    )


def _current_context(folder: str) -> str:
    name = read_config(folder).get("currentContext", "")
    return name if isinstance(name, str) else ""


def _from_context(folder: str, name: str) -> Endpoint:
    # The docker CLI stores a context under the digest of its name, so that any name is a safe path.
    identifier = hashlib.sha256(name.encode()).hexdigest()
    path = os.path.join(folder, "contexts", "meta", identifier, "meta.json")
    hint = "see `docker context ls`, or set DOCKER_HOST"
    try:
        with open(path, encoding="utf-8") as file:
            docker = json.load(file)["Endpoints"]["docker"]
            host, skip_verify = str(docker.get("Host") or DEFAULT_HOST), bool(docker.get("SkipTLSVerify", False))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TargetError(f"the docker context {name!r} does not exist", hint=hint) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"cannot read the docker context {name!r}: {error!r}", hint=hint) from error
    tls = os.path.join(folder, "contexts", "tls", identifier, "docker")
    ca, cert, key = _existing(tls, "ca.pem"), _existing(tls, "cert.pem"), _existing(tls, "key.pem")
    secure = host.startswith("tcp://") and bool(ca or cert or skip_verify)
    return Endpoint(host, tls=secure, verify=not skip_verify, ca=ca, cert=cert, key=key, context=name)


def _existing(folder: str, name: str) -> str:
    path = os.path.join(folder, name)
    return path if os.path.isfile(path) else ""
