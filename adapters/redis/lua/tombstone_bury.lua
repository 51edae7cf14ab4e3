-- Has a tombstone stand; one that does stays as it is, but for a later end.
--
-- KEYS: the tombstone. ARGV: its end in ms, and its fields and their values in turn.
-- All of its fields and values, as it is then.
local known = redis.call('HGET', KEYS[1], 'until')
if not known then
    redis.call('HSET', KEYS[1], 'until', ARGV[1], unpack(ARGV, 2))
elseif tonumber(known) < tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[1], 'until', ARGV[1])
end
local kept = redis.call('HGETALL', KEYS[1])
-- Redis keeps a key through the millisecond at which it expires.
redis.call('PEXPIREAT', KEYS[1], redis.call('HGET', KEYS[1], 'until') - 1)
return kept
