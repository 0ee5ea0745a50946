"""Argo CD's side: its Lua files in Lua 5.1, with as little of the standard library as Argo CD gives them."""

import json
import time
from pathlib import Path
from typing import Any

import lupa.lua51 as lua
import yaml

Object = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "deploy" / "gitops" / "argocd"
CUSTOMIZATIONS = FOLDER / "resource_customizations" / "devicecert.io"
KINDS = ("Device", "DeviceCertificate", "CertificateAuthority")
# what Argo CD's sandbox does not open
_ABSENT = ("io", "package", "debug", "require", "dofile", "loadfile", "module", "python")


def health(obj: Object) -> tuple[str, str]:
    """Status and message. obj: with its kind."""
    found = _run((CUSTOMIZATIONS / obj["kind"] / "health.lua").read_text(), obj)
    return found["status"], found["message"]


def act(obj: Object, action: str) -> Object:
    """The object as the action gives it back."""
    return dict(_run((CUSTOMIZATIONS / obj["kind"] / "actions" / action / "action.lua").read_text(), obj))


def enabled(obj: Object) -> dict[str, bool]:
    """The actions, and whether each can be chosen now."""
    found = _run((CUSTOMIZATIONS / obj["kind"] / "actions" / "discovery.lua").read_text(), obj)
    return {name: not one["disabled"] for name, one in found.items()}


def configured() -> Object:
    """What stands in the ConfigMap that Argo CD reads: text by key."""
    return dict(yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())["data"])


def _run(text: str, obj: Object) -> Any:
    runtime = lua.LuaRuntime(register_eval=False, register_builtins=False)
    scope = runtime.globals()
    for name in _ABSENT:
        scope[name] = None
    scope.os = runtime.table_from({"date": lambda form: time.strftime(form.removeprefix("!"), time.gmtime())})
    scope.obj = runtime.table_from(_without_null(obj), recursive=True)
    return _plain(runtime.execute(text), obj)


def _plain(value: Any, like: Any = None) -> Any:
    """Lua tables as dicts and lists. like: tells what an empty table was."""
    if lua.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if isinstance(like, list) or (keys and all(isinstance(key, int) for key in keys)):
        known = like if isinstance(like, list) else []
        return [_plain(value[key], known[key - 1] if key <= len(known) else None) for key in keys]
    return {key: _plain(value[key], like.get(key) if isinstance(like, dict) else None) for key in keys}


def _without_null(obj: Object) -> Object:
    """As JSON; Lua has no null in a table."""
    return dict(json.loads(json.dumps(obj), object_pairs_hook=lambda pairs: {k: v for k, v in pairs if v is not None}))
