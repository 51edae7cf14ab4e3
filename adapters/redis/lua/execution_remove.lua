-- Removes a record, and keeps its fencing token for a while.
--
-- KEYS: the record, its fencing token. ARGV: the caller's fencing token or '', and for how many ms
-- it is kept. Returns how many records went, -1 if the token is too small.
if overtaken(KEYS[2], ARGV[1]) then
    return -1
end
remember(KEYS[2], ARGV[1], clock() + ARGV[2])
return redis.call('DEL', KEYS[1])
