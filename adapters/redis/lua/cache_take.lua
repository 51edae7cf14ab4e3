-- Take the lease: nil. An entry other than the one seen: its time left, and itself. A lease that is
-- held: its time left.
-- KEYS: entry, lease. ARGV: token, milliseconds, nonce of the entry seen or '', indices of the
-- nonce's first and last byte.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and redis.call('GETRANGE', KEYS[1], ARGV[4], ARGV[5]) ~= ARGV[3] then
  return {left, redis.call('GET', KEYS[1])}
end
if redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2], 'NX') then
  return false
end
return {redis.call('PTTL', KEYS[2])}
