-- Removes all that there is of a conversation's execution state, and lets nobody begin another.
--
-- KEYS: the record, its fencing token, its note, its grave, the mark. ARGV: for how many ms the mark is
-- kept. Returns how many records went.
local gone = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[5], '1', 'PX', ARGV[1])
return gone
