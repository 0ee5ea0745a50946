-- What kstatus says of the object, in Argo CD's words. The same text serves all three kinds.
local health = {status = "Progressing", message = "The operator has not looked at this yet."}
local status = obj.status or {}

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "It is being deleted."
  return health
end
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local ready, stalled, reconciling = found["Ready"], found["Stalled"], found["Reconciling"]

if ready == nil then
  return health
end
health.message = ready.message or ready.reason
if ready.status == "True" then
  health.status = "Healthy"
elseif ready.reason == "Paused" or ready.reason == "ObserveOnly" then
  health.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.message or health.message
elseif reconciling ~= nil and reconciling.status == "True" then
  health.message = reconciling.message or health.message
end
return health
