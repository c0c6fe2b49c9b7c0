-- GET with access tokens in turn. Arguments: a file with one token a line, the number of threads.
local common = require("common")

function init(args)
   local requests = {}
   for _, token in ipairs(common.lines(args)) do
      table.insert(requests, wrk.format("GET", nil, {["Authorization"] = "Bearer " .. token}))
   end
   request = common.turns(requests)
end
