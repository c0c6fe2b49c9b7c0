-- Every session's chain of refresh tokens: a token is sent once, and its successor waits at the end of the queue.
-- A connection has one request under way, so with more sessions than connections no token is ever sent twice.
-- Arguments: a file with one refresh token a line, the number of threads.
local common = require("common")
local waiting, first, last = {}, 1, 0

local function put(token)
   last = last + 1
   waiting[last] = token
end

function init(args)
   for _, token in ipairs(common.lines(args)) do put(token) end
end

function request()
   local token = "none-left" -- which is refused, and so counted as an error
   if first <= last then
      token, waiting[first] = waiting[first], nil
      first = first + 1
   end
   return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, '{"refresh_token":"' .. token .. '"}')
end

function response(status, _, body)
   common.count(status)
   local successor = body:match('"refresh_token":"([^"]+)"')
   if successor then put(successor) end
end
