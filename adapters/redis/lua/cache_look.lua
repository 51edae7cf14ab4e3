-- An entry, or its beginning, and the milliseconds that it has left.
-- KEYS: entry. ARGV: index of the last byte wanted.
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  return false
end
return {left, redis.call('GETRANGE', KEYS[1], 0, ARGV[1])}
