-- Removes sessions of a user, and lists them no more.
--
-- KEYS: the user's list, the sessions. ARGV: the id to be kept or '', and theirs.
-- Returns how many there were, and how many others are listed.
local gone = 0
for place = 2, #KEYS do
    gone = gone + redis.call('DEL', KEYS[place])
    redis.call('ZREM', KEYS[1], ARGV[place])
end
tidy(KEYS[1], clock())
local others = redis.call('ZCARD', KEYS[1])
if ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    others = others - 1
end
return {gone, others}
