-- Health check of DataJobs and ModelServices for Argo CD: resource.customizations.health.datajob.io_DataJob and
-- resource.customizations.health.datajob.io_ModelService in argocd-cm.
local health = {status = "Progressing", message = "Waiting for the controller."}
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The controller has not observed the last edit yet."
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Accepted" and condition.status == "False" then
    return {status = "Degraded", message = condition.message}
  end
end
local states = {
  Complete = "Healthy", Failed = "Degraded", Stalled = "Degraded", Suspended = "Suspended",
  Reconciling = "Progressing", Progressing = "Progressing", Available = "Healthy",
}
for _, kind in ipairs({"Complete", "Failed", "Stalled", "Suspended", "Reconciling", "Progressing", "Available"}) do
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == kind and condition.status == "True" then
      return {status = states[kind], message = condition.message}
    end
  end
end
return health
