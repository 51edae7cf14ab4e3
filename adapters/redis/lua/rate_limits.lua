-- Rate limits of one tenant, all or nothing, by the server's clock.
--
-- KEYS: one for each limit. ARGV: the purpose (acquire, peek, count), then for each limit its kind,
-- how many permits, the limit, and
--   gcra      the microseconds from one permit to the next
--   window    the microseconds of a part, and those until a part no longer counts
--   calendar  how many boundaries, and these
-- Times are microseconds since the epoch; all numbers lie below 2^53 and are exact.
--
-- Returns for each limit three integers, as ports.rate_limits.Answer has them; or, if the present
-- lies outside of the boundaries given, only the present, and nothing was done.

local MOST_COUNTED = 1e12
local LONGEST_DEBT = 3650 * 24 * 3600 * 1e6

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- A bucket is kept as its theoretical arrival time and the time when that was last moved, which
-- keeps a clock that is put back from making permits dearer.

local bucket = {}

function bucket.read(limit, held)
  local tat, seen = 0, now
  if held then
    tat, seen = cmsgpack.unpack(held)
  end
  limit.seen = math.max(seen, now)
  limit.full = math.max(tat - limit.seen, 0)
end

function bucket.wait(limit, permits)
  local ahead = (limit.most - permits) * limit.interval
  return limit.full > ahead and limit.seen + limit.full - ahead - now or 0
end

function bucket.add(limit, permits)
  limit.full = math.min(limit.full + permits * limit.interval, LONGEST_DEBT)
end

function bucket.used(limit)
  return math.ceil(limit.full / limit.interval)
end

function bucket.ends(limit)
  return limit.full > 0 and limit.seen + limit.full or now
end

function bucket.written(limit)
  return cmsgpack.pack(limit.seen + limit.full, limit.seen)
end

-- Windows are kept as times and how many permits count until then, in their order.

local windows = {}

function windows.read(limit, held)
  local portions, used = {}, 0
  local all = held and cmsgpack.unpack(held) or {}
  for at = 1, #all, 2 do
    if all[at] > now then
      portions[#portions + 1] = all[at]
      portions[#portions + 1] = all[at + 1]
      used = used + all[at + 1]
    end
  end
  limit.portions, limit.used = portions, used
end

function windows.wait(limit, permits)
  local lacking, at = limit.used + permits - limit.most, -1
  while lacking > 0 do
    at = at + 2
    lacking = lacking - limit.portions[at + 1]
  end
  return at > 0 and limit.portions[at] - now or 0
end

function windows.add(limit, permits)
  local portions = limit.portions
  local counted, last = math.min(permits, MOST_COUNTED - limit.used), #portions
  if last > 0 and portions[last - 1] >= limit.stop then
    portions[last] = portions[last] + counted
  else
    portions[last + 1], portions[last + 2] = limit.stop, counted
  end
  limit.used = limit.used + counted
end

function windows.used(limit)
  return limit.used
end

function windows.ends(limit)
  return limit.portions[#limit.portions - 1] or now
end

function windows.written(limit)
  return cmsgpack.pack(limit.portions)
end

local function wait(limit, permits)
  return permits > limit.most and -1 or limit.kind.wait(limit, permits)
end

local purpose, at = ARGV[1], 1

local function argument()
  at = at + 1
  return tonumber(ARGV[at])
end

local limits, admitted = {}, true
for number, key in ipairs(KEYS) do
  at = at + 1
  local kind = ARGV[at]
  local limit = {kind = windows, permits = argument(), most = argument()}
  if kind == 'gcra' then
    limit.kind, limit.interval = bucket, argument()
  elseif kind == 'window' then
    local part = argument()
    limit.stop = now - now % part + argument()
  else
    local first = at + 2
    at = at + 1 + argument()
    if now < tonumber(ARGV[first]) or now >= tonumber(ARGV[at]) then
      return now
    end
    local boundary = first + 1
    while now >= tonumber(ARGV[boundary]) do
      boundary = boundary + 1
    end
    limit.stop = tonumber(ARGV[boundary])
  end
  limit.kind.read(limit, redis.call('GET', key))
  limit.after = wait(limit, limit.permits)
  admitted = admitted and limit.after == 0
  limits[number] = limit
end

if purpose == 'count' or (purpose == 'acquire' and admitted) then
  for number, key in ipairs(KEYS) do
    local limit = limits[number]
    limit.kind.add(limit, limit.permits)
    if purpose == 'count' then
      limit.after = wait(limit, 1)
    end
    -- As good as nothing in the millisecond after its end.
    local expires = math.floor(limit.kind.ends(limit) / 1000) + 1
    redis.call('SET', key, limit.kind.written(limit), 'PXAT', expires)
  end
end

local answers = {}
for number, limit in ipairs(limits) do
  answers[number * 3 - 2] = limit.kind.used(limit)
  answers[number * 3 - 1] = limit.kind.ends(limit) - now
  answers[number * 3] = limit.after
end
return answers
