-- What was dropped needs no second time; a token whose keys are all dropped has served.
-- KEYS: what was put aside, tokens. ARGV: its token, the cache's keys that were dropped.
for first = 2, #ARGV, 1000 do
  redis.call('ZREM', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
end
return 1
