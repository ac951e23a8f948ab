-- The health of a Bundle as Argo CD's built-in check determines it, from the condition
-- Synced alone.
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "it is being deleted" }
end
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Synced" then
    if condition.status == "True" then
      return { status = "Healthy", message = condition.message }
    end
    return { status = "Degraded", message = condition.message }
  end
end
return { status = "Progressing", message = "there is no condition Synced" }
