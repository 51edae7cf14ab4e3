-- Note a key under a tag for at least so long, and forget those whose time has passed.
-- KEYS: what is noted. ARGV: the cache's key, milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lives = tonumber(ARGV[2])
-- In this order it is never empty: see lock_take.
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + lives), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
-- None of it outlives what holds it.
if redis.call('PTTL', KEYS[1]) < lives then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
