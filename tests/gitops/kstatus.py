"""kstatus for custom resources, rule by rule as sigs.k8s.io/cli-utils/pkg/kstatus documents it.

Used by `flux`, `kpt` and Helm 4's watcher to tell whether an object is where it was to get.
"""

from typing import Any

Object = dict[str, Any]
CURRENT, IN_PROGRESS, FAILED, TERMINATING = "Current", "InProgress", "Failed", "Terminating"


def kstatus(obj: Object) -> str:
    """Deletion first; then observedGeneration; Reconciling and Stalled as they come; and last of all Ready."""
    meta, status = obj["metadata"], obj.get("status") or {}
    if meta.get("deletionTimestamp"):
        return TERMINATING
    if "observedGeneration" in status and status["observedGeneration"] != meta.get("generation"):
        return IN_PROGRESS
    for condition in status.get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in {"Reconciling", "Stalled"}:
            return IN_PROGRESS if condition["type"] == "Reconciling" else FAILED
    ready = next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), None)
    return CURRENT if ready is None or ready["status"] == "True" else IN_PROGRESS
