-- What waits in the queue: the server's time in ms, how many conversations, and since when the first
-- of them is due (0: there is none).
--
-- KEYS: the queue.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {now, redis.call('ZCARD', KEYS[1]), tonumber(first[2] or 0)}
