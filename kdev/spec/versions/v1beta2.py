"""Schema of v1beta2 (DevSpace 3.5): devspace.yaml, and what devspace-configs.yaml and devspace-vars.yaml hold."""

from __future__ import annotations

from kdev.spec.schema import FLAG, NUMBER, TEXT, TEXT_MAP, TEXTS, Anything, Field, ListOf, MapOf, Record, Text
from kdev.spec.versions.component import COMPONENT, PORT

NAME = "v1beta2"

BUILD_OPTIONS = Record("build options", (
    Field("target", TEXT, "Stage to build."),
    Field("network", TEXT, "Network during the build."),
    Field("buildArgs", MapOf(Text(nullable=True)), "Build arguments; null takes the value of the environment."),
))
DOCKER = Record("docker build", (
    Field("preferMinikube", FLAG, "Build with minikube's engine when that is the target.", default=True),
    Field("skipPush", FLAG, "Build only.", default=False),
    Field("disableFallback", FLAG, "No other builder when docker cannot be reached.", default=False),
    Field("options", BUILD_OPTIONS),
))
KANIKO = Record("kaniko build", (
    Field("cache", FLAG, "Cache layers in the registry.", default=True),
    Field("snapshotMode", TEXT, "How changes are found.", default="time"),
    Field("flags", TEXTS, "Further arguments for the executor.", aliases=("args",)),
    Field("namespace", TEXT, "Where the build pod runs."),
    Field("insecure", FLAG, "Allow a registry without TLS.", default=False),
    Field("pullSecret", TEXT, "Secret with the registry's credentials."),
    Field("options", BUILD_OPTIONS),
))
CUSTOM = Record("custom build", (
    Field("command", TEXT, "Program that builds and pushes.", required=True),
    Field("flags", TEXTS, "Arguments.", aliases=("args",)),
    Field("imageFlag", TEXT, "Flag before the image's name."),
    Field("onChange", TEXTS, "Files that make the command run again; without any it runs every time."),
))
BUILD = Record("build", (
    Field("disabled", FLAG, "Leave this image out.", default=False),
    Field("docker", DOCKER, "Build with the Docker Engine."),
    Field("kaniko", KANIKO, "Build in the cluster."),
    Field("custom", CUSTOM, "Build with a command."),
))
IMAGE = Record("image", (
    Field("image", TEXT, "Repository without a tag.", required=True),
    Field("tag", TEXT, "A fixed tag."),
    Field("dockerfile", TEXT, "Path of the Dockerfile.", default="Dockerfile"),
    Field("context", TEXT, "Path of the build context.", default="."),
    Field("createPullSecret", FLAG, "Make a pull secret in the cluster.", default=False),
    Field("build", BUILD, "How it is built."),
))

CHART = Record("chart", (
    Field("name", TEXT, "Folder, or name in the repository.", required=True),
    Field("version", TEXT, "Version of the chart."),
    Field("repo", TEXT, "URL of the chart repository."),
    Field("username", TEXT, "For the repository."),
    Field("password", TEXT, "For the repository."),
))
HELM = Record("helm", (
    Field("chart", CHART, "Which chart.", required=True),
    Field("wait", FLAG, "Wait until everything is ready.", default=False),
    Field("rollback", FLAG, "Take back what failed.", default=False),
    Field("force", FLAG, "Replace what cannot be updated.", default=False),
    Field("timeout", NUMBER, "Seconds.", default=180),
    Field("tillerNamespace", TEXT, "Where tiller runs."),
    Field("devSpaceValues", FLAG, "Put the built tags into the values.", default=True),
    Field("valuesFiles", TEXTS, "Files with values, merged in order."),
    Field("values", Anything(mapping=True), "Values, merged last."),
))
KUBECTL = Record("kubectl", (
    Field("manifests", TEXTS, "Files, folders or globs.", required=True),
    Field("kustomize", FLAG, "The manifests are kustomizations.", default=False),
    Field("flags", TEXTS, "Further arguments for kubectl apply."),
    Field("cmdPath", TEXT, "The kubectl program.", default="kubectl"),
))
DEPLOYMENT = Record("deployment", (
    Field("name", TEXT, "Name of the release.", required=True),
    Field("namespace", TEXT, "The default namespace when unset."),
    Field("component", COMPONENT, "Deploy with the component chart."),
    Field("helm", HELM, "Deploy a helm chart."),
    Field("kubectl", KUBECTL, "Apply manifests."),
))

