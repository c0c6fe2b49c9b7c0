-- Accounts that nobody has yet, with a name. Argument: what all addresses of this run begin with.
local common = require("common")
local prefix, count = "", 0

function init(args)
   prefix = args[1] .. "-" .. number .. "-"
end

function request()
   count = count + 1
   local body = string.format(
      '{"name":"Ada","email":"%s%d@example.com","password":"correct horse battery staple"}', prefix, count)
   return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
end

function response(status)
   common.count(status)
end
