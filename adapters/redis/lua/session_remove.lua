-- Removes sessions of a user, and lists them no more.
--
-- KEYS: the user's list, the sessions. ARGV: the id to be kept or '', and theirs.
-- Returns how many there were, and how many others are listed.
local gone, listed = 0, redis.call('ZCARD', KEYS[1])
for place = 2, #KEYS do
    gone = gone + redis.call('DEL', KEYS[place])
    if listed > 0 then
        listed = listed - redis.call('ZREM', KEYS[1], ARGV[place])
    end
end
local others = listed
if listed > 0 then
    if ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
        others = others - 1
    end
    tidy(KEYS[1], clock())
end
return {gone, others}
