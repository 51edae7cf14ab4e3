-- Raises a record's revision above one, if it isn't as far yet.
--
-- KEYS: the record, its note. ARGV: the life, the revision.
local record = redis.call('GET', KEYS[1])
if record then
    lift(KEYS[1], KEYS[2], parsed(record), tonumber(ARGV[1]), tonumber(ARGV[2]))
end
return 0
