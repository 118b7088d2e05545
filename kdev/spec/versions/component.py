"""Schema of `deployments[].component`: the values of the component chart, as v1beta2 and v1beta3 know them."""

from __future__ import annotations

from kdev.spec.schema import FLAG, NUMBER, TEXT, TEXT_MAP, TEXTS, Anything, Field, Int, ListOf, Record

PORT = Int(1, 65535)
_TREE = Anything(mapping=True)
_LABELS = (
    Field("labels", TEXT_MAP, "Labels to add."),
    Field("annotations", TEXT_MAP, "Annotations to add."),
)

MOUNT_VOLUME = Record("mounted volume", (
    Field("name", TEXT, "A name from volumes."),
    Field("subPath", TEXT, "Folder inside the volume."),
    Field("readOnly", FLAG, "Mount without the right to write.", default=False),
))
MOUNT = Record("volume mount", (
    Field("containerPath", TEXT, "Where it appears in the container."),
    Field("volume", MOUNT_VOLUME, "What is mounted."),
))
CONTAINER = Record("container", (
    Field("name", TEXT, "Name of the container; container-N when unset."),
    Field("image", TEXT, "Image to run."),
    Field("command", TEXTS, "Replaces the image's entrypoint."),
    Field("args", TEXTS, "Replaces the image's command."),
    Field("env", ListOf(_TREE), "Environment as Kubernetes writes it."),
    Field("volumeMounts", ListOf(MOUNT), "Volumes in this container."),
    Field("resources", _TREE, "Requests and limits as Kubernetes writes them."),
    Field("livenessProbe", _TREE, "As Kubernetes writes it."),
    Field("readinessProbe", _TREE, "As Kubernetes writes it."),
))
AUTO_SCALING = Record("auto scaling", (
    Field("horizontal", Record("horizontal scaling", (
        Field("maxReplicas", NUMBER, "Scale up to this many."),
        Field("averageCPU", TEXT, "CPU per pod that is aimed at."),
        Field("averageMemory", TEXT, "Memory per pod that is aimed at."),
    ))),
))
ROLLING_UPDATE = Record("rolling update", (
    Field("enabled", FLAG, "Replace pods one after another.", default=False),
    Field("maxSurge", TEXT, "How many pods more than wanted.", default="25%"),
    Field("maxUnavailable", TEXT, "How many pods less than wanted.", default="0%"),
    Field("partition", NUMBER, "StatefulSet: update only pods from this index on."),
))
VOLUME = Record("volume", (
    Field("name", TEXT, "Name for volumeMounts."),
    Field("size", TEXT, "Size of a persistent volume."),
    Field("configMap", _TREE, "A ConfigMap as Kubernetes writes it."),
    Field("secret", _TREE, "A Secret as Kubernetes writes it."),
    *_LABELS,
))
SERVICE_PORT = Record("service port", (
    Field("port", PORT, "Port of the service."),
    Field("containerPort", PORT, "Port of the container; port when unset."),
    Field("protocol", TEXT, "TCP or UDP.", default="TCP"),
))
SERVICE = Record("service", (
    Field("name", TEXT, "Name; the deployment's when unset."),
    Field("type", TEXT, "Kubernetes' service type.", default="ClusterIP"),
    Field("ports", ListOf(SERVICE_PORT), "Ports of the service."),
    Field("externalIPs", TEXTS, "Further addresses."),
    *_LABELS,
))
INGRESS_RULE = Record("ingress rule", (
    Field("host", TEXT, "Host name."),
    Field("servicePort", PORT, "Port of the service; its first when unset."),
    Field("path", TEXT, "Path.", default="/"),
    Field("tls", TEXT, "true, or the name of a secret."),
))
INGRESS = Record("ingress", (
    Field("name", TEXT, "Name; the service's when unset."),
    Field("tls", TEXT, "true, or the name of a secret."),
    Field("rules", ListOf(INGRESS_RULE), "Rules."),
    *_LABELS,
))
OPTIONS = Record("component options", (
    Field("wait", FLAG, "Wait until everything is ready.", default=False),
    Field("rollback", FLAG, "Take back what failed.", default=False),
    Field("force", FLAG, "Replace what cannot be updated.", default=False),
    Field("timeout", NUMBER, "Seconds.", default=180),
    Field("tillerNamespace", TEXT, "Where tiller runs."),
))
COMPONENT = Record("component", (
    Field("containers", ListOf(CONTAINER), "Containers of the pod."),
    Field("replicas", NUMBER, "How many pods.", default=1),
    Field("autoScaling", AUTO_SCALING),
    Field("rollingUpdate", ROLLING_UPDATE),
    Field("volumes", ListOf(VOLUME), "Volumes that containers can mount."),
    Field("service", SERVICE),
    Field("serviceName", TEXT, "Governing service of a StatefulSet."),
    Field("ingress", INGRESS),
    Field("podManagementPolicy", TEXT, "Of a StatefulSet.", default="OrderedReady"),
    Field("pullSecrets", TEXTS, "Secrets for pulling images."),
    Field("options", OPTIONS, "How it is deployed."),
    *_LABELS,
))
