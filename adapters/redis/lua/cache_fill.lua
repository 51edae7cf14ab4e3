-- Store what was loaded, if the lease is still this token's, end it, and wake those who wait.
-- KEYS: entry, lease. ARGV: token, the entry, milliseconds that it lives, channel.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[4], '')
return 1
