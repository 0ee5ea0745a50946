-- A new value asks once; the operator notes which it has seen.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["devicecert.io/reboot"] = os.date("!%Y-%m-%dT%XZ")
return obj
