-- Remove an entry and the lease; what `cache_look` would have shown before.
-- KEYS: entry, lease. ARGV: channel, index of the last byte wanted.
local left = redis.call('PTTL', KEYS[1])
local head = false
if left >= 0 then
  head = redis.call('GETRANGE', KEYS[1], 0, ARGV[2])
end
redis.call('UNLINK', KEYS[1])
if redis.call('DEL', KEYS[2]) == 1 then
  redis.call('PUBLISH', ARGV[1], '')
end
return head and {left, head}
