-- Rate limits of one tenant, all or nothing, by the server's clock.
--
-- KEYS: one for each limit, and one for the names of the tenant's rules. ARGV: the purpose (acquire, peek, count), then for each limit its kind,
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

local rules, LEEWAY = KEYS[#KEYS], 60000

local function keep(key, value, stop)
  -- As good as nothing in the millisecond after its end.
  local ends, present = math.floor(stop / 1000) + 1, math.floor(now / 1000)
  redis.call('SET', key, value, 'PXAT', ends)
  -- What ends a key's name is the rule's. It is known for as long as there is a count by it, by
  -- which an erasure finds these, and for longer, so that it needn't be told each time.
  local rule = string.match(key, '[^:]*$')
  local known = redis.call('ZSCORE', rules, rule)
  if not known or tonumber(known) < ends then
    redis.call('ZREMRANGEBYSCORE', rules, '-inf', present)
    redis.call('ZADD', rules, ends + math.max(ends - present, LEEWAY), rule)
    redis.call('PEXPIREAT', rules, redis.call('ZREVRANGE', rules, 0, 0, 'WITHSCORES')[2])
  end
end

-- A bucket is kept as its theoretical arrival time and the time when that was last moved, which
-- keeps a clock that is put back from making permits dearer. As `window`, this returns what an
-- answer is made of, and has used the permits if that is the purpose and they are admitted.

local function bucket(purpose, key, permits, most, interval)
  local held = redis.call('GET', key)
  local tat, seen = 0, now
  if held then
    tat, seen = cmsgpack.unpack(held)
    if seen < now then
      seen = now
    end
  end
  local full = tat > seen and tat - seen or 0
  local free = (most - permits) * interval - full
  if purpose == 'count' or (purpose == 'acquire' and free >= 0) then
    full = math.min(full + permits * interval, LONGEST_DEBT)
    keep(key, cmsgpack.pack(seen + full, seen), seen + full)
    if purpose == 'count' then
      permits, free = 1, (most - 1) * interval - full
    end
  end
  local wait = 0
  if permits > most then
    wait = -1
  elseif free < 0 then
    wait = seen - free - now
  end
  return math.ceil(full / interval), full > 0 and seen + full - now or 0, wait
end

-- Windows are kept as times and how many permits count until then, in their order.

local function window(purpose, key, permits, most, stop)
  local held = redis.call('GET', key)
  local portions, last, used = {}, 0, 0
  if held then
    local all = cmsgpack.unpack(held)
    for at = 1, #all, 2 do
      if all[at] > now then
        portions[last + 1], portions[last + 2] = all[at], all[at + 1]
        last = last + 2
        used = used + portions[last]
      end
    end
  end
  local lacking = used + permits - most
  if purpose == 'count' or (purpose == 'acquire' and lacking <= 0) then
    local counted = math.min(permits, MOST_COUNTED - used)
    if last > 0 and portions[last - 1] >= stop then
      portions[last] = portions[last] + counted
    else
      portions[last + 1], portions[last + 2] = stop, counted
      last = last + 2
    end
    used = used + counted
    keep(key, cmsgpack.pack(portions), portions[last - 1])
    if purpose == 'count' then
      permits, lacking = 1, used + 1 - most
    end
  end
  local wait, at = 0, 1
  if permits > most then
    wait = -1
  elseif lacking > 0 then
    while lacking > portions[at + 1] do
      lacking = lacking - portions[at + 1]
      at = at + 2
    end
    wait = portions[at] - now
  end
  return used, last > 0 and portions[last - 1] - now or 0, wait
end

local function decide(purpose)  -- nil if a calendar doesn't fit
  local answers, admitted, at = {}, true, 2
  for number = 1, #KEYS - 1 do
    local key, kind = KEYS[number], ARGV[at]
    local permits, most = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local size = tonumber(ARGV[at + 3])
    local used, ends, wait
    if kind == 'gcra' then
      at = at + 4
      used, ends, wait = bucket(purpose, key, permits, most, size)
    else
      local stop
      if kind == 'window' then
        stop = now - now % size + tonumber(ARGV[at + 4])
        at = at + 5
      else
        local boundary = at + 4
        at = boundary + size
        if now < tonumber(ARGV[boundary]) or now >= tonumber(ARGV[at - 1]) then
          return nil
        end
        repeat
          boundary = boundary + 1
          stop = tonumber(ARGV[boundary])
        until now < stop
      end
      used, ends, wait = window(purpose, key, permits, most, stop)
    end
    answers[number * 3 - 2], answers[number * 3 - 1], answers[number * 3] = used, ends, wait
    admitted = admitted and wait == 0
  end
  return answers, admitted
end

local purpose = ARGV[1]
if purpose == 'acquire' and #KEYS > 2 then
  local answers, admitted = decide('peek')
  if not admitted then
    return answers or now
  end
end
return decide(purpose) or now
