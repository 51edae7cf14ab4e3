-- Puts conversations in the queue; one that is due earlier stays so.
--
-- KEYS: the queue. ARGV: after how many ms they are due, for how many ms the queue is kept, and the
-- conversations.
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for place = 3, #ARGV do
    redis.call('ZADD', KEYS[1], 'LT', due, ARGV[place])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
