-- A button each; what cannot be done now is greyed out.
local paused = obj.metadata.annotations ~= nil and obj.metadata.annotations["devicecert.io/paused"] == "true"
return {
  ["reboot"] = {["disabled"] = paused, ["iconClass"] = "fa fa-fw fa-power-off"},
  ["pause"] = {["disabled"] = paused, ["iconClass"] = "fa fa-fw fa-pause-circle"},
  ["resume"] = {["disabled"] = not paused, ["iconClass"] = "fa fa-fw fa-play-circle"}
}
