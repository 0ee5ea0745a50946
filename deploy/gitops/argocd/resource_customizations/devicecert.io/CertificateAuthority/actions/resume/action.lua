-- The opposite of pause.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["devicecert.io/paused"] = nil
end
return obj
