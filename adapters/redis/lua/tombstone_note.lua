-- Adds to a tombstone's receipt.
--
-- KEYS: the tombstone. ARGV: when it was finished in ms or '', and kinds and counts in turn.
-- All of its fields and values, as it is then; nothing if there is none.
if redis.call('EXISTS', KEYS[1]) == 0 then
    return nil
end
for place = 2, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
end
if ARGV[1] ~= '' then
    redis.call('HSET', KEYS[1], 'finished', ARGV[1])
    redis.call('HDEL', KEYS[1], 'user')
end
return redis.call('HGETALL', KEYS[1])
