-- Put aside what is noted under a tag, to be worked off; the tokens of all that is put aside.
-- KEYS: what is noted, tokens, what is put aside. ARGV: token of the latter.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('SADD', KEYS[2], ARGV[1])
  if redis.call('PTTL', KEYS[2]) < left then
    redis.call('PEXPIRE', KEYS[2], left)
  end
end
return redis.call('SMEMBERS', KEYS[2])
