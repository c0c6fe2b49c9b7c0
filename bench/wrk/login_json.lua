-- Sign-in with many accounts in turn. Arguments: a file with one JSON object a line, the number of threads.
local common = require("common")

function init(args)
   local requests = {}
   for _, credentials in ipairs(common.lines(args)) do
      table.insert(requests, wrk.format("POST", nil, {["Content-Type"] = "application/json"}, credentials))
   end
   request = common.turns(requests)
end

function response(status)
   common.count(status)
end
