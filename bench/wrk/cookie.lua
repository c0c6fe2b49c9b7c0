-- GET with cookies in turn. Arguments: a file with one Cookie header a line, the number of threads.
local common = require("common")

function init(args)
   local requests = {}
   for _, cookies in ipairs(common.lines(args)) do
      table.insert(requests, wrk.format("GET", nil, {["Cookie"] = cookies}))
   end
   request = common.turns(requests)
end
