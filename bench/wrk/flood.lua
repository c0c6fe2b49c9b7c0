-- Sign-ins that come when they are due, whether or not earlier ones have been answered: a connection that is free takes
-- the next of them. Arguments: a file with one form a line, sign-ins a second, the number of threads.
local common = require("common")
local ffi = require("ffi")

ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } flood_time;
int clock_gettime(int clock, flood_time *time);
]]

local MONOTONIC = 1
local clock = ffi.new("flood_time")
local forms, turn, interval, due, under_way = {}, 0, 0, nil, {}

sent, others, without_retry_after = 0, 0, 0
taken, refused = {}, {} -- milliseconds of the answers 200, and of the answers 503

local function now()
   ffi.C.clock_gettime(MONOTONIC, clock)
   return tonumber(clock.seconds) * 1e3 + tonumber(clock.nanoseconds) / 1e6
end

local all = setup
function setup(thread)
   all(thread)
   everybody = everybody or {}
   table.insert(everybody, thread)
end

function init(args)
   forms = common.lines({args[1], args[3]})
   interval = 1000 * tonumber(args[3]) / tonumber(args[2])
end

-- Milliseconds until this connection sends.
function delay()
   due = (due or now()) + interval
   return math.max(0, due - now())
end

-- The server repeats the id of a request in its answer: so each answer finds the moment when it was asked for.
function request()
   sent, turn = sent + 1, turn % #forms + 1
   local id = string.format("flood-%d-%d", number, sent)
   under_way[id] = now()
   return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded", ["X-Request-ID"] = id}, forms[turn])
end

function response(status, headers)
   local id = headers["x-request-id"]
   local times = status == 200 and taken or status == 503 and refused
   if not times or not under_way[id] then
      others = others + 1
      return
   end
   table.insert(times, now() - under_way[id])
   under_way[id] = nil
   if status == 503 and not headers["retry-after"] then without_retry_after = without_retry_after + 1 end
end

local function gathered(name)
   local texts = {}
   for _, thread in ipairs(everybody) do
      for _, value in ipairs(thread:get(name)) do table.insert(texts, string.format("%.2f", value)) end
   end
   return "[" .. table.concat(texts, ",") .. "]"
end

local function sum(name)
   local total = 0
   for _, thread in ipairs(everybody) do total = total + thread:get(name) end
   return total
end

function done(summary)
   local errors = summary.errors
   io.write(string.format(
      'REPORT {"seconds": %.6f, "sent": %d, "taken": %s, "refused": %s, "without_retry_after": %d, "errors": %d}\n',
      summary.duration / 1e6, sum("sent"), gathered("taken"), gathered("refused"), sum("without_retry_after"),
      sum("others") + errors.connect + errors.read + errors.write + errors.timeout))
end
