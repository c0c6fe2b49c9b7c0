-- What every script shares. Loaded by `require`, once in each thread of wrk and once in its main state.
local common = {}
local threads = {}

busy = 0 -- answers 503 in this thread: a full queue that says so is no error

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

function common.count(status)
   if status == 503 then busy = busy + 1 end
end

-- The lines of a file that belong to this thread. Arguments: the file, and how many threads there are.
function common.lines(args)
   local mine, index = {}, 0
   for line in io.lines(args[1]) do
      if index % tonumber(args[2]) == number then table.insert(mine, line) end
      index = index + 1
   end
   return mine
end

-- A function that returns the given requests in turn, for ever.
function common.turns(requests)
   local turn = 0
   return function()
      turn = turn % #requests + 1
      return requests[turn]
   end
end

function done(summary, latency)
   local waved_off = 0
   for _, thread in ipairs(threads) do waved_off = waved_off + thread:get("busy") end
   local errors = summary.errors
   local socket = errors.connect + errors.read + errors.write + errors.timeout
   io.write(string.format(
      'REPORT {"requests": %d, "seconds": %.6f, "p50": %.3f, "p95": %.3f, "p99": %.3f, "errors": %d, "busy": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
      latency:percentile(99) / 1e3, errors.status - waved_off + socket, waved_off))
end

return common
