"""Schema of v1beta3 (DevSpace 4.0), as its difference from v1beta2."""

from __future__ import annotations

from kdev.spec.schema import FLAG, NUMBER, TEXT, TEXTS, Anything, Field, ListOf, MapOf, Record, Text
from kdev.spec.versions import component, v1beta2

NAME = "v1beta3"

_IMAGE_NAME = Field("imageName", TEXT, "A key of images: pods that run that image.")
_REPLACE_TAGS = Field("replaceImageTags", FLAG, "Put the built tags in.", default=True)

IMAGE = v1beta2.IMAGE.changed(
    Field("entrypoint", TEXTS, "Replaces the Dockerfile's ENTRYPOINT."),
    Field("cmd", TEXTS, "Replaces the Dockerfile's CMD."),
    Field("createPullSecret", FLAG, "Make a pull secret in the cluster.", default=True),
)

CONTAINER = component.CONTAINER.changed(
    Field("stdin", FLAG, "Keep standard input open.", default=False),
    Field("tty", FLAG, "Allocate a terminal.", default=False),
)
COMPONENT = component.COMPONENT.changed(
    Field("initContainers", ListOf(CONTAINER), "Containers that run first."),
    Field("containers", ListOf(CONTAINER), "Containers of the pod."),
    Field("ingress", component.INGRESS.changed(
        Field("rules", ListOf(component.INGRESS_RULE.changed(
            Field("serviceName", TEXT, "Another service."),
        )), "Rules."),
    )),
    Field("options", component.OPTIONS.changed(_REPLACE_TAGS), "How it is deployed."),
)
HELM = v1beta2.HELM.changed(_REPLACE_TAGS, drop=("devSpaceValues",))
KUBECTL = v1beta2.KUBECTL.changed(_REPLACE_TAGS)
DEPLOYMENT = v1beta2.DEPLOYMENT.changed(
    Field("component", COMPONENT, "Deploy with the component chart."),
    Field("helm", HELM, "Deploy a helm chart."),
    Field("kubectl", KUBECTL, "Apply manifests."),
)

PORTS = v1beta2.PORTS.changed(_IMAGE_NAME, drop=("selector",))
SYNC = v1beta2.SYNC.changed(
    _IMAGE_NAME,
    Field("downloadOnInitialSync", FLAG, "Download files that only the container has; without it they are deleted."),
    drop=("selector",),
)
INTERACTIVE_IMAGE = Record("interactive image", (
    Field("name", TEXT, "A key of images.", required=True),
    Field("entrypoint", TEXTS, "Replaces the ENTRYPOINT."),
    Field("cmd", TEXTS, "Replaces the CMD."),
    Field("dockerfile", TEXT, "From dev.overrideImages of v1beta2.", internal=True),
    Field("context", TEXT, "From dev.overrideImages of v1beta2.", internal=True),
    Field("always", FLAG, "v1beta2 builds so in every dev, not only with a terminal.", internal=True, default=False),
))
INTERACTIVE_TERMINAL = v1beta2.TERMINAL.changed(_IMAGE_NAME, drop=("disabled", "selector"))
INTERACTIVE = Record("interactive", (
    Field("defaultEnabled", FLAG, "Open a terminal without -i as well.", default=False),
    Field("images", ListOf(INTERACTIVE_IMAGE), "How images are built for a terminal."),
    Field("terminal", INTERACTIVE_TERMINAL, "The terminal that is opened."),
))
DEV = v1beta2.DEV.changed(
    Field("ports", ListOf(PORTS), "Ports to forward."),
    Field("sync", ListOf(SYNC), "Folders to keep equal."),
    Field("open", ListOf(Record("open", (
        Field("url", TEXT, "Opened in the browser as soon as it answers.", required=True),
    ))), "Pages to open."),
    Field("logs", Record("logs", (
        Field("disabled", FLAG, "Show no logs.", default=False),
        Field("showLast", NUMBER, "Lines of history.", default=50),
        Field("images", TEXTS, "Keys of images; all when unset."),
    )), "Which logs dev shows."),
    Field("interactive", INTERACTIVE, "What -i does."),
    drop=("overrideImages", "terminal", "selectors"),
)
DEPENDENCY = v1beta2.DEPENDENCY.changed(
    Field("profile", TEXT, "Profile to use."), drop=("config",)
)
VARIABLE = v1beta2.VARIABLE.changed(Field("password", FLAG, "Hide the answer.", default=False))

_SECTIONS = (
    Field("images", MapOf(IMAGE), "Images to build."),
    Field("deployments", ListOf(DEPLOYMENT), "What is deployed, in this order."),
    Field("dev", DEV, "What dev adds."),
    Field("dependencies", ListOf(DEPENDENCY), "Other projects."),
    Field("hooks", v1beta2.SCHEMA.field("hooks").type, "Commands around building and deploying."),
)
PATCH = Record("patch", (
    Field("op", Text(choices=("add", "remove", "replace", "move", "copy", "test")), "What to do.", required=True),
    Field("path", TEXT, "Where: images.web.tag, dev.ports[0], or /images/web/tag.", required=True),
    Field("value", Anything(), "The new value."),
    Field("from", TEXT, "Where move and copy take it from."),
))
PROFILE = Record("profile", (
    Field("name", TEXT, "Name for -p.", required=True),
    Field("replace", Record("replacements", _SECTIONS), "Sections that take the place of the configuration's."),
    Field("patches", ListOf(PATCH), "Changes, applied in order."),
))
COMMAND = Record("command", (
    Field("name", TEXT, "Name for `run`.", required=True),
    Field("command", TEXT, "A shell script.", required=True),
))

SCHEMA = Record("configuration", (
    Field("version", Text(choices=(NAME,)), "Version of this file's schema.", required=True),
    Field("name", TEXT, "Not used in this version."),
    *_SECTIONS,
    Field("commands", ListOf(COMMAND), "Commands for `run`."),
    Field("vars", ListOf(VARIABLE), "Variables."),
    Field("profiles", ListOf(PROFILE), "Variants of this configuration."),
    Field("cluster", v1beta2.CLUSTER, "From v1beta2.", internal=True),
))