OVERRIDE_IMAGE = Record("image override", (
    Field("name", TEXT, "A key of images.", required=True),
    Field("entrypoint", TEXTS, "Entrypoint, and the command behind it."),
    Field("dockerfile", TEXT, "Another Dockerfile."),
    Field("context", TEXT, "Another build context."),
))
_PLACE = (
    Field("labelSelector", TEXT_MAP, "Labels of the pod."),
    Field("namespace", TEXT, "Namespace of the pod."),
)
_NAMED = Field("selector", TEXT, "A name from dev.selectors.")
_CONTAINER = Field("containerName", TEXT, "Container of the pod.")
TERMINAL = Record("terminal", (
    Field("disabled", FLAG, "Show logs, open no terminal.", default=False),
    _NAMED,
    *_PLACE,
    _CONTAINER,
    Field("command", TEXTS, "Command; a shell when unset."),
))
FORWARD = Record("port mapping", (
    Field("port", PORT, "Port on this machine.", required=True),
    Field("remotePort", PORT, "Port of the pod; port when unset."),
    Field("bindAddress", TEXT, "Address on this machine.", default="127.0.0.1"),
))
PORTS = Record("ports", (
    _NAMED,
    *_PLACE,
    Field("forward", ListOf(FORWARD), "What is forwarded.", required=True),
))
LIMITS = Record("bandwidth limits", (
    Field("download", NUMBER, "KiB/s.", default=0),
    Field("upload", NUMBER, "KiB/s.", default=0),
))
SYNC = Record("sync", (
    _NAMED,
    *_PLACE,
    _CONTAINER,
    Field("localSubPath", TEXT, "Folder here.", default="."),
    Field("containerPath", TEXT, "Folder in the container; its working directory when unset.", default="."),
    Field("waitInitialSync", FLAG, "Go on only after the first sync.", default=False),
    Field("excludePaths", TEXTS, "Left out both ways (gitignore rules)."),
    Field("downloadExcludePaths", TEXTS, "Never downloaded."),
    Field("uploadExcludePaths", TEXTS, "Never uploaded."),
    Field("bandwidthLimits", LIMITS),
))
AUTO_RELOAD = Record("auto reload", (
    Field("paths", TEXTS, "Files to watch."),
    Field("deployments", TEXTS, "Deployments whose files are watched."),
    Field("images", TEXTS, "Images whose Dockerfile is watched."),
))
SELECTOR = Record("selector", (
    Field("name", TEXT, "Name for `selector:`.", required=True),
    *_PLACE,
    _CONTAINER,
))
DEV = Record("dev", (
    Field("overrideImages", ListOf(OVERRIDE_IMAGE), "How dev builds an image differently."),
    Field("terminal", TERMINAL, "The terminal that dev opens."),
    Field("ports", ListOf(PORTS), "Ports to forward."),
    Field("sync", ListOf(SYNC), "Folders to keep equal."),
    Field("autoReload", AUTO_RELOAD, "What makes dev build and deploy again."),
    Field("selectors", ListOf(SELECTOR), "Named selectors."),
))

SOURCE = Record("dependency source", (
    Field("git", TEXT, "Clone URL."),
    Field("path", TEXT, "Folder."),
    Field("subPath", TEXT, "Folder in the repository."),
    Field("branch", TEXT, "Branch."),
    Field("tag", TEXT, "Tag."),
    Field("revision", TEXT, "Commit."),
))
DEPENDENCY = Record("dependency", (
    Field("source", SOURCE, "Where it is.", required=True),
    Field("config", TEXT, "Named config to use."),
    Field("skipBuild", FLAG, "Build no images of it.", default=False),
    Field("ignoreDependencies", FLAG, "Leave out its own dependencies.", default=False),
    Field("namespace", TEXT, "Where it is deployed."),
))
HOOK_EVENT = Record("hook event", (
    Field("images", TEXT, "all."),
    Field("deployments", TEXT, "all, or a deployment."),
))
HOOK = Record("hook", (
    Field("command", TEXT, "Program to run.", required=True),
    Field("args", TEXTS, "Arguments."),
    Field("when", Record("hook time", (
        Field("before", HOOK_EVENT, "Before this."),
        Field("after", HOOK_EVENT, "After this."),
    )), "When it runs."),
))
CLUSTER = Record("cluster", (
    Field("kubeContext", TEXT, "Kube context."),
    Field("namespace", TEXT, "Default namespace."),
))
VERSION = Field("version", Text(choices=(NAME,)), "Version of this file's schema.", required=True)

SCHEMA = Record("configuration", (
    VERSION,
    Field("name", TEXT, "Not used in this version."),
    Field("images", MapOf(IMAGE), "Images to build."),
    Field("deployments", ListOf(DEPLOYMENT), "What is deployed, in this order."),
    Field("dev", DEV, "What dev adds."),
    Field("dependencies", ListOf(DEPENDENCY), "Other projects."),
    Field("hooks", ListOf(HOOK), "Commands around building and deploying."),
    Field("cluster", CLUSTER, "Where to deploy."),
))

VARIABLE = Record("variable", (
    Field("name", TEXT, "Used as ${NAME}.", required=True),
    Field("source", Text(choices=("all", "env", "input")), "Where the value comes from.", default="all"),
    Field("question", TEXT, "Text of the question."),
    Field("default", TEXT, "Answer that is offered."),
    Field("options", TEXTS, "Answers to choose from."),
    Field("validationPattern", TEXT, "Regular expression that an answer must match."),
    Field("validationMessage", TEXT, "Said when it does not."),
))
CONFIG_SOURCE = Record("config source", (
    Field("path", TEXT, "File."),
    Field("data", Anything(mapping=True), "The configuration itself."),
))
NAMED_CONFIG = Record("named config", (
    Field("config", CONFIG_SOURCE, "The configuration.", required=True),
    Field("vars", Anything(), "A list of variables, or path or data of one."),
    Field("overrides", ListOf(CONFIG_SOURCE), "Merged over the configuration in this order."),
))
CONFIGS = MapOf(NAMED_CONFIG)
VARS_SOURCE = Record("variables source", (
    Field("path", TEXT, "File with a list of variables."),
    Field("data", ListOf(VARIABLE), "The list itself."),
))
VARS = ListOf(VARIABLE)
