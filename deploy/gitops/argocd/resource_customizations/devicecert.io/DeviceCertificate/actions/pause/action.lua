-- The operator leaves the object alone until it is resumed.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["devicecert.io/paused"] = "true"
return obj
