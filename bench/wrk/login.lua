-- Sign-in with many accounts in turn. Arguments: a file with one form a line, the number of threads.
local common = require("common")

function init(args)
   local requests = {}
   for _, form in ipairs(common.lines(args)) do
      table.insert(requests, wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded"}, form))
   end
   request = common.turns(requests)
end

function response(status)
   common.count(status)
end
