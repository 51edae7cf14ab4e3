-- What was dropped needs no second time; a token whose keys are all dropped has served.
-- KEYS: what was put aside, tokens. ARGV: its token, the cache's keys that were dropped.
-- Returns how many keys are left. (Not asked of what may be gone by then: see lock_take.)
local left = redis.call('ZCARD', KEYS[1])
for first = 2, #ARGV, 1000 do
  if left > 0 then
    left = left - redis.call('ZREM', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
  end
end
if left == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
end
return left
