-- People who come back when they were told to: whoever was answered 503 waits for as long as Retry-After says.
-- For scripts whose `response` is defined already. wrk asks for a delay just before each request, of no connection by
-- name, so that another connection may wait instead; as many wait as were told to.
local owed, counted = {}, response

function response(status, headers, body)
   counted(status, headers, body)
   if status == 503 then
      table.insert(owed, 1000 * tonumber(headers["retry-after"] or headers["Retry-After"] or 1))
   end
end

function delay()
   return table.remove(owed) or 0
end
